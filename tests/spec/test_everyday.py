"""Everything that is one request and one reply, in each cell of the matrix of eras (research brief 3)."""

from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event
from tests.spec.peers import MODERN, Asked
from tests.spec.scene import LEGACY, each_client, each_server, full, over_sockets, scene
from tests.spec.world import META, world

pytestmark = over_sockets
each_path = pytest.mark.parametrize("path", ["/mcp", "/mcp/lab"])


@pytest.mark.spec("DW-350")
@each_client
@each_server
@each_path
async def test_each_everyday_request_works(down: str, up: str, path: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up), path=path) as (peer, client, _):
        there = path == "/mcp"
        name, uri, template = (
            ("lab__greet", "lab+doc://rates", "lab+acct://{id}")
            if there
            else ("greet", "doc://rates", "acct://{id}")
        )
        prompts = (await client.ask("prompts/list")).result["prompts"]
        assert [one["name"] for one in prompts] == [name]
        got = await client.ask("prompts/get", {"name": name, "arguments": {"who": "ü"}})
        assert got.result["messages"][0]["content"]["text"] == "prompt"
        assert peer.last("prompts/get").params["arguments"] == {"who": "ü"}
        assert peer.last("prompts/get").params["name"] == "greet"
        listed = (await client.ask("resources/list")).result["resources"]
        assert [one["uri"] for one in listed] == [uri]
        read = (await client.ask("resources/read", {"uri": uri})).result
        assert (read["contents"][0]["uri"], peer.last("resources/read").params["uri"]) == (uri, "doc://rates")
        templates = (await client.ask("resources/templates/list")).result["resourceTemplates"]
        assert [one["uriTemplate"] for one in templates] == [template]
        expanded = (await client.ask("resources/read", {"uri": template.replace("{id}", "7")})).result
        assert (expanded["contents"][0]["uri"], peer.last("resources/read").params["uri"]) == (
            template.replace("{id}", "7"), "acct://7",
        )  # fmt: skip
        for ref in ({"type": "ref/prompt", "name": name}, {"type": "ref/resource", "uri": template}):
            asked = {
                "ref": ref,
                "argument": {"name": "id", "value": "o"},
                "context": {"arguments": {"a": "1"}},
            }
            said = (await client.ask("completion/complete", asked)).result
            assert said["completion"]["values"] == ["one"]
            told = peer.last("completion/complete").params
            assert told["ref"] in (
                {"type": "ref/prompt", "name": "greet"},
                {"type": "ref/resource", "uri": "acct://{id}"},
            )
            assert (told["argument"], told["context"]) == (asked["argument"], asked["context"])


@pytest.mark.spec("DW-351", "DW-281", "DW-282")
@pytest.mark.parametrize("down", [*LEGACY, MODERN])
@each_server
@each_path
async def test_a_resource_that_its_server_does_not_know_is_unknown_in_the_caller_s_words(
    down: str, up: str, path: str, tmp_path: Path
) -> None:
    async with scene(tmp_path, down, full(up), path=path) as (_, client, _):
        uri = "lab+no://thing" if path == "/mcp" else "no://thing"
        said = await client.ask("resources/read", {"uri": uri})
        assert said.error == (200, -32602 if down == MODERN else -32002)
        assert said.message["error"]["data"]["uri"] == uri


def logs(asked: Asked, writer: Any) -> None:
    """One message of each of three levels, then the answer."""
    writer.write(STREAM)
    for level in ("debug", "warning", "error"):
        note = {"level": level, "logger": "l", "data": {"n": 1}}
        writer.write(event({"jsonrpc": "2.0", "method": "notifications/message", "params": note}))
    writer.write(event(asked.result({"resultType": "complete", "content": []})) + END)


@pytest.mark.spec("DW-204", "DW-205")
@each_client
@each_server
@pytest.mark.parametrize(
    ("level", "heard"), [("warning", ["warning", "error"]), ("debug", ["debug", "warning", "error"])]
)
async def test_a_log_level_is_asked_for_in_the_way_of_each_era(
    down: str, up: str, level: str, heard: list[str], tmp_path: Path
) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = logs
        meta: dict[str, Any] = {}
        if down == MODERN:
            meta = {"_meta": {f"{META}logLevel": level}}
        else:
            assert (await client.ask("logging/setLevel", {"level": level})).result == {}
        said = await client.ask("tools/call", {"name": "echo"} | meta)
        assert [one["params"]["level"] for one in said.messages[:-1]] == heard
        assert said.messages[0]["params"]["data"] == {"n": 1}
        if up == MODERN:
            assert peer.last().meta[f"{META}logLevel"] == level
        else:
            assert peer.last("logging/setLevel").params == {"level": level}
            assert f"{META}logLevel" not in peer.last().meta


@pytest.mark.spec("DW-205")
@each_server
async def test_a_modern_call_that_asks_for_no_log_hears_none(up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = logs
        said = await client.call()
        assert len(said.messages) == 1


@pytest.mark.spec("DW-352")
@each_client
@each_server
async def test_a_server_without_a_capability_is_not_asked_for_it(down: str, up: str, tmp_path: Path) -> None:
    peer = full(up)
    peer.capabilities = {"tools": {}}
    async with scene(tmp_path, down, peer) as (_, client, _):
        for method, member in (("prompts/list", "prompts"), ("resources/list", "resources")):
            assert (await client.ask(method)).result[member] == []
            assert peer.asked(method) == []


@pytest.mark.spec("DW-353")
@pytest.mark.parametrize("down", [*LEGACY, MODERN])
async def test_many_servers_of_every_revision_are_one_to_every_client(down: str, tmp_path: Path) -> None:
    peers = {f"v{version.replace('-', '')}": full(version) for version in (*LEGACY, MODERN)}
    async with world(tmp_path, peers) as made:
        client = await made.client("/mcp", down)
        listed = [one["name"] for one in (await client.ask("tools/list")).result["tools"]]
        assert listed == [f"{name}__echo" for name in peers]
        for name in listed:
            said = await client.call(name, n=1)
            assert said.result["content"][0]["text"] == '{"n": 1}'


@pytest.mark.spec("DW-354", "DW-240", "DW-244")
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
async def test_a_round_works_for_each_request_that_may_need_input(method: str, tmp_path: Path) -> None:
    given = {
        "tools/call": {"name": "echo"},
        "prompts/get": {"name": "greet"},
        "resources/read": {"uri": "doc://rates"},
    }
    question = {"method": "roots/list", "params": {}}

    def rounds(asked: Asked) -> dict[str, Any] | None:
        if "inputResponses" in asked.params:
            return None
        return {"resultType": "input_required", "inputRequests": {"r": question}, "requestState": "s-1"}

    async with world(tmp_path, {"lab": full(MODERN)}, lab={"may_ask": ["roots"]}) as made:
        peer = made.peers["lab"]
        peer.results[method] = rounds  # type: ignore[assignment]
        client = await made.client(version=MODERN, roots={})
        first = (await client.ask(method, given[method])).result
        assert first["resultType"] == "input_required"
        assert first["inputRequests"] == {"r": question}
        assert "ttlMs" not in first or method == "resources/read"
        again = given[method] | {
            "inputResponses": {"r": {"roots": []}},
            "requestState": first["requestState"],
        }
        done = (await client.ask(method, again)).result
        assert done["resultType"] == "complete"
        assert peer.last(method).params["requestState"] == "s-1"
        other = await made.client(version=MODERN, agent="other", roots={})
        for stranger, params in (
            (other, again),
            (client, again | {"requestState": first["requestState"][:-2] + "xx"}),
        ):
            before = len(peer.asked(method))
            assert (await stranger.ask(method, params)).error == (200, -32602)
            assert len(peer.asked(method)) == before
