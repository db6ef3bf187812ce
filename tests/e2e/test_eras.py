"""Caller and server of different eras, or of both: what is asked in the middle of a call, and in which era.

A whole gateway between scripted servers and raw clients, so that every byte can be looked at. With real ones:
test_asking.py.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event, http
from tests.spec.peers import LATEST, MODERN, Asked, Json, Peer
from tests.spec.scene import full, over_sockets
from tests.spec.world import Client, Said, World, world

pytestmark = over_sockets
ALL = ["elicitation", "sampling", "roots"]
FORM = {"message": "Who?", "requestedSchema": {"type": "object"}}
ASKS = {"a": {"method": "elicitation/create", "params": FORM}}
FORMS: Json = {"elicitation": {"form": {}}}
APPS: Json = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
OUTCOMES = [
    ([], FORMS, -31001, "ask_not_allowed"),
    (["roots"], {}, -31001, "ask_not_allowed"),
    (ALL, {}, -32021, "capability_missing"),
    (ALL, {"elicitation": {"url": {}}}, -32021, "capability_missing"),
    (ALL, FORMS, -32603, "bridge_unsupported"),
]


def input_required(**members: Any) -> Json:
    return {"resultType": "input_required", **members}


def asks(_: Asked, writer: asyncio.StreamWriter, head: bytes = STREAM) -> None:
    """A legacy tool that asks before it answers, and does not answer before it is answered."""
    question = {"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": FORM}
    writer.write(head + event(question))


def judged(said: Said, code: int, reason: str, server: str = "lab") -> None:
    error = said.message["error"]
    assert (error["code"], error["data"]["reason"]) == (code, reason)
    assert error["data"]["server"] == server
    assert f"server {server} needs elicitation" in error["message"]
    if code == -32021:
        assert error["data"]["requiredCapabilities"] == FORMS


async def still_there(client: Client, peer: Peer) -> None:
    peer.acts.clear()
    peer.results.clear()
    assert (await client.call(a=1)).result["content"]


# a legacy caller at a server of 2026-07-28


@pytest.mark.parametrize(("may_ask", "declared", "code", "reason"), OUTCOMES)
async def test_what_a_modern_server_wants_to_know_of_a_legacy_caller(
    tmp_path: Path, may_ask: list[str], declared: Json, code: int, reason: str
) -> None:
    peer = full(MODERN)
    peer.results["tools/call"] = input_required(inputRequests=ASKS, requestState="s")
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": may_ask}) as made:
        client = await made.client(**declared)
        said = await client.call()
        judged(said, code, reason)
        assert said.status == 200  # anything else is a broken transport to a legacy client
        assert len(peer.asked("tools/call")) == 1
        await still_there(client, peer)


@pytest.mark.parametrize(
    ("may_ask", "declared", "code", "reason"), [one for one in OUTCOMES if one[1:3] != ({}, -31001)]
)
async def test_a_modern_server_that_names_what_a_legacy_caller_lacks(
    tmp_path: Path, may_ask: list[str], declared: Json, code: int, reason: str
) -> None:
    """It is told of nothing that could be asked, because nothing could be carried: so it says so."""
    peer = full(MODERN)
    peer.acts["tools/call"] = lambda asked, writer: writer.write(
        http(400, asked.error(-32021, data={"requiredCapabilities": FORMS}))
    )
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": may_ask}) as made:
        client = await made.client(**declared)
        said = await client.call()
        assert said.status == 200
        assert said.message["error"]["code"] == code
        if code == -32021:
            assert said.message["error"]["data"]["requiredCapabilities"] == FORMS
        else:
            judged(said, code, reason)
        assert peer.last().meta["io.modelcontextprotocol/clientCapabilities"] == {}
        await still_there(client, peer)


async def test_rounds_that_ask_nothing_are_made_for_a_legacy_caller(tmp_path: Path) -> None:
    """A server that only wants to be called again: nobody need be asked for that."""
    peer, states = full(MODERN), ["one \u20ac", "two"]

    def answer(asked: Asked) -> Json:
        state = asked.params.get("requestState")
        left = states if state is None else states[states.index(state) + 1 :]
        return (
            input_required(requestState=left[0]) if left else {"content": [{"type": "text", "text": "done"}]}
        )

    peer.results["tools/call"] = answer
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client()
        said = await client.call(a=1)
        assert said.result == {"content": [{"type": "text", "text": "done"}]}
        rounds = peer.asked("tools/call")
        assert [one.params.get("requestState") for one in rounds] == [None, *states]
        assert len({one.id for one in rounds}) == 3
        assert {json.dumps(one.params["arguments"]) for one in rounds} == {'{"a": 1}'}


async def test_a_server_that_is_never_done_is_not_called_for_ever(tmp_path: Path) -> None:
    peer = full(MODERN)
    peer.results["tools/call"] = input_required(requestState="again")
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client()
        said = await client.call()
        assert said.reason == "upstream_protocol_error"
        assert "server lab wants more than 8 rounds" in said.message["error"]["message"]
        assert len(peer.asked("tools/call")) == 9
        await still_there(client, peer)


# a caller of 2026-07-28 at a legacy server


@pytest.mark.parametrize(("may_ask", "declared", "code", "reason"), OUTCOMES)
async def test_what_a_legacy_server_asks_a_modern_caller(
    tmp_path: Path, may_ask: list[str], declared: Json, code: int, reason: str
) -> None:
    peer = full()
    peer.acts["tools/call"] = asks
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": may_ask, "timeout": "2s"}) as made:
        client = await made.client(version=MODERN, **declared)
        said = await client.call()
        refusal = await _answer_to(peer, "q")
        assert refusal["error"]["code"] == -32601  # the server does not hang either
        if reason == "ask_not_allowed":  # it has been told no, and could go on without
            assert said.reason == "upstream_timeout"
        else:
            judged(said, code, reason)
            assert said.status == (400 if code == -32021 else 200)
        assert (await peer.until("notifications/cancelled")).params["requestId"] == peer.last().id
        await still_there(client, peer)


async def test_a_question_aside_ends_the_only_call_there_is(tmp_path: Path) -> None:
    """Official SDKs ask so too: on the stream that belongs to no call, where nobody would hear it."""
    peer, called = full(), asyncio.Event()

    async def listens(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await writer.drain()
        await called.wait()
        asks(_, writer, head=b"")
        await writer.drain()
        await asyncio.sleep(60)

    def waits(_: Asked, writer: asyncio.StreamWriter) -> None:
        called.set()

    peer.acts |= {"GET": listens, "tools/call": waits}
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await made.client(version=MODERN, **FORMS)
        judged(await client.call(), -32603, "bridge_unsupported")
        assert (await _answer_to(peer, "q"))["error"]["code"] == -32601
        await peer.until("notifications/cancelled")


async def test_a_server_that_wants_roots_as_soon_as_it_can_ends_no_call(tmp_path: Path) -> None:
    peer, called, asked = full(), asyncio.Event(), asyncio.Event()

    async def listens(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await writer.drain()
        await called.wait()
        writer.write(event({"jsonrpc": "2.0", "id": "r", "method": "roots/list"}))
        await writer.drain()
        await _answer_to(peer, "r")
        asked.set()
        await asyncio.sleep(60)

    async def works(one: Asked, writer: asyncio.StreamWriter) -> None:
        called.set()
        await asked.wait()
        writer.write(http(200, one.result({"content": [{"type": "text", "text": "done"}]})))

    peer.acts |= {"GET": listens, "tools/call": works}
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await made.client(version=MODERN, roots={})
        assert (await client.call()).result["content"] == [{"type": "text", "text": "done"}]
        assert (await _answer_to(peer, "r"))["error"]["code"] == -32601


async def test_a_legacy_server_is_told_once_what_each_modern_caller_can_be_asked(tmp_path: Path) -> None:
    peer = full()
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ["elicitation", "roots"]}) as made:
        before = peer.sessions
        same: list[Json] = [
            FORMS,
            {"elicitation": {"form": {"x": 1}}, "sampling": {}},
        ]  # as far as it may ask
        for declared in (*same, {}, {"roots": {"listChanged": True}}):
            client = await made.client(version=MODERN, **declared)
            assert (await client.call()).result
        other = await made.client(version=MODERN, agent="other", **FORMS)
        assert (await other.call()).result
        opened = [one.params["capabilities"] for one in peer.asked("initialize")][before:]
        assert opened == [FORMS, {}, {"roots": {}}, FORMS]
        calls = [one.headers["mcp-session-id"] for one in peer.asked("tools/call")]
        assert calls[0] == calls[1]
        assert len(set(calls)) == 4


VISIT = {"mode": "url", "url": "https://a.example", "message": "Sign in", "elicitationId": "e1"}


@pytest.mark.parametrize(
    ("version", "may_ask", "code"),
    [(LATEST, ALL, -32042), (LATEST, [], -31001), (MODERN, ALL, -32603), (MODERN, [], -31001)],
)
async def test_an_error_that_sends_the_user_to_a_url_takes_the_same_consents(
    tmp_path: Path, version: str, may_ask: list[str], code: int
) -> None:
    peer = full()
    error = {"elicitations": [VISIT]}
    peer.acts["tools/call"] = lambda asked, writer: writer.write(http(200, asked.error(-32042, data=error)))
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": may_ask}) as made:
        client = await made.client(version=version, elicitation={"url": {}})
        said = await client.call()
        assert said.message["error"]["code"] == code
        if code == -32042:
            assert said.message["error"]["data"] == error
            session = client.fields["Mcp-Session-Id"]
            assert made.process.asking._elicited == {(session, "e1"): "lab"}
        else:
            assert said.reason == ("bridge_unsupported" if may_ask else "ask_not_allowed")
            assert VISIT["url"] not in json.dumps(said.message), "nobody is sent there without consent"
        await still_there(client, peer)


# a server of both eras


async def _dual(made: World, peer: Peer, version: str = LATEST, **declared: Any) -> Client:
    client = await made.client(version=version, **declared)
    await client.call()
    return client


async def test_a_call_about_which_a_legacy_client_can_be_asked_is_made_in_a_session_of_its_own(
    tmp_path: Path,
) -> None:
    peer = full(LATEST, MODERN)
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ["elicitation"]}) as made:
        before = len(peer.asked("initialize"))
        await _dual(made, peer, **FORMS, roots={})
        assert "mcp-session-id" in peer.last().headers
        assert [one.params["capabilities"] for one in peer.asked("initialize")[before:]] == [FORMS]
        for declared in ({}, {"roots": {}}):  # nothing to ask: no session is needed
            await _dual(made, peer, **declared)
            assert "mcp-session-id" not in peer.last().headers
        await _dual(made, peer, MODERN, **FORMS)
        assert peer.last().meta["io.modelcontextprotocol/clientCapabilities"] == FORMS
        assert before == 0
        assert peer.sessions == 1


async def test_everything_else_goes_the_newer_way_and_is_listed_once(tmp_path: Path) -> None:
    peer = full(LATEST, MODERN)
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await _dual(made, peer, **FORMS)
        lists = len(peer.asked("tools/list"))
        for _ in range(2):
            assert [one["name"] for one in (await client.ask("tools/list")).result["tools"]] == ["echo"]
        ref = {"type": "ref/prompt", "name": "greet"}
        await client.ask("completion/complete", {"ref": ref, "argument": {"name": "a", "value": "b"}})
        assert "mcp-session-id" not in peer.last("completion/complete").headers
        assert len(peer.asked("tools/list")) == lists
        assert all("mcp-session-id" not in one.headers for one in peer.asked("tools/list"))
        for method, params in [
            ("prompts/get", {"name": "greet"}),
            ("resources/read", {"uri": "doc://rates"}),
        ]:
            assert (await client.ask(method, params)).result
            assert "mcp-session-id" in peer.last(method).headers


async def test_the_session_ends_with_the_callers(tmp_path: Path) -> None:
    peer = full(LATEST, MODERN)
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await _dual(made, peer, **FORMS)
        theirs = peer.last().headers["mcp-session-id"]
        await client.http.delete(client.path, headers=client.fields)
        assert (await peer.until("DELETE")).headers["mcp-session-id"] == theirs


async def test_a_session_that_the_server_forgot_is_opened_again(tmp_path: Path) -> None:
    peer = full(LATEST, MODERN)
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await _dual(made, peer, **FORMS)
        peer.dead.add("s1")
        assert (await client.call()).result
        assert peer.last().headers["mcp-session-id"] == "s2"


REFUSALS: dict[str, Callable[[Asked], bytes]] = {
    "400": lambda _: http(400),
    "404": lambda _: http(404),
    "405": lambda _: http(405),
    "its versions": lambda asked: http(400, asked.error(-32022, data={"supported": [MODERN]})),
    "no such method": lambda asked: http(404, asked.error(-32601)),
    "its version": lambda asked: http(200, asked.result({"protocolVersion": MODERN})),
    "500": lambda _: http(500),
    "no answer": lambda _: b"",
}


@pytest.mark.parametrize("refuses", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_server_of_the_newer_era_alone_is_tried_once(
    tmp_path: Path, refuses: Callable[[Asked], bytes]
) -> None:
    def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(refuses(asked))
        writer.close()

    peer = full(MODERN)
    peer.acts["initialize"] = act
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        for _ in range(3):
            client = await made.client(**FORMS)
            assert (await client.call()).result["content"]
        assert len(peer.asked("initialize")) == 1
        assert peer.asked("GET") == []


async def test_without_leave_to_ask_nothing_is_tried(tmp_path: Path) -> None:
    peer = full(LATEST, MODERN)
    async with world(tmp_path, {"lab": peer}) as made:
        await _dual(made, peer, **FORMS)
        assert peer.asked("initialize") == []


# what a model is asked about at the aggregate


def _talk(server: str) -> Json:
    """A sampling about a resource, in the names of the server (empty) or of the aggregate."""
    uri = f"{server}+doc://rates" if server else "doc://rates"
    link = {"type": "resource_link", "uri": uri, "name": "rates"}
    result = {"type": "tool_result", "toolUseId": "u", "content": [link]}
    return {"role": "user", "content": [result]}


async def test_a_modern_client_is_asked_and_answers_in_the_names_of_the_aggregate(tmp_path: Path) -> None:
    peer = full(MODERN)

    def answer(asked: Asked) -> Json:
        if "inputResponses" in asked.params:
            return {"content": [{"type": "text", "text": "done"}]}
        params = {"messages": [_talk("")], "maxTokens": 5, "tools": []}
        asked_now = {"a": {"method": "sampling/createMessage", "params": params}}
        return input_required(inputRequests=asked_now, requestState="theirs")

    peer.results["tools/call"] = answer
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await made.client("/mcp", MODERN, sampling={"tools": {}})
        first = (await client.call("lab__echo")).result
        assert first["inputRequests"]["a"]["params"]["messages"] == [_talk("lab")]
        said = _talk("lab") | {"role": "assistant", "model": "m"}
        params = {"name": "lab__echo", "arguments": {}, "inputResponses": {"a": said}}
        again = await client.ask("tools/call", params | {"requestState": first["requestState"]})
        assert again.result["content"] == [{"type": "text", "text": "done"}]
        got = peer.last().params
        assert got["inputResponses"] == {"a": _talk("") | {"role": "assistant", "model": "m"}}
        assert got["requestState"] == "theirs"


async def test_a_legacy_client_is_asked_and_answers_in_the_names_of_the_aggregate(tmp_path: Path) -> None:
    peer = full()

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        params = {"messages": [_talk("")], "maxTokens": 5, "tools": []}
        question = {"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": params}
        writer.write(STREAM + event(question))
        await writer.drain()
        await _answer_to(peer, "q")
        writer.write(event(asked.result({"content": []})) + END)

    peer.acts["tools/call"] = act
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ALL}) as made:
        client = await made.client("/mcp", sampling={"tools": {}})
        message = client.message("tools/call", {"name": "lab__echo", "arguments": {}})
        async with client.stream(message) as stream:
            question = await anext(stream)
            assert question["params"]["messages"] == [_talk("lab")]
            said = _talk("lab") | {"role": "assistant", "model": "m"}
            await client.post({"jsonrpc": "2.0", "id": question["id"], "result": said})
            assert (await anext(stream))["result"] == {"content": []}
        assert (await _answer_to(peer, "q"))["result"] == _talk("") | {"role": "assistant", "model": "m"}


# what is told of a client


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize("up", [LATEST, MODERN])
async def test_nobody_gets_a_task_by_asking_for_one(tmp_path: Path, version: str, up: str) -> None:
    """Tasks are not offered, and who is not offered them is answered as if he had not asked (2025-11-25)."""
    peer = full(up)
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client(version=version)
        params = {"name": "echo", "arguments": {"task": 1}, "task": {"ttl": 60_000}}
        assert (await client.ask("tools/call", params)).result["content"]
        assert "task" not in peer.last().params
        assert peer.last().params["arguments"] == {"task": 1}


@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_a_server_that_hands_out_a_task_unasked_is_at_fault(tmp_path: Path, version: str) -> None:
    """Nobody could ask it what became of it: `tasks/get` is not served."""
    peer = full()
    task = {"taskId": "t", "status": "working", "ttl": None, "createdAt": "x", "lastUpdatedAt": "x"}
    peer.acts["tools/call"] = lambda asked, writer: writer.write(http(200, asked.result({"task": task})))
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client(version=version)
        said = await client.call()
        assert said.reason == "upstream_protocol_error"
        assert "server lab" in said.message["error"]["message"]
        await still_there(client, peer)


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize("up", [LATEST, MODERN])
async def test_a_server_hears_of_apps_and_of_no_other_extension(
    tmp_path: Path, version: str, up: str
) -> None:
    peer = full(up)
    more = {"extensions": {**APPS, "io.modelcontextprotocol/tasks": {}, "com.example/x": {"secret": 1}}}
    told = more | {"experimental": {"x": {}}, "com.example/own": {}, "tasks": {}, "roots": {}}
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client(version=version, **told)
        assert (await client.call()).result
        if up == MODERN:
            said = peer.last().meta["io.modelcontextprotocol/clientCapabilities"]
            assert said == {"extensions": APPS}
        else:
            said = peer.last("initialize").params["capabilities"]
            assert said == ({"extensions": APPS} if version == LATEST else {})


async def _answer_to(peer: Peer, request_id: str) -> Json:
    async with asyncio.timeout(20):
        while True:
            for one in peer.seen:
                if one.id == request_id and not one.method:
                    return one.message
            await asyncio.sleep(0.01)
