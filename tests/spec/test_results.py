"""What a server answers reaches its caller as it was, in the words of the caller's revision (brief 3, 5)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import http
from tests.spec.peers import LATEST, MODERN, Asked, Json
from tests.spec.scene import LEGACY, each_client, each_server, full, over_sockets, scene
from tests.spec.world import world

pytestmark = over_sockets

CONTENT: list[Json] = [
    {"type": "text", "text": "t", "annotations": {"audience": ["user"], "priority": 0.5}, "_meta": {"x": 1}},
    {"type": "image", "data": "AAAA", "mimeType": "image/png"},
    {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
    {"type": "resource_link", "uri": "memo:x", "name": "x", "size": 10**15},
    {
        "type": "resource",
        "resource": {"uri": "memo:y", "blob": "AAAA", "mimeType": "a/b", "_meta": {"z": None}},
    },
    {"type": "com.example/future", "anything": [1, {"deep": True}]},
]


@pytest.mark.spec("DW-300", "DW-301", "DW-826")
@each_client
@each_server
async def test_content_of_every_kind_arrives_as_it_was(down: str, up: str, tmp_path: Path) -> None:
    result = {"content": CONTENT, "structuredContent": {"n": 1}, "_meta": {"com.example/k": 1}, "future": [1]}
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.results["tools/call"] = result
        said = (await client.call()).result
        assert {key: said[key] for key in result} == result
        assert said.keys() - result.keys() == ({"resultType"} if down == MODERN else set())


@pytest.mark.spec("DW-302")
@each_client
@each_server
async def test_numbers_keep_their_spelling(down: str, up: str, tmp_path: Path) -> None:
    spelled = (
        '{"content":[],"structuredContent":{"a":1.0,"b":123456789012345678901234567890,"c":1e400,"d":-0.0}}'
    )

    def act(asked: Asked, writer: Any) -> None:
        kind = spelled.replace("{", '{"resultType":"complete",', 1) if up == MODERN else spelled
        writer.write(http(200, b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (asked.id, kind.encode())))

    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = act
        said = await client.call()
        assert b'{"a":1.0,"b":123456789012345678901234567890,"c":1e400,"d":-0.0}' in said.body


@pytest.mark.spec("DW-303")
@each_client
@each_server
async def test_a_tool_s_own_failure_stays_a_result(down: str, up: str, tmp_path: Path) -> None:
    failed = {"content": [{"type": "text", "text": "no such file"}], "isError": True}
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.results["tools/call"] = failed
        said = await client.call()
        assert {key: said.result[key] for key in failed} == failed


@pytest.mark.spec("DW-304")
@each_client
async def test_a_result_is_not_judged_by_the_tool_s_output_schema(down: str, tmp_path: Path) -> None:
    peer = full()
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    peer.lists["tools"] = [{"name": "echo", "inputSchema": {"type": "object"}, "outputSchema": schema}]
    wrong = {"content": [{"type": "text", "text": "x"}], "structuredContent": {"n": "no integer"}}
    async with scene(tmp_path, down, peer) as (_, client, _):
        peer.results["tools/call"] = wrong
        assert (await client.call()).result["structuredContent"] == {"n": "no integer"}


@pytest.mark.spec("DW-305", "DW-827")
@pytest.mark.parametrize("down", [*LEGACY, MODERN])
@pytest.mark.parametrize("structured", [[1, 2], "text", 7, None, {"n": 1}], ids=repr)
async def test_structured_content_is_what_the_caller_s_revision_allows(
    down: str, structured: Any, tmp_path: Path
) -> None:
    async with scene(tmp_path, down, full(MODERN)) as (peer, client, _):
        peer.results["tools/call"] = {"content": [], "structuredContent": structured}
        said = (await client.call()).result
        if down == MODERN or (down >= "2025-06-18" and isinstance(structured, dict)):
            assert said["structuredContent"] == structured
        else:
            assert "structuredContent" not in said
            assert [json.loads(one["text"]) for one in said["content"]] == [structured]


@pytest.mark.spec("DW-306", "DW-273")
@each_client
@each_server
async def test_what_only_one_era_has_is_added_or_taken_away(down: str, up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up)) as (_, client, _):
        call, read = (
            (await client.call()).result,
            (await client.ask("resources/read", {"uri": "doc://rates"})).result,
        )
        listed = (await client.ask("tools/list")).result
        for result, cached in ((call, False), (read, True), (listed, True)):
            assert ("resultType" in result) is (down == MODERN)
            assert ({"ttlMs", "cacheScope"} <= result.keys()) is (cached and down == MODERN)
        assert "io.modelcontextprotocol/serverInfo" not in (call.get("_meta") or {})


@pytest.mark.spec("DW-307")
@each_client
async def test_a_result_of_a_modern_server_without_its_kind_counts_as_complete(
    down: str, tmp_path: Path
) -> None:
    def act(asked: Asked, writer: Any) -> None:
        writer.write(http(200, asked.result({"content": [{"type": "text", "text": "x"}]})))

    async with scene(tmp_path, down, full(MODERN)) as (peer, client, _):
        peer.acts["tools/call"] = act
        assert (await client.call()).result["content"][0]["text"] == "x"


@pytest.mark.spec("DW-308")
@each_client
async def test_a_result_of_no_known_kind_is_refused(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(MODERN)) as (peer, client, _):
        peer.results["tools/call"] = {"resultType": "task", "taskId": "x"}
        said = await client.call()
        assert said.error == (200, -32603)
        assert "lab" in said.message["error"]["message"]


TOOL: Json = {
    "name": "rich",
    "title": "Rich",
    "description": "d",
    "icons": [{"src": "https://a.example/i.png", "sizes": ["48x48"]}],
    "annotations": {"readOnlyHint": True, "title": "x"},
    "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"a": {"$anchor": "a", "type": "string"}},
        "properties": {"p": {"$ref": "#a"}, "q": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/a"}]}},
        "additionalProperties": False,
    },
    "outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    "_meta": {"com.example/x": {"y": 1}},
}


@pytest.mark.spec("DW-309", "DW-310")
@each_client
@each_server
@pytest.mark.parametrize("path", ["/mcp", "/mcp/lab"])
async def test_a_definition_is_shown_as_it_was_listed(down: str, up: str, path: str, tmp_path: Path) -> None:
    peer = full(up)
    peer.lists["tools"] = [TOOL]
    async with scene(tmp_path, down, peer, path=path) as (_, client, _):
        (shown,) = (await client.ask("tools/list")).result["tools"]
        assert shown == TOOL | {"name": "rich" if path == "/mcp/lab" else "lab__rich"}


@pytest.mark.spec("DW-311")
async def test_a_reference_to_elsewhere_in_a_schema_is_not_followed(tmp_path: Path) -> None:
    peer, elsewhere = full(), full()
    async with world(tmp_path, {"lab": peer, "two": elsewhere}) as made:
        reference = {"$ref": elsewhere.url}
        peer.lists["tools"] = [
            {"name": "echo", "inputSchema": {"type": "object", "properties": {"a": reference}}}
        ]
        await made.process.world.refresh_server("lab")
        before = len(elsewhere.seen)
        client = await made.client()
        (shown,) = (await client.ask("tools/list")).result["tools"]
        assert shown["inputSchema"]["properties"]["a"] == reference
        await client.call(a="x")
        assert len(elsewhere.seen) == before


ERRORS = [
    (LATEST, LATEST, -32002, -32002, 200),
    (LATEST, MODERN, -32602, -32602, 200),
    (LATEST, MODERN, -32020, -32603, 200),
    (LATEST, MODERN, -32022, -32603, 200),
    (MODERN, LATEST, -32002, -32602, 200),
    (MODERN, MODERN, -32042, -32603, 200),
    (MODERN, LATEST, -32601, -32601, 404),
    (MODERN, MODERN, -32601, -32601, 404),
    (LATEST, MODERN, -32601, -32601, 200),
    (LATEST, LATEST, -32000, -32000, 200),
    (MODERN, MODERN, 1234, 1234, 200),
    (LATEST, LATEST, -31001, -32603, 200),
    (MODERN, MODERN, -31001, -32603, 200),
]


@pytest.mark.spec("DW-280", "DW-281", "DW-282", "DW-283")
@pytest.mark.parametrize("errors", ERRORS, ids=str)
async def test_an_error_is_the_server_s_in_the_codes_of_the_caller_s_era(
    errors: tuple[str, str, int, int, int], tmp_path: Path
) -> None:
    down, up, given, code, status = errors
    async with scene(tmp_path, down, full(up)) as (peer, client, _):
        peer.acts["tools/call"] = lambda asked, writer: writer.write(
            http(200, asked.error(given, "why", {"k": 1}))
        )
        said = await client.call()
        assert said.error == (status, code)
        assert said.message["error"]["message"] == "why"


@pytest.mark.spec("DW-284", "DW-285")
@each_client
@pytest.mark.parametrize(
    "answer",
    [
        http(502, b"<html>Bad Gateway</html>", "text/html"),
        http(500),
        http(200, b"<html>", "text/html"),
        http(200, b"no json"),
        http(301, extra="Location: http://127.0.0.1:1/\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"",
    ],
    ids=["502", "500", "html", "no JSON", "redirect", "cut", "closed"],
)
async def test_a_server_s_http_failure_is_an_error_with_the_caller_s_id(
    down: str, answer: bytes, tmp_path: Path
) -> None:
    def act(asked: Asked, writer: Any) -> None:
        writer.write(answer)
        writer.close()

    async with scene(tmp_path, down) as (peer, client, _):
        peer.acts["tools/call"] = act
        said = await client.ask("tools/call", {"name": "echo"}, id="mine")
        assert said.error == (200, -32603)
        assert said.message["id"] == "mine"
        assert "lab" in said.message["error"]["message"]
        assert peer.url not in said.body.decode()
        assert len(peer.asked("tools/call")) == 1


@pytest.mark.spec("DW-286")
@each_client
async def test_a_list_that_fails_is_no_empty_list(down: str, tmp_path: Path) -> None:
    peer = full()
    peer.acts["tools/list"] = lambda _, writer: writer.write(http(500))
    async with world(tmp_path, {"lab": peer, "two": full()}) as made:
        alone = await made.client(version=down)
        said = await alone.ask("tools/list")
        assert said.error == (200, -32603)
        together = await made.client("/mcp", down)
        result = (await together.ask("tools/list")).result
        assert [one["name"] for one in result["tools"]] == ["two__echo"]
        assert "lab" in json.dumps(result["_meta"]["dev.doorward/unavailable"])
