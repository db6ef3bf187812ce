"""Streamable HTTP as 2025-03-26 to 2025-11-25 have it, from the client's side (research brief 2.3)."""

from pathlib import Path

import pytest

from tests.spec.peers import LATEST, MODERN, Peer
from tests.spec.scene import LEGACY, full, over_sockets, scene
from tests.spec.world import world

pytestmark = over_sockets
HELLO = {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


@pytest.mark.spec("DW-047")
@pytest.mark.parametrize("version", LEGACY)
async def test_each_revision_is_echoed_and_served(version: str, tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full()}) as made:
        client = await made.client(version=version)
        said = await client.open()
        assert said.result["protocolVersion"] == version
        assert (await client.call(a=1)).status == 200


@pytest.mark.spec("DW-030", "DW-036")
async def test_a_notification_gets_202_and_no_body(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, _):
        for method in (
            "notifications/initialized",
            "notifications/cancelled",
            "notifications/roots/list_changed",
        ):
            said = await client.post({"jsonrpc": "2.0", "method": method, "params": {"requestId": 99}})
            assert (said.status, said.body) == (202, b"")


@pytest.mark.spec("DW-032")
async def test_an_unknown_notification_is_accepted_and_goes_nowhere(tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        before = len(peer.seen)
        said = await client.post({"jsonrpc": "2.0", "method": "notifications/of/nobody", "params": {}})
        assert (said.status, said.body) == (202, b"")
        await client.ask("ping")
        assert len(peer.seen) == before


@pytest.mark.spec("DW-090", "DW-091")
async def test_a_missing_session_is_400_an_unknown_or_ended_one_404(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, _):
        session = client.fields.pop("Mcp-Session-Id")
        assert (await client.ask("ping")).error == (400, -32600)
        assert (await client.ask("ping", **{"Mcp-Session-Id": "x" * 32})).error == (404, -32600)
        ended = await client.http.delete(client.path, headers=client.fields | {"Mcp-Session-Id": session})
        assert ended.status_code == 200
        assert (await client.ask("ping", **{"Mcp-Session-Id": session})).error == (404, -32600)


@pytest.mark.spec("DW-092")
async def test_initialize_begins_anew_even_where_a_dead_session_is_named(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, _):
        said = await client.post(
            {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}, {"Mcp-Session-Id": "gone"}
        )
        assert said.headers["mcp-session-id"] not in ("gone", client.fields["Mcp-Session-Id"])


@pytest.mark.spec("DW-093")
async def test_a_session_id_is_visible_ascii_and_another_one_each_time(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, _, made):
        ids = {(await made.client()).fields["Mcp-Session-Id"] for _ in range(5)}
        assert len(ids) == 5
        assert all(len(one) >= 32 and all(0x21 <= ord(letter) <= 0x7E for letter in one) for one in ids)


@pytest.mark.spec("DW-094", "DW-820")
async def test_a_session_is_nobody_else_s(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full(), "two": full()}) as made:
        mine = await made.client()
        thief = await made.client(agent="other")
        elsewhere = await made.client("/mcp/two")
        for stranger in (thief, elsewhere):
            stranger.fields["Mcp-Session-Id"] = mine.fields["Mcp-Session-Id"]
            assert (await stranger.ask("ping")).error == (404, -32600)
            gone = await made.http.delete(stranger.path, headers=stranger.fields)
            assert gone.status_code == 404
        assert (await mine.ask("ping")).result == {}


@pytest.mark.spec("DW-045")
@pytest.mark.parametrize("said", [None, LATEST, "2025-06-18", "2025-03-26"])
async def test_within_a_session_the_session_s_version_counts(said: str | None, tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, _):
        del client.fields["MCP-Protocol-Version"]
        fields = {} if said is None else {"MCP-Protocol-Version": said}
        assert (await client.ask("tools/list", **fields)).status == 200


@pytest.mark.spec("DW-046")
@pytest.mark.parametrize("said", ["1999-01-01", "x", "2025-11-25, 2025-11-25", "2026-07-28"])
async def test_a_version_that_is_no_legacy_one_is_400(said: str, tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        before = len(peer.seen)
        assert (
            await client.ask("tools/call", {"name": "echo"}, **{"MCP-Protocol-Version": said})
        ).status == 400
        assert len(peer.seen) == before


@pytest.mark.spec("DW-056")
async def test_a_ping_is_answered_here_whatever_the_server_does(tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        peer.acts["ping"] = lambda _, writer: writer.close()
        before = len(peer.seen)
        assert (await client.ask("ping")).result == {}
        assert len(peer.seen) == before


@pytest.mark.spec("DW-072", "DW-095")
async def test_get_and_delete_are_for_sessions(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, _):
        session = client.fields.pop("Mcp-Session-Id")
        for verb in ("GET", "DELETE"):
            refused = await client.http.request(verb, client.path, headers=client.fields)
            assert (refused.status_code, "POST" in refused.headers["allow"]) == (405, True)
        client.fields["Mcp-Session-Id"] = session
        async with client.stream() as _:
            pass


@pytest.mark.spec("DW-096")
async def test_a_stream_has_the_head_that_keeps_proxies_from_holding_it_back(tmp_path: Path) -> None:
    async with (
        scene(tmp_path) as (_, client, _),
        client.http.stream(
            "GET", client.path, headers=client.fields | {"Accept": "text/event-stream"}
        ) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-" in response.headers["cache-control"]


@pytest.mark.spec("DW-051")
async def test_a_legacy_handshake_after_a_modern_exchange_on_the_same_connection(tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, full(LATEST)) as (_, client, made):
        assert (await client.ask("server/discover")).status == 200
        legacy = await made.client()
        assert (await legacy.call(a=1)).status == 200
        assert (await client.call(a=1)).status == 200


@pytest.mark.spec("DW-089")
async def test_initialize_is_served_at_the_endpoint_of_a_modern_server(tmp_path: Path) -> None:
    async with scene(tmp_path, LATEST, full(MODERN)) as (peer, client, _):
        assert (await client.call(a=1)).status == 200
        assert peer.asked("initialize") == []


@pytest.mark.spec("DW-057")
async def test_a_log_level_is_the_session_s(tmp_path: Path) -> None:
    async with scene(tmp_path, LATEST, full(MODERN)) as (peer, client, _):
        assert (await client.ask("logging/setLevel", {"level": "warning"})).result == {}
        await client.call(a=1)
        assert peer.last().meta["io.modelcontextprotocol/logLevel"] == "warning"
        assert peer.asked("logging/setLevel") == []


@pytest.mark.spec("DW-058")
async def test_a_list_that_nothing_was_said_of_needs_no_params(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": Peer()}) as made:
        client = await made.client()
        for message in ({"method": "ping"}, {"method": "tools/list"}, {"method": "tools/list", "params": {}}):
            assert (await client.post({"jsonrpc": "2.0", "id": 5} | message)).status == 200
