"""What other gateways got wrong (brief 8), numbers 12 to 14 and 22 to 24: what comes back and when."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event, http
from tests.spec.peers import LATEST, MODERN, Asked, Json
from tests.spec.scene import each_client, each_server, full, over_sockets, scene
from tests.spec.world import META, Client, world

pytestmark = over_sockets
QUESTION = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}


def asks(method: str, params: Json) -> Any:
    """A legacy server's tool that asks its client and gives back what it heard."""
    heard: asyncio.Queue[Json] = asyncio.Queue()

    async def call(asked: Asked, writer: Any) -> None:
        writer.write(STREAM + event({"jsonrpc": "2.0", "id": "q-1", "method": method, "params": params}))
        await writer.drain()
        said = await heard.get()
        text = json.dumps(said.get("result", said.get("error")))
        writer.write(event(asked.result({"content": [{"type": "text", "text": text}]})) + END)

    def posted(asked: Asked, writer: Any) -> None:
        if asked.message.get("id") == "q-1":
            heard.put_nowait(asked.message)
        writer.write(http(202))

    return call, posted


@pytest.mark.spec("DW-812", "DW-241")
@pytest.mark.parametrize(
    ("method", "capability", "params"),
    [
        ("elicitation/create", {"elicitation": {"form": {}}}, QUESTION),
        ("sampling/createMessage", {"sampling": {}}, {"messages": [], "maxTokens": 10}),
        ("roots/list", {"roots": {}}, {}),
    ],
)
async def test_12_a_question_has_its_way_back(
    method: str, capability: Json, params: Json, tmp_path: Path
) -> None:
    may_ask = [method.partition("/")[0]]
    async with world(tmp_path, {"lab": full(LATEST)}, lab={"may_ask": may_ask}) as made:
        peer = made.peers["lab"]
        peer.acts["tools/call"], peer.acts["POST"] = asks(method, params)
        client = await made.client(**capability)
        answer = {"action": "accept", "content": {"n": 10**20}}
        message = client.message("tools/call", {"name": "echo"})
        async with client.stream(message) as messages:
            question = await anext(messages)
            assert (question["method"], question["params"]) == (method, params)
            assert question["id"] != "q-1"
            said = await client.post({"jsonrpc": "2.0", "id": question["id"], "result": answer})
            assert said.status == 202
            final = await anext(messages)
        assert final["id"] == message["id"]
        assert json.loads(final["result"]["content"][0]["text"]) == answer


@pytest.mark.spec("DW-812", "DW-242")
@each_client
@pytest.mark.parametrize("may_ask", [[], ["elicitation"]])
async def test_12_a_question_that_nobody_can_answer_does_not_hang(
    down: str, may_ask: list[str], tmp_path: Path
) -> None:
    async with world(tmp_path, {"lab": full(LATEST)}, lab={"may_ask": may_ask}) as made:
        peer = made.peers["lab"]
        peer.acts["tools/call"], peer.acts["POST"] = asks("elicitation/create", QUESTION)
        client = await made.client(version=down)
        async with asyncio.timeout(10):
            said = await client.call()
        assert said.status in (200, 400)
        assert any("error" in one.message for one in peer.asked("POST")) or "error" in said.message


@pytest.mark.spec("DW-813", "DW-210", "DW-211")
@each_client
@each_server
async def test_13_a_cancellation_reaches_its_own_call_at_its_own_server(
    down: str, up: str, tmp_path: Path
) -> None:
    peers = {"one": full(up), "two": full(up)}
    gone: dict[str, asyncio.Event] = {name: asyncio.Event() for name in peers}

    def hold(name: str) -> Any:
        async def held(asked: Asked, writer: Any) -> None:
            writer.write(STREAM)
            try:
                while not writer.is_closing():
                    writer.write(b"3\r\n:\n\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            finally:
                gone[name].set()

        return held

    async with world(tmp_path, peers) as made:
        client = await made.client("/mcp", down)
        for name, peer in peers.items():
            peer.acts["tools/call"] = hold(name)
        calls = {
            name: asyncio.create_task(client.ask("tools/call", {"name": f"{name}__echo"}, id=f"id-{name}"))
            for name in peers
        }
        for peer in peers.values():
            await peer.until("tools/call")
        if down == MODERN:
            calls["one"].cancel()
        else:
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "id-one"}}
            await client.post(note)
        if up == MODERN:
            async with asyncio.timeout(10):
                await gone["one"].wait()
            assert peers["one"].asked("notifications/cancelled") == []
        else:
            told = await peers["one"].until("notifications/cancelled")
            assert told.params["requestId"] == peers["one"].last().id
        assert not gone["two"].is_set()
        assert peers["two"].asked("notifications/cancelled") == []
        assert not calls["two"].done()
        for call in calls.values():
            call.cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)


@pytest.mark.spec("DW-212")
async def test_a_legacy_client_that_loses_its_connection_cancels_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        go = asyncio.Event()

        async def hold(asked: Asked, writer: Any) -> None:
            await go.wait()
            writer.write(http(200, asked.result({"content": []})))

        peer.acts["tools/call"] = hold
        call = asyncio.create_task(client.call())
        await peer.until("tools/call")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (await client.ask("ping")).result == {}
        go.set()
        assert peer.asked("notifications/cancelled") == []


async def listening(client: Client, *uris: str) -> Any:
    """The stream on which this client hears of changes, from its beginning on."""
    if not client.modern:
        for uri in uris:
            assert (await client.ask("resources/subscribe", {"uri": uri})).result == {}
        return client.stream()
    wanted = {"toolsListChanged": True, "resourceSubscriptions": list(uris)}
    return client.stream(client.message("subscriptions/listen", {"notifications": wanted}, id="L"))


@pytest.mark.spec("DW-814", "DW-220", "DW-221", "DW-222")
@each_client
@each_server
async def test_14_changes_are_told_to_who_asked_whatever_the_eras(down: str, up: str, tmp_path: Path) -> None:
    """The server says that its list changed and that a resource was updated, on the stream of its era."""
    told = asyncio.Event()

    async def tells(asked: Asked, writer: Any) -> None:
        writer.write(STREAM)
        meta = {"_meta": {f"{META}subscriptionId": asked.id}} if up == MODERN else {}
        if up == MODERN:
            note = {"notifications": asked.params["notifications"]} | meta
            writer.write(
                event(
                    {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": note}
                )
            )
        await writer.drain()
        while not writer.is_closing():
            await told.wait()
            updated = {"uri": "doc://rates"} | meta
            writer.write(
                event({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": updated})
            )
            writer.write(
                event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": meta})
            )
            await writer.drain()
            await asyncio.sleep(0.1)

    peer = full(up)
    peer.acts["subscriptions/listen" if up == MODERN else "GET"] = tells
    async with world(tmp_path, {"lab": peer, "two": full()}) as made:
        client = await made.client("/mcp", down)
        heard: dict[str, Json] = {}
        async with asyncio.timeout(20), await listening(client, "lab+doc://rates") as messages:
            if down == MODERN:
                first = await anext(messages)
                assert first["method"] == "notifications/subscriptions/acknowledged"
                assert first["params"]["notifications"]["resourceSubscriptions"] == ["lab+doc://rates"]
            peer.lists["tools"] = [*peer.lists["tools"], {"name": "new", "inputSchema": {"type": "object"}}]
            told.set()
            async for message in messages:
                heard[message["method"]] = message.get("params") or {}
                if len(heard) == 2:
                    break
        assert heard["notifications/resources/updated"]["uri"] == "lab+doc://rates"
        assert set(heard) == {"notifications/resources/updated", "notifications/tools/list_changed"}
        for params in heard.values():
            assert (params.get("_meta") or {}).get(f"{META}subscriptionId") == (
                "L" if down == MODERN else None
            )


@pytest.mark.spec("DW-822", "DW-404")
async def test_22_nothing_in_an_answer_is_made_of_the_host_that_was_asked_for(tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN) as (_, client, _):
        fields = {
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
            "Forwarded": "host=evil.example",
        }
        refused = await client.ask("tools/list", Authorization="Bearer none", Host="localhost:1", **fields)
        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        said = refused.body + str(dict(refused.headers)).encode()
        assert b"evil" not in said
        assert b"localhost:1" not in said


@pytest.mark.spec("DW-824", "DW-371")
@each_client
@each_server
async def test_24_an_event_is_passed_on_before_the_next_one_comes(down: str, up: str, tmp_path: Path) -> None:
    go = asyncio.Event()

    async def halting(asked: Asked, writer: Any) -> None:
        note = {"progressToken": asked.meta["progressToken"], "progress": 1}
        writer.write(STREAM + event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}))
        await writer.drain()
        await go.wait()
        writer.write(event(asked.result({"resultType": "complete", "content": []})) + END)

    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = halting
        message = client.message("tools/call", {"name": "echo", "_meta": {"progressToken": "t"}})
        async with asyncio.timeout(10), client.stream(message) as messages:
            assert (await anext(messages))["params"]["progressToken"] == "t"
            go.set()
            assert (await anext(messages))["id"] == message["id"]


@pytest.mark.spec("DW-372")
@each_client
async def test_a_stream_holds_one_answer_and_ends_with_it(down: str, tmp_path: Path) -> None:
    def chatty(asked: Asked, writer: Any) -> None:
        note = {"progressToken": asked.meta["progressToken"], "progress": 1}
        writer.write(STREAM + event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}))
        for _ in range(2):
            writer.write(event(asked.result({"content": [], "resultType": "complete"})))
        writer.write(event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}) + END)

    async with scene(tmp_path, down) as (peer, client, _):
        peer.acts["tools/call"] = chatty
        said = await client.ask("tools/call", {"name": "echo", "_meta": {"progressToken": 1}})
        assert [("result" in one, one.get("method")) for one in said.messages] == [
            (False, "notifications/progress"),
            (True, None),
        ]
        ids = [line for line in said.body.splitlines() if line.startswith((b"id:", b"retry:"))]
        assert down != MODERN or ids == []


@pytest.mark.spec("DW-243")
async def test_a_question_of_a_legacy_server_never_reaches_a_modern_stream(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full(LATEST)}, lab={"may_ask": ["elicitation"]}) as made:
        peer = made.peers["lab"]
        peer.acts["tools/call"], peer.acts["POST"] = asks("elicitation/create", QUESTION)
        client = await made.client(version=MODERN, elicitation={"form": {}})
        async with asyncio.timeout(10):
            said = await client.call()
        assert all("method" not in one for one in said.messages)
