"""Servers that play tricks with sessions and handshakes, and what is left of a session that ends."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.beside import beside
from tests.attack.hostile_server import END, STREAM, event, http, until
from tests.spec.peers import LATEST, MODERN, Asked, Json, Peer
from tests.spec.world import Client

pytestmark = pytest.mark.asyncio
Act = Callable[[Asked, asyncio.StreamWriter], Awaitable[None] | None]
HELLO: Json = {
    "protocolVersion": LATEST,
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "evil", "version": "1"},
}


def gone(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(http(404))


def reason(said: Any) -> str | None:
    found: str | None = said.reason
    assert said.message["error"]["data"]["server"] == "evil"
    return found


async def test_a_server_that_knows_no_session_is_not_asked_for_ever(tmp_path: Path) -> None:
    """404 for everything but the handshake: one new session, one more try, then an error by name."""
    evil = Peer(LATEST)
    evil.acts["tools/call"] = gone
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp/evil")
        opened, called = evil.sessions, len(evil.asked("tools/call"))
        for _ in range(5):
            assert reason(await client.call()) == "upstream_http_error"
        assert len(evil.asked("tools/call")) - called == 10
        assert evil.sessions - opened <= 10
        del evil.acts["tools/call"]
        assert "result" in (await client.call()).message  # our client's own session has lived on


@pytest.mark.parametrize("method", ["tools/list", "notifications/initialized", "GET"])
async def test_a_404_in_any_other_place_is_no_loop_either(tmp_path: Path, method: str) -> None:
    evil = Peer(LATEST)
    evil.acts[method] = gone
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp/evil")
        async with client.stream():
            began = len(evil.seen)
            for _ in range(3):
                await client.ask("tools/list")
            await asyncio.sleep(1.0)
            assert len(evil.seen) - began < 60


@pytest.mark.parametrize("given", ["other", "s1\tx", "x" * 600, "", "s\xff"])
async def test_a_session_id_that_changes_in_mid_session_is_not_followed(tmp_path: Path, given: str) -> None:
    evil = Peer(LATEST)

    def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = asked.result({"content": [{"type": "text", "text": "ok"}]})
        writer.write(http(200, body, extra=f"Mcp-Session-Id: {given}\r\n").replace(b"\xc3\xbf", b"\xff"))

    evil.acts["tools/call"] = answers
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp/evil")
        for _ in range(3):
            said = await client.call()
            assert "result" in said.message
            assert "mcp-session-id" not in said.headers  # and ours is never theirs
        used = {one.headers.get("mcp-session-id") for one in evil.asked("tools/call")}
        assert len(used) == 1
        assert used.isdisjoint({given})


HANDSHAKES: dict[str, Json] = {
    "a version of another world": {**HELLO, "protocolVersion": MODERN},
    "a version that is none": {**HELLO, "protocolVersion": {"a": []}},
    "no version": {"capabilities": {}},
    "capabilities without an end": {**HELLO, "capabilities": {"x": {str(n): {} for n in range(50_000)}}},
    "three megabytes": {**HELLO, "instructions": "x" * 3_000_000},
    "a quarter of a million members": {**HELLO, **{f"m{n}": n for n in range(250_000)}},
}


@pytest.mark.parametrize("kind", HANDSHAKES)
async def test_a_handshake_that_is_none_is_an_error_that_names_its_server(tmp_path: Path, kind: str) -> None:
    evil = Peer(LATEST)
    evil.acts["initialize"] = lambda asked, to: to.write(http(200, asked.result(HANDSHAKES[kind])))
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp")
        said = await client.call("evil__echo")
        assert said.message["error"]["code"] == -32602  # it never said that it has this tool
        shown = (await client.ask("tools/list")).result
        assert [one["name"] for one in shown["tools"]] == ["good__echo"]
        assert shown["_meta"]["dev.doorward/unavailable"] == ["evil"]
        state = made.process.world.servers["evil"].state
        assert state.level == "down"
        assert len(state.cause or "") < 300


async def test_a_session_that_dies_is_replaced_and_what_may_have_run_is_not_sent_again(
    tmp_path: Path,
) -> None:
    evil = Peer(LATEST)
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp/evil")
        await client.call()
        first = evil.last().headers["mcp-session-id"]
        evil.dead.add(first)
        assert "result" in (await client.call(n=1)).message  # a 404 proves that nothing has run
        assert evil.last().headers["mcp-session-id"] != first

        def cut(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.close()

        evil.acts["tools/call"] = cut
        before = len(evil.asked("tools/call"))
        assert reason(await client.call(n=2)) == "upstream_connection_lost"
        assert len(evil.asked("tools/call")) == before + 1
        del evil.acts["tools/call"]
        assert "result" in (await client.call(n=3)).message


async def test_delete_ends_what_the_session_has_everywhere(tmp_path: Path) -> None:
    """Its running call, its stream and its session at the server; another session goes on."""
    evil = Peer(LATEST)

    async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.params["arguments"].get("hang"):
            writer.write(STREAM)
            await asyncio.sleep(3600)
        evil.honest(asked, writer)

    evil.acts["tools/call"] = hangs
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client, sibling = await made.client("/mcp/evil"), await made.client("/mcp/evil")
        await sibling.call()
        theirs = evil.last().headers["mcp-session-id"]
        message = client.message("tools/call", {"name": "echo", "arguments": {"hang": 1}})
        running = asyncio.create_task(client.post(message))
        await evil.until("tools/call", 2)
        mine = evil.last().headers["mcp-session-id"]
        async with client.stream() as heard:
            ended = await client.http.delete(client.path, headers=client.fields)
            assert ended.status_code == 200
            assert [one async for one in heard] == []  # the stream ends

        said = await running
        assert said.reason == "cancelled"
        await until(lambda: any(one.headers.get("mcp-session-id") == mine for one in evil.asked("DELETE")))
        taken_back = await evil.until("notifications/cancelled")
        assert taken_back.params["requestId"] == evil.asked("tools/call")[1].id
        assert (await client.call()).error == (404, -32600)
        assert (await client.http.delete(client.path, headers=client.fields)).status_code == 404
        assert "result" in (await sibling.call()).message
        assert evil.last().headers["mcp-session-id"] == theirs


async def test_a_session_is_its_principals_and_its_endpoints_own(tmp_path: Path) -> None:
    """Whoever else names it is told what is told of none: for calls, streams and DELETE alike."""
    evil = Peer(LATEST)
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        mine = await made.client("/mcp/evil")
        other = await made.client("/mcp/evil", agent="other")
        session = mine.fields["Mcp-Session-Id"]
        told = set()
        for name in (session, "x" * 32, "", session[:-1], session.upper()):
            fields = other.fields | {"Mcp-Session-Id": name}
            thief = Client(made.http, "/mcp/evil", "", LATEST, {})
            thief.fields = fields
            said = await thief.post(thief.message("tools/call", {"name": "echo", "arguments": {}}))
            ended = await made.http.delete("/mcp/evil", headers=fields)
            listened = await made.http.get("/mcp/evil", headers=fields)
            for one in (ended, listened):
                assert one.status_code == 404
            error = said.message["error"]
            told.add((said.status, error["code"], error["message"], error["data"]["reason"]))
        assert len(told) == 1
        elsewhere = Client(made.http, "/mcp/good", "", LATEST, {})
        elsewhere.fields = mine.fields
        assert (await elsewhere.call()).error == (404, -32600)
        rotated = Client(made.http, "/mcp/evil", await made.another_key("bot"), LATEST, {})
        rotated.fields |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": LATEST}
        assert "result" in (await rotated.call()).message
        assert "result" in (await mine.call()).message


async def test_no_number_of_sessions_takes_another_ones(tmp_path: Path) -> None:
    """The limits are the file's; whoever opens more than its share loses its own oldest."""
    evil = Peer(LATEST)
    async with beside(tmp_path, evil) as made, asyncio.timeout(30):
        made.process.sessions.bound(idle_s=60.0, per_owner=5, in_total=12)
        mine = await made.client("/mcp/evil", agent="other")
        flooding = [await made.client("/mcp/evil") for _ in range(20)]
        assert len(made.process.sessions) <= 5 + 3
        assert "result" in (await mine.call()).message
        assert (await flooding[0].call()).error == (404, -32600)
        assert "result" in (await flooding[-1].call()).message


async def test_what_fills_a_session_at_its_beginning_is_not_kept(tmp_path: Path) -> None:
    evil = Peer(LATEST)
    async with beside(tmp_path, evil) as made, asyncio.timeout(30):
        for _ in range(50):
            await made.client("/mcp/evil", experimental={"x": "y" * 8_000}, roots={})
        kept = made.process.sessions._sessions.values()
        assert sum(len(json.dumps(one.capabilities)) for one in kept) < 5_000
        assert sum(one.capabilities == {"roots": {}} for one in kept) == 50

        dear = {"experimental": {str(n): [[], []] for n in range(2_000)}}
        client = Client(made.http, "/mcp/evil", made.keys["bot"], LATEST, dear)
        hello = {"protocolVersion": LATEST, "capabilities": dear, "clientInfo": {"name": "x"}}
        refused = (await client.ask("initialize", hello)).message["error"]
        assert refused["message"] == "initialize: capabilities is too large"


async def test_a_stream_that_says_to_come_back_at_once_is_not_asked_without_end(tmp_path: Path) -> None:
    evil = Peer(LATEST)

    def brief(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + event(b"").replace(b"data: ", b"retry: 0\ndata: ") + END)

    evil.acts["GET"] = brief
    async with beside(tmp_path, evil) as made, asyncio.timeout(20):
        client = await made.client("/mcp/evil")
        async with client.stream():
            await evil.until("GET")
            await asyncio.sleep(2.0)
        assert len(evil.asked("GET")) <= 6
