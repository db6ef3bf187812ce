"""What of one leg reaches the other: nothing of the head, of `_meta` what is not a leg's own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event
from tests.spec.peers import LATEST, MODERN, Asked
from tests.spec.scene import LEGACY, each_client, each_server, full, over_sockets, scene
from tests.spec.world import META, world

pytestmark = over_sockets

HOSTILE = {
    "Cookie": "session=1",
    "DPoP": "eyJ.a.b",
    "Client-Cert": ":AAAA:",
    "X-Api-Key": "k",
    "X-Custom": "1",
    "Forwarded": "for=192.0.2.1",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "evil.example",
    "Referer": "https://evil.example/",
    "Proxy-Authorization": "Basic eA==",
    "User-Agent": "teller/1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "baggage": "a=b",
    "Mcp-Param-Smuggled": "1",
    "Mcp-Unknown": "1",
}
OURS = {"host", "content-type", "content-length", "accept", "user-agent", "accept-encoding"}
OF_MCP = {
    LATEST: {"mcp-protocol-version", "mcp-session-id"},
    MODERN: {"mcp-protocol-version", "mcp-method", "mcp-name"},
}


@pytest.mark.spec("DW-130", "DW-131", "DW-821")
@each_client
@each_server
async def test_no_field_of_a_caller_reaches_a_server(down: str, up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        assert (await client.ask("tools/call", {"name": "echo"}, **HOSTILE)).status == 200
        heads = peer.last().headers
        assert heads.keys() <= OURS | OF_MCP[up]
        assert not {"authorization", "origin"} & heads.keys()
        assert not any(value in heads.values() for value in HOSTILE.values())
        assert heads["host"] == peer.url.split("/")[2]


@pytest.mark.spec("DW-821")
async def test_an_origin_that_we_serve_is_not_shown_to_a_server(tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, made):
        assert (await client.ask("tools/call", {"name": "echo"}, Origin=made.url)).status == 200
        assert "origin" not in peer.last().headers


@pytest.mark.spec("DW-132", "DW-801")
@pytest.mark.parametrize("down", [*LEGACY, MODERN])
@pytest.mark.parametrize("up", [*LEGACY, MODERN])
async def test_each_leg_has_its_own_version(down: str, up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        assert (await client.call(a=1)).status == 200
        said = peer.last().headers.get("mcp-protocol-version")
        assert said == (None if up < "2025-06-18" else up)


@pytest.mark.spec("DW-802")
@pytest.mark.parametrize("down", [*LEGACY, MODERN])
@each_server
async def test_a_server_s_handshake_is_its_own_era_s(down: str, up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        assert (await client.call(a=1)).status == 200
        assert bool(peer.asked("initialize")) is (up != MODERN)
        assert (f"{META}protocolVersion" in peer.last().meta) is (up == MODERN)


@pytest.mark.spec("DW-133")
@each_client
async def test_a_session_id_belongs_to_one_leg(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        fields = {} if down != MODERN else {"Mcp-Session-Id": "invented"}
        said = await client.ask("tools/call", {"name": "echo"}, **fields)
        assert "mcp-session-id" not in said.headers
        assert peer.last().headers["mcp-session-id"] in ("s1", "s2")


@pytest.mark.spec("DW-140", "DW-141", "DW-815")
@each_client
@each_server
async def test_unknown_keys_pass_and_those_of_a_leg_do_not(down: str, up: str, tmp_path: Path) -> None:
    theirs = {"com.example/a": {"n": 10**30}, "x": [1.0], f"{META}future": 1}
    leg = {
        f"{META}clientInfo": {"name": "liar", "version": "0"},
        f"{META}subscriptionId": 1,
        f"{META}serverInfo": {"name": "liar"},
        f"{META}related-task": {"taskId": "x"},
    }
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        await client.ask("tools/call", {"name": "echo", "_meta": theirs | leg})
        got = peer.last().meta
        assert {key: got.get(key) for key in theirs} == theirs
        kept = (
            {f"{META}protocolVersion", f"{META}clientCapabilities", f"{META}clientInfo"}
            if up == MODERN
            else set()
        )
        assert got.keys() - theirs.keys() == kept


@pytest.mark.spec("DW-142")
@each_client
async def test_the_envelope_is_stamped_for_this_leg(down: str, tmp_path: Path) -> None:
    lies = {f"{META}logLevel": "debug"} if down == MODERN else {f"{META}protocolVersion": 7}
    async with scene(tmp_path, down, full(MODERN)) as (peer, client, _):
        said = await client.ask("tools/call", {"name": "echo", "_meta": lies})
        if down == MODERN:
            assert peer.last().meta[f"{META}protocolVersion"] == MODERN
            assert peer.last().meta[f"{META}logLevel"] == "debug"
        else:
            assert said.status == 400
            assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-143", "DW-810")
@pytest.mark.parametrize(
    ("declared", "may_ask", "shown"),
    [
        ({}, ["elicitation", "sampling", "roots"], {}),
        ({"elicitation": {"form": {}}, "sampling": {}}, [], {}),
        ({"elicitation": {"form": {}}, "sampling": {}}, ["elicitation"], {"elicitation"}),
        ({"elicitation": {"form": {}}, "sampling": {}, "roots": {}}, ["elicitation", "sampling", "roots"],
         {"elicitation", "sampling", "roots"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("era", [LATEST, MODERN])
async def test_capabilities_are_the_caller_s_as_far_as_the_operator_allows(
    declared: Any, may_ask: list[str], shown: Any, era: str, tmp_path: Path
) -> None:
    async with world(tmp_path, {"lab": full(era)}, lab={"may_ask": may_ask}) as made:
        client = await made.client(version=era, **declared)
        await client.call(a=1)
        (peer,) = made.peers.values()
        if era == MODERN:
            told = peer.last().meta[f"{META}clientCapabilities"]
        else:
            session = peer.last().headers["mcp-session-id"]
            told = peer.asked("initialize")[int(session[1:]) - 1].params["capabilities"]
        assert set(told) == set(shown)


@pytest.mark.spec("DW-144")
@each_client
@each_server
async def test_trace_context_passes_and_baggage_does_not(down: str, up: str, tmp_path: Path) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        await client.ask("tools/call", {"name": "echo", "_meta": trace | {"baggage": "user=anna"}})
        got = peer.last().meta
        assert {key: got.get(key) for key in trace} == trace
        assert "baggage" not in got
        assert not {"traceparent", "tracestate", "baggage"} & peer.last().headers.keys()


def progress(asked: Asked, writer: Any) -> None:
    """Two notes under the given token and one under another, then the answer."""
    token = asked.meta.get("progressToken")
    writer.write(STREAM)
    for given, value in ((token, 1), ("foreign", 2), (token, 3)):
        note = {"progressToken": given, "progress": value, "message": "half"}
        writer.write(event({"jsonrpc": "2.0", "method": "notifications/progress", "params": note}))
    writer.write(event(asked.result({"resultType": "complete", "content": []})) + END)


@pytest.mark.spec("DW-145", "DW-815", "DW-200", "DW-201")
@pytest.mark.parametrize("token", ["mine", 7, 2**60, "7"], ids=repr)
@each_client
@each_server
async def test_a_progress_token_is_ours_there_and_theirs_here(
    down: str, up: str, token: Any, tmp_path: Path
) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = progress
        said = await client.ask("tools/call", {"name": "echo", "_meta": {"progressToken": token}})
        there = peer.last().meta["progressToken"]
        assert type(there) is int
        notes = [one["params"] for one in said.messages[:-1]]
        assert [(note["progressToken"], note["progress"]) for note in notes] == [(token, 1), (token, 3)]
        assert {type(note["progressToken"]) for note in notes} == {type(token)}
        assert notes[0]["message"] == "half"


@pytest.mark.spec("DW-202")
@each_client
async def test_no_progress_is_made_up(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        peer.acts["tools/call"] = progress
        said = await client.call(a=1)
        assert len(said.messages) == 1
        assert "progressToken" not in peer.last().meta


@pytest.mark.spec("DW-203")
async def test_tokens_of_calls_at_one_server_differ(tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full()}) as made:
        peer = made.peers["lab"]
        clients = [await made.client(version=version) for version in (LATEST, LATEST, MODERN, MODERN)]
        meta = {"name": "echo", "_meta": {"progressToken": 1}}
        await asyncio.gather(*(client.ask("tools/call", meta) for client in clients for _ in range(5)))
        tokens = [one.meta["progressToken"] for one in peer.asked("tools/call")]
        assert len(set(tokens)) == len(tokens) == 20


@pytest.mark.spec("DW-134", "DW-817")
@each_client
async def test_a_head_repeats_the_name_that_is_sent_and_not_the_one_that_was_asked_for(
    down: str, tmp_path: Path
) -> None:
    peer = full(MODERN)
    peer.lists["tools"] = [
        {
            "name": "größe",
            "inputSchema": {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}},
        }
    ]
    async with world(tmp_path, {"lab": peer}) as made:
        client = await made.client("/mcp", down)
        (tool,) = (await client.ask("tools/list")).result["tools"]
        fields = {"Mcp-Param-To": "=?base64?w7w=?="} if down == MODERN else {}
        said = await client.ask("tools/call", {"name": tool["name"], "arguments": {"to": "ü"}}, **fields)
        assert "result" in said.message
        heads = peer.last().headers
        assert heads["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
        assert heads["mcp-param-to"] == "=?base64?w7w=?="
        assert heads["mcp-method"] == "tools/call"


@pytest.mark.spec("DW-011", "DW-146")
@each_client
@each_server
async def test_what_is_inspected_is_what_is_sent(down: str, up: str, tmp_path: Path) -> None:
    spelled = '{"big":123456789012345678901234567890,"one":1.0,"e":1e2,"s":"\\u00e9\\ud83d\\ude00","n":-0}'
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        message = client.message("tools/call", {"name": "echo", "arguments": {"here": 424242}})
        text = json.dumps(message).replace('{"here": 424242}', spelled)
        await client.post(text.encode(), client.heads(message))
        got = json.loads(peer.last().body, parse_float=str, parse_int=str)["params"]["arguments"]
        assert got["big"] == "123456789012345678901234567890"
        assert got["s"] == "é😀"
        assert float(got["one"]) == 1.0
        assert "." in got["one"] or got["one"] == "1.0"
