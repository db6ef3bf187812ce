"""Batches that a server sends: its client must take them, where the revision has them (MCP 2025-03-26)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event, http
from tests.spec.peers import LATEST, Act, Asked, Json
from tests.spec.scene import each_client, full, over_sockets, scene
from tests.spec.world import World

pytestmark = [*over_sockets, pytest.mark.spec("DW-396")]
BATCHES = "2025-03-26"
DONE: Json = {"content": [{"type": "text", "text": "done"}]}


def progress(token: Any, at: int) -> Json:
    params = {"progressToken": token, "progress": at}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def streamed(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The answer first: it ends the call, so what is about the call has to be read before it."""
    token = asked.meta["progressToken"]
    all_of_it = [json.loads(asked.result(DONE)), progress(token, 1), progress(token, 2)]
    writer.write(STREAM + event(json.dumps(all_of_it).encode()) + END)


def whole(asked: Asked, writer: asyncio.StreamWriter) -> None:
    stray = {"jsonrpc": "2.0", "id": 999, "result": {}}
    writer.write(http(200, b" " + json.dumps([stray, json.loads(asked.result(DONE))]).encode()))


def says(answer: bytes) -> Act:
    return lambda _, writer: writer.write(answer)


@each_client
async def test_a_stream_may_bring_all_of_a_call_at_once(down: str, tmp_path: Path) -> None:
    peer = full(BATCHES)
    peer.acts["tools/call"] = streamed
    async with scene(tmp_path, down, peer) as (_, client, _made):
        params = {"name": "echo", "arguments": {}, "_meta": {"progressToken": "mine"}}
        said = await client.ask("tools/call", params)
        assert said.result["content"] == DONE["content"]
        assert [note["params"]["progress"] for note in said.messages[:-1]] == [1, 2]
        assert {note["params"]["progressToken"] for note in said.messages[:-1]} == {"mine"}


@each_client
async def test_an_answer_may_stand_in_a_batch_alone(down: str, tmp_path: Path) -> None:
    peer = full(BATCHES)
    peer.acts["tools/call"] = whole
    async with scene(tmp_path, down, peer) as (_, client, _made):
        assert (await client.call()).result["content"] == DONE["content"]


@pytest.mark.parametrize("act", [streamed, whole])
@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", LATEST])
async def test_a_server_of_another_revision_may_not(version: str, act: Any, tmp_path: Path) -> None:
    peer = full(version)
    peer.acts["tools/call"] = act
    async with scene(tmp_path, LATEST, peer) as (_, client, _made):
        params = {"name": "echo", "arguments": {}, "_meta": {"progressToken": "mine"}}
        assert (await client.ask("tools/call", params)).reason == "upstream_protocol_error"


@pytest.mark.parametrize(
    "batch",
    [
        "[]",
        "[1]",
        "[[]]",
        '[{"jsonrpc":"2.0"}]',
        "[" + '{"jsonrpc":"2.0","method":"x"},' * 64 + '{"a":1}]',
        "[",
    ],
)
async def test_what_is_no_batch_is_the_server_s_fault(batch: str, tmp_path: Path) -> None:
    peer = full(BATCHES)
    async with scene(tmp_path, LATEST, peer) as (_, client, _made):
        for answer in (http(200, batch.encode()), STREAM + event(batch.encode()) + END):
            peer.acts["tools/call"] = says(answer)
            assert (await client.call()).reason == "upstream_protocol_error"
        peer.acts.clear()
        assert "content" in (await client.call()).result


async def test_changes_may_come_in_a_batch_on_the_session_s_own_stream(tmp_path: Path) -> None:
    peer = full(BATCHES)
    go = asyncio.Event()

    async def listen(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await go.wait()
        names = ("prompts/list_changed", "tools/list_changed")
        notes = [{"jsonrpc": "2.0", "method": f"notifications/{name}"} for name in names]
        writer.write(event(json.dumps(notes).encode()))

    peer.acts["GET"] = listen
    async with scene(tmp_path, LATEST, peer) as (_, client, made):
        await _listening(made)
        lists = len(peer.asked("tools/list"))
        go.set()
        await peer.until("tools/list", lists + 1)
        assert (await client.call()).result["content"]


async def _listening(made: World) -> None:
    """Somebody has to want to hear of changes."""
    client = await made.client(version=LATEST)
    fields = client.fields | {"Accept": "text/event-stream"}

    async def read() -> None:
        async with client.http.stream("GET", client.path, headers=fields) as response:
            async for _ in response.aiter_lines():
                pass

    made.reading = asyncio.create_task(read())  # type: ignore[attr-defined]
    await made.peers["lab"].until("GET")
