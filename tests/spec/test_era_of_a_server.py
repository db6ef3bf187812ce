"""How the era of a server is found out, and what each of its answers proves (research brief 2.4)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.model.call import Era
from tests.attack.hostile_server import END, STREAM, event, http
from tests.spec.peers import LATEST, MODERN, Asked
from tests.spec.scene import LEGACY, each_client, full, over_sockets, scene
from tests.spec.world import world

pytestmark = over_sockets


@pytest.mark.spec("DW-340")
@pytest.mark.parametrize("up", [*LEGACY, MODERN])
async def test_each_revision_is_found_by_one_modern_request(up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, full(up)) as (peer, client, made):
        assert (await client.call()).status == 200
        assert peer.seen[0].method == "server/discover"
        assert peer.seen[0].headers["mcp-protocol-version"] == MODERN
        state = made.process.world.servers["lab"].state
        assert (state.era, state.version) == ("modern" if up == MODERN else "legacy", up)
        assert len(peer.asked("server/discover")) == 1


@pytest.mark.spec("DW-341")
@pytest.mark.parametrize(
    "answer", [http(400), http(404, b"Not found", "text/plain"), http(405), http(400, b'{"error":"x"}')]
)
async def test_an_answer_that_is_no_modern_error_means_legacy(answer: bytes, tmp_path: Path) -> None:
    peer = full(LATEST)
    peer.acts["server/discover"] = lambda _, writer: writer.write(answer)
    async with scene(tmp_path, MODERN, peer) as (_, client, made):
        assert (await client.call()).status == 200
        assert made.process.world.servers["lab"].era is Era.LEGACY


@pytest.mark.spec("DW-342")
@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_credentials_and_failures_prove_no_era(status: int, tmp_path: Path) -> None:
    peer = full(LATEST)
    peer.acts["server/discover"] = lambda _, writer: writer.write(http(status))
    async with scene(tmp_path, MODERN, peer) as (_, client, made):
        assert (await client.call()).error[1] == -32603
        assert peer.asked("initialize") == []
        del peer.acts["server/discover"]
        async with asyncio.timeout(20):
            while (await client.ask("tools/list")).message.get("result") is None:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.1)
        assert (await client.call()).status == 200
        assert made.process.world.servers["lab"].era is Era.LEGACY


@pytest.mark.spec("DW-343")
async def test_supported_versions_without_a_legacy_one_say_nothing_of_legacy(tmp_path: Path) -> None:
    peer = full(MODERN, LATEST)
    async with scene(tmp_path, LATEST, peer) as (_, client, _):
        assert (await client.call()).status == 200
        assert json.loads((await client.call(a=1)).result["content"][0]["text"]) == {"a": 1}


@pytest.mark.spec("DW-344")
@each_client
async def test_a_server_that_went_back_to_legacy_is_found_again(down: str, tmp_path: Path) -> None:
    """A rollback: the modern verdict is stale, and the next answers say so."""
    peer = full(MODERN)
    async with scene(tmp_path, down, peer) as (_, client, made):
        assert (await client.call()).status == 200
        peer.versions = (LATEST,)
        async with asyncio.timeout(30):
            while "result" not in (await client.call()).message:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.1)
        assert made.process.world.servers["lab"].era is Era.LEGACY


@pytest.mark.spec("DW-345")
async def test_one_server_s_era_says_nothing_of_another_s(tmp_path: Path) -> None:
    peers = {"old": full("2024-11-05"), "new": full(MODERN), "mid": full("2025-06-18")}
    async with world(tmp_path, peers) as made:
        for version in ("2024-11-05", LATEST, MODERN):
            client = await made.client("/mcp", version)
            for name in peers:
                assert (await client.call(f"{name}__echo", n=1)).status == 200
        assert {name: bool(peer.asked("initialize")) for name, peer in peers.items()} == {
            "old": True, "new": False, "mid": True,
        }  # fmt: skip


@pytest.mark.spec("DW-346")
async def test_a_server_is_introduced_to_us_and_not_to_our_caller_s_fantasy(tmp_path: Path) -> None:
    async with scene(tmp_path, LATEST) as (peer, _, _):
        hello = peer.asked("initialize")[0]
        assert hello.params["protocolVersion"] == LATEST
        assert hello.params["capabilities"] == {}
        assert hello.headers.get("mcp-session-id") is None


@pytest.mark.spec("DW-355")
@pytest.mark.parametrize("version", ["2099-01-01", "", "x"])
async def test_a_server_that_wants_a_version_that_we_do_not_speak_is_not_served(
    version: str, tmp_path: Path
) -> None:
    peer = full(version)
    async with scene(tmp_path, LATEST, peer) as (_, client, made):
        said = await client.call()
        assert said.error[1] == -32603
        assert "lab" in said.message["error"]["message"]
        assert peer.asked("tools/call") == []
        assert made.process.readiness(operator=True)["servers"]["lab"]["state"] == "down"


@pytest.mark.spec("DW-355")
@pytest.mark.parametrize("version", [None, 7, {}])
async def test_an_initialize_answer_without_a_version_is_none(version: object, tmp_path: Path) -> None:
    peer = full(LATEST)
    peer.acts["initialize"] = lambda asked, writer: writer.write(
        http(200, asked.result({"protocolVersion": version, "capabilities": {}, "serverInfo": {}}))
    )
    async with scene(tmp_path, LATEST, peer) as (_, client, _):
        assert (await client.call()).error[1] == -32603


@pytest.mark.spec("DW-356")
@pytest.mark.parametrize("supported", [["2030-01-01"], ["2025-11-25"], []])
@pytest.mark.parametrize("how", ["result", "error"])
async def test_a_server_with_no_modern_version_that_we_speak_is_asked_in_the_legacy_way(
    supported: list[str], how: str, tmp_path: Path
) -> None:
    peer = full(LATEST)

    def discover(asked: Asked, writer: Any) -> None:
        if how == "result":
            writer.write(
                http(200, asked.result({"supportedVersions": supported, "capabilities": {"tools": {}}}))
            )
        else:
            writer.write(http(400, asked.error(-32022, data={"supported": supported, "requested": MODERN})))

    peer.acts["server/discover"] = discover
    async with scene(tmp_path, MODERN, peer) as (_, client, made):
        assert (await client.call()).status == 200
        assert made.process.world.servers["lab"].era is Era.LEGACY


@pytest.mark.spec("DW-096", "DW-233")
@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_the_stream_of_a_call_is_not_to_be_held_back_either(version: str, tmp_path: Path) -> None:
    def streams(asked: Asked, writer: Any) -> None:
        note = {"progressToken": asked.meta["progressToken"], "progress": 1}
        writer.write(STREAM + event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}))
        writer.write(event(asked.result({"resultType": "complete", "content": []})) + END)

    async with scene(tmp_path, version) as (peer, client, _):
        peer.acts["tools/call"] = streams
        said = await client.ask("tools/call", {"name": "echo", "_meta": {"progressToken": 1}})
        assert said.headers["content-type"] == "text/event-stream"
        assert said.headers["x-accel-buffering"] == "no"
        assert "no-" in said.headers["cache-control"]


@pytest.mark.spec("DW-357")
async def test_a_server_that_comes_up_late_is_callable_without_a_list(tmp_path: Path) -> None:
    peer = full(LATEST)
    peer.acts["server/discover"] = lambda _, writer: writer.write(http(503))
    async with scene(tmp_path, LATEST, peer) as (_, client, _):
        assert (await client.call()).error[1] == -32603
        del peer.acts["server/discover"]
        async with asyncio.timeout(8):
            while "result" not in (await client.call()).message:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.1)
