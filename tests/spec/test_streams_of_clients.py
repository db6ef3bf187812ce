"""Streams over whole gateways: resumption, fan-out, and what ends them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event
from tests.spec.peers import LATEST, MODERN, Asked, Json
from tests.spec.scene import LEGACY, each_client, full, over_sockets, scene
from tests.spec.world import META, Client, world

pytestmark = over_sockets


def steps(go: asyncio.Event) -> Any:
    """A tool that says that it has begun, and answers when it is let."""

    async def act(asked: Asked, writer: Any) -> None:
        note = {"progressToken": asked.meta["progressToken"], "progress": 1}
        writer.write(STREAM + event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}))
        await writer.drain()
        await go.wait()
        answer = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
        writer.write(event(asked.result(answer)) + END)

    return act


async def begun(client: Client, message: Json) -> list[str]:
    """The lines of the stream up to the first progress, after which the client loses its connection."""
    fields = client.fields | client.heads(message)
    async with client.http.stream("POST", client.path, json=message, headers=fields) as response:
        lines: list[str] = []
        async for line in response.aiter_lines():
            lines.append(line)
            if "notifications/progress" in line:
                break
    return lines


async def resumed(client: Client, last: str) -> list[Json]:
    fields = client.fields | {"Last-Event-ID": last, "Accept": "text/event-stream"}
    async with asyncio.timeout(10):
        said = await client.http.get(client.path, headers=fields)
    lines = said.text.splitlines() if said.status_code == 200 else []
    found: list[Json] = [
        json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip()
    ]
    return found


@pytest.mark.spec("DW-373", "DW-374")
@pytest.mark.parametrize("version", LEGACY[1:])
async def test_a_stream_that_broke_is_gone_on_with_and_the_call_ran_once(
    version: str, tmp_path: Path
) -> None:
    async with scene(tmp_path, version) as (peer, client, made):
        go = asyncio.Event()
        peer.acts["tools/call"] = steps(go)
        message = client.message("tools/call", {"name": "echo", "_meta": {"progressToken": "t"}})
        lines = await begun(client, message)
        ids = [line.partition(":")[2].strip() for line in lines if line.startswith("id:")]
        assert len(ids) == len(set(ids)) > 0
        go.set()
        (answer,) = await resumed(client, ids[-1])
        assert (answer["id"], answer["result"]["content"][0]["text"]) == (message["id"], "done")
        assert len(peer.asked("tools/call")) == 1
        thief = await made.client(version=version, agent="other")
        assert await resumed(thief, ids[-1]) == []


@pytest.mark.spec("DW-378")
async def test_whoever_has_seen_anything_of_a_stream_can_come_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        peer.acts["tools/call"] = steps(asyncio.Event())
        message = client.message("tools/call", {"name": "echo", "_meta": {"progressToken": 1}})
        lines = await begun(client, message)
        assert any(line.startswith("id:") and line[3:].strip() for line in lines)


@pytest.mark.spec("DW-372", "DW-088")
async def test_a_modern_stream_has_neither_ids_nor_a_way_back(tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN) as (peer, client, _):
        go = asyncio.Event()
        go.set()
        peer.acts["tools/call"] = steps(go)
        said = await client.ask(
            "tools/call", {"name": "echo", "_meta": {"progressToken": 1}}, **{"Last-Event-ID": "1"}
        )
        assert not any(line.startswith((b"id:", b"retry:")) for line in said.body.splitlines())
        assert said.result["content"][0]["text"] == "done"


class Listened:
    """A modern server whose listens are held open; `tell` says something on all of them."""

    def __init__(self) -> None:
        self.open: dict[Any, tuple[Any, Json]] = {}

    async def act(self, asked: Asked, writer: Any) -> None:
        wanted = asked.params["notifications"]
        self.open[asked.id] = (writer, wanted)
        self._write(asked.id, "notifications/subscriptions/acknowledged", {"notifications": wanted}, STREAM)
        await writer.drain()
        try:
            while not writer.is_closing():
                writer.write(b"3\r\n:\n\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        finally:
            del self.open[asked.id]

    def tell(self, method: str, **params: Any) -> None:
        for number in self.open:
            self._write(number, method, params)

    def _write(self, number: Any, method: str, params: Json, before: bytes = b"") -> None:
        said = params | {"_meta": {f"{META}subscriptionId": number}}
        self.open[number][0].write(before + event({"jsonrpc": "2.0", "method": method, "params": said}))

    def wanted(self) -> list[set[str]]:
        return [set(wanted.get("resourceSubscriptions", ())) for _, wanted in self.open.values()]


@pytest.mark.spec("DW-221", "DW-227", "DW-235")
async def test_one_listen_at_a_server_serves_many_listeners_each_with_its_own_share(tmp_path: Path) -> None:
    peer, listened = full(MODERN), Listened()
    peer.acts["subscriptions/listen"] = listened.act
    async with world(tmp_path, {"lab": peer}) as made, asyncio.timeout(30):
        wishes: list[tuple[str, Any, list[str]]] = [
            ("bot", 1, ["doc://a"]),
            ("bot", "1", ["doc://a", "doc://b"]),
            ("other", 1, ["doc://b"]),
        ]
        heard: list[list[tuple[str, Any]]] = [[] for _ in wishes]
        ready = [asyncio.Event() for _ in wishes]

        async def listen(number: int) -> None:
            agent, given, uris = wishes[number]
            client = await made.client(version=MODERN, agent=agent)
            message = client.message(
                "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}}, id=given
            )
            async with client.stream(message) as messages:
                async for one in messages:
                    ready[number].set()
                    params = one["params"]
                    heard[number].append((params.get("uri", ""), params["_meta"][f"{META}subscriptionId"]))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen(number)) for number in range(len(wishes))]
            for event_ in ready:
                await event_.wait()
            while listened.wanted() != [{"doc://a", "doc://b"}]:  # noqa: ASYNC110 - the old listen is swapped
                await asyncio.sleep(0.02)
            listened.tell("notifications/resources/updated", uri="doc://a")
            listened.tell("notifications/resources/updated", uri="doc://nobody")
            await asyncio.sleep(0.3)
            listened.tell("notifications/resources/updated", uri="doc://b")
            while sum(len(each) for each in heard) < 3 + 4:  # noqa: ASYNC110 - many streams
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
        assert [each[1:] for each in heard] == [
            [("doc://a", 1)],
            [("doc://a", "1"), ("doc://b", "1")],
            [("doc://b", 1)],
        ]


@pytest.mark.spec("DW-226")
async def test_an_unsubscribed_client_hears_nothing_more(tmp_path: Path) -> None:
    async with scene(tmp_path, LATEST, full(LATEST)) as (peer, client, _):
        for method in ("resources/subscribe", "resources/unsubscribe"):
            assert (await client.ask(method, {"uri": "doc://rates"})).result == {}
            told = await peer.until(method)
            assert told.params["uri"] == "doc://rates"


@pytest.mark.spec("DW-234", "DW-220")
@each_client
async def test_a_server_that_cannot_be_listened_to_is_not_said_to_be(down: str, tmp_path: Path) -> None:
    peer = full(MODERN)
    peer.capabilities = {"tools": {}, "resources": {}}
    async with scene(tmp_path, down, peer) as (_, client, _):
        if down == MODERN:
            wanted = {"resourceSubscriptions": ["doc://rates"], "promptsListChanged": True}
            message = client.message("subscriptions/listen", {"notifications": wanted})
            async with asyncio.timeout(10), client.stream(message) as messages:
                first = await anext(messages)
            assert "doc://rates" not in str(first["params"]["notifications"].get("resourceSubscriptions", []))
        else:
            said = await client.ask("resources/subscribe", {"uri": "doc://rates"})
            assert "error" in said.message
        assert (await client.call()).status == 200
