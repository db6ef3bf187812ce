"""What servers in the field do at the edges (research brief 2.7), and what the gateway does there."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.spec.peers import LATEST, MODERN, Peer
from tests.spec.scene import each_client, full, over_sockets, scene
from tests.spec.world import world

pytestmark = over_sockets


@pytest.mark.spec("DW-851")
@each_client
async def test_an_unknown_tool_is_a_protocol_error_and_no_result(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        said = await client.call("nothing")
        assert said.error == (200, -32602)
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-851")
async def test_a_server_s_own_word_on_a_tool_that_it_has_lost_passes(tmp_path: Path) -> None:
    lost = {"content": [{"type": "text", "text": "Unknown tool: echo"}], "isError": True}
    async with scene(tmp_path) as (peer, client, _):
        peer.results["tools/call"] = lost
        assert (await client.call()).result == lost


@pytest.mark.spec("DW-852")
@each_client
async def test_an_unknown_prompt_is_the_caller_s_mistake_and_not_the_server_s(
    down: str, tmp_path: Path
) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        assert (await client.ask("prompts/get", {"name": "nothing"})).error == (200, -32602)
        assert peer.asked("prompts/get") == []


@pytest.mark.spec("DW-853")
@each_client
@pytest.mark.parametrize(
    "method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
)
@pytest.mark.parametrize("cursor", ["page2", "", "\u0000"])
async def test_a_bad_cursor_is_not_ignored(down: str, method: str, cursor: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (_, client, _):
        assert (await client.ask(method, {"cursor": cursor})).error == (200, -32602)


@pytest.mark.spec("DW-854")
@each_client
@pytest.mark.parametrize(
    "spelled",
    [
        '"name":"echo","name":"echo"',
        '"name":"echo","Name":"other"',
        '"name":"echo","\\u006eame":"other"',
        '"name":"echo","arguments":{"a":1,"a":2}',
        '"name":"echo","arguments":{"deep":[{"b":1,"b":1}]}',
    ],
)
async def test_a_repeated_key_is_refused_and_nothing_is_sent(down: str, spelled: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        usual = client.message("tools/call", {"name": "echo"})
        text = json.dumps(usual).replace('"name": "echo"', spelled)

        said = await client.post(text.encode(), client.heads(usual))

        assert said.error == (400 if client.modern else 200, -32600)
        assert said.message.get("id") == (None if client.modern else usual["id"])
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-855")
@each_client
async def test_a_null_id_is_a_bad_request_and_no_notification(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo"}) | {"id": None}
        said = await client.post(message, client.heads(message))
        assert said.error == (400, -32600)
        assert "id" not in said.message
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-856")
async def test_a_batch_is_served_where_the_revision_has_them(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full()}) as made:
        client = await made.client(version="2025-03-26")
        batch = [client.message("ping"), client.message("tools/call", {"name": "echo"})]
        said = await client.post(batch)
        (answers,) = [json.loads(said.body)]
        assert said.status == 200
        assert {one["id"] for one in answers} == {one["id"] for one in batch}
        assert all("result" in one for one in answers)
        newer = await made.client(version="2025-06-18")
        assert (await newer.post([newer.message("ping")])).error == (400, -32600)


@pytest.mark.spec("DW-857")
@each_client
async def test_a_body_beyond_the_limit_is_413_and_the_next_one_is_served(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo", "arguments": {"a": "x" * (4 << 20)}})
        said = await client.post(message, client.heads(message))
        assert said.status == 413
        assert peer.asked("tools/call") == []
        assert (await client.call(a="x" * 3_000_000)).status == 200


@pytest.mark.spec("DW-858")
@each_client
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_what_is_no_number_of_json_is_refused(down: str, number: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo", "arguments": {"a": 424242}})
        said = await client.post(
            json.dumps(message).replace("424242", number).encode(), client.heads(message)
        )
        assert said.error == (400, -32700)
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-859")
@each_client
async def test_a_byte_order_mark_is_refused(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (_, client, _):
        message = client.message("tools/list")
        said = await client.post(b"\xef\xbb\xbf" + json.dumps(message).encode(), client.heads(message))
        assert said.error == (400, -32700)


@pytest.mark.spec("DW-860")
@each_client
@pytest.mark.parametrize("depth", [200, 20_000, 1_000_000])
async def test_a_deep_array_is_refused_by_name(down: str, depth: int, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo", "arguments": {"a": 424242}})
        text = json.dumps(message).replace("424242", "[" * depth + "]" * depth)
        said = await client.post(text.encode(), client.heads(message))
        alone = depth == 200 and not client.modern
        assert said.error == (200 if alone else 400, -32600)
        assert said.message.get("id") == (message["id"] if alone else None)
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-861", "DW-020")
@each_client
@pytest.mark.parametrize("id", [2**63 + 1, -(2**70), 0, "", "1", "é", "x" * 300, '"\\'])
async def test_any_legal_id_comes_back_as_it_was(down: str, id: Any, tmp_path: Path) -> None:  # noqa: A002
    async with scene(tmp_path, down) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo"}) | {"id": id}
        said = await client.post(message, client.heads(message))
        assert (said.message["id"], type(said.message["id"])) == (id, type(id))
        assert "result" in said.message
        assert type(peer.last().id) is int


@pytest.mark.spec("DW-862")
async def test_a_list_before_the_handshake_is_finished_is_served(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full()}) as made:
        client = await made.client(version=MODERN)
        hello = {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        opened = await client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        said = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, session)
        assert said.result["tools"]


@pytest.mark.spec("DW-863")
@pytest.mark.parametrize("asked", [MODERN, "2030-01-01", "1999-12-31", "", "x"])
async def test_initialize_with_what_no_legacy_revision_is_gets_the_latest_of_them(
    asked: str, tmp_path: Path
) -> None:
    async with world(tmp_path, {"lab": Peer()}) as made:
        client = await made.client()
        hello = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        said = await client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        assert said.result["protocolVersion"] == LATEST


@pytest.mark.spec("DW-864", "DW-024")
@each_client
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"jsonrpc":"2.0","id":null,"method":"ping"}', b'"x"', b"7"]
)
async def test_an_error_without_a_usable_id_has_none(down: str, body: bytes, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (_, client, _):
        said = await client.post(body, {"MCP-Protocol-Version": down, "Mcp-Method": "ping"})
        assert said.status == 400
        assert "id" not in said.message
