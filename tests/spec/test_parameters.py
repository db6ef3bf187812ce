"""`x-mcp-header` over whole gateways: what is mirrored, compared, dropped (2026-07-28, transports)."""

from pathlib import Path
from typing import Any

import pytest

from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.scene import each_client, full, over_sockets, scene
from tests.spec.world import plain

pytestmark = over_sockets


def tool(name: str, **properties: Json) -> Json:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


def mirrored(kind: str = "string", header: Any = "A", **more: Any) -> Json:
    return {"type": kind, "x-mcp-header": header} | more


def offering(*tools: Json, era: str = MODERN) -> Peer:
    peer = full(era)
    peer.lists["tools"] = [{"name": "good", "inputSchema": {"type": "object"}}, *tools]
    return peer


INVALID = {
    "empty": tool("bad", a=mirrored(header="")),
    "blank": tool("bad", a=mirrored(header="X Y")),
    "line end": tool("bad", a=mirrored(header="X\r\nY")),
    "no text": tool("bad", a=mirrored(header=1)),
    "number": tool("bad", a=mirrored("number")),
    "object": tool("bad", a=mirrored("object")),
    "twice in another case": tool("bad", a=mirrored(header="X"), b=mirrored(header="x")),
    "in items": tool("bad", a={"type": "array", "items": mirrored()}),
    "in oneOf": tool("bad", a={"oneOf": [mirrored()]}),
    "in $defs": {"name": "bad", "inputSchema": {"type": "object", "$defs": {"a": mirrored()}}},
}


@pytest.mark.spec("DW-113", "DW-114")
@each_client
@pytest.mark.parametrize("fault", sorted(INVALID))
async def test_a_tool_whose_annotation_is_invalid_is_left_out_alone(
    down: str, fault: str, tmp_path: Path
) -> None:
    async with scene(tmp_path, down, offering(INVALID[fault])) as (peer, client, made):
        listed = (await client.ask("tools/list")).result["tools"]
        assert [one["name"] for one in listed] == ["good"]
        assert (await client.call("bad", a="x")).error == (200, -32602)
        state = made.process.readiness(operator=True)["servers"]["lab"]
        assert "'bad'" in state["note"]
        peer.lists["tools"] = [tool("bad", a=mirrored(header="Mended"))]
        await made.process.world.refresh_server("lab")
        assert [one["name"] for one in (await client.ask("tools/list")).result["tools"]] == ["bad"]
        assert made.process.readiness(operator=True)["servers"]["lab"]["note"] is None


@pytest.mark.spec("DW-115")
@each_client
async def test_an_annotation_of_a_legacy_server_means_nothing(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, offering(INVALID["blank"], era=LATEST)) as (_, client, _):
        listed = (await client.ask("tools/list")).result["tools"]
        assert [one["name"] for one in listed] == ["good", "bad"]


VALUES: list[tuple[str, Any, str | None]] = [
    ("string", "us-west1", "us-west1"),
    ("string", "Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
    ("string", " padded ", "=?base64?IHBhZGRlZCA=?="),
    ("string", "line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
    ("string", "=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ("string", "", "=?base64??="),  # an empty field may be lost on the way
    ("integer", 42, "42"),
    ("integer", -7, "-7"),
    ("boolean", True, "true"),
    ("boolean", False, "false"),
    ("string", None, None),
]


@pytest.mark.spec("DW-110", "DW-111", "DW-112")
@each_client
@pytest.mark.parametrize(("kind", "value", "field"), VALUES, ids=[repr(value) for _, value, _ in VALUES])
async def test_an_argument_is_mirrored_as_the_specification_writes_it(
    down: str, kind: str, value: Any, field: str | None, tmp_path: Path
) -> None:
    async with scene(tmp_path, down, offering(tool("t", a=mirrored(kind, "Region")))) as (peer, client, _):
        fields = {"Mcp-Param-Region": field} if down == MODERN and field is not None else {}
        said = await client.ask("tools/call", {"name": "t", "arguments": {"a": value}}, **fields)
        assert "result" in said.message
        assert peer.last().headers.get("mcp-param-region") == field


@pytest.mark.spec("DW-112")
@pytest.mark.parametrize("field", ["", "=?base64??="])
async def test_an_empty_argument_may_be_written_in_two_ways(field: str, tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, offering(tool("t", a=mirrored()))) as (_, client, _):
        said = await client.ask("tools/call", {"name": "t", "arguments": {"a": ""}}, **{"Mcp-Param-A": field})
        assert said.status == 200


@pytest.mark.spec("DW-111")
@each_client
async def test_what_is_nested_in_properties_alone_is_mirrored(down: str, tmp_path: Path) -> None:
    deep = {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": mirrored()}}}}
    async with scene(tmp_path, down, offering(tool("t", a=deep))) as (peer, client, _):
        fields = {"Mcp-Param-A": "x"} if down == MODERN else {}
        arguments: Json = {"a": {"b": {"c": "x"}}}
        assert (await client.ask("tools/call", {"name": "t", "arguments": arguments}, **fields)).status == 200
        assert peer.last().headers["mcp-param-a"] == "x"


@pytest.mark.spec("DW-116")
async def test_fields_that_no_annotation_asks_for_are_neither_compared_nor_sent(tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, offering()) as (peer, client, _):
        said = await client.ask(
            "tools/call", {"name": "good", "arguments": {"x": "a"}}, **{"Mcp-Param-X": "b"}
        )
        assert said.status == 200
        assert not any(name.startswith("mcp-param") for name in peer.last().headers)


@pytest.mark.spec("DW-117")
async def test_a_legacy_caller_s_fields_are_not_believed(tmp_path: Path) -> None:
    async with scene(tmp_path, LATEST, offering(tool("t", a=mirrored()))) as (peer, client, _):
        said = await client.ask(
            "tools/call", {"name": "t", "arguments": {"a": "x"}}, **{"Mcp-Param-A": "y", "Mcp-Name": "other"}
        )
        assert said.status == 200
        assert (peer.last().headers["mcp-param-a"], peer.last().headers["mcp-name"]) == ("x", "t")


@pytest.mark.spec("DW-101", "DW-102")
@pytest.mark.parametrize("spelled", ["MCP-METHOD", "mcp-method", "Mcp-Method"])
async def test_names_of_fields_have_no_case_and_values_have(spelled: str, tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN) as (_, client, _):
        message = client.message("tools/list")
        right = {"MCP-Protocol-Version": MODERN, spelled: "tools/list"}
        assert (await client.post(message, right)).status == 200
        assert (await client.post(message, right | {spelled: "Tools/List"})).error == (400, -32020)


@pytest.mark.spec("DW-104")
@pytest.mark.parametrize("name", ["größe", "a b", "=?base64?x?=", "日本", "tab\tbed"])
async def test_a_name_that_is_no_field_value_is_encoded_on_both_legs(name: str, tmp_path: Path) -> None:
    async with scene(tmp_path, MODERN, offering(tool(name))) as (peer, client, _):
        shown = [one["name"] for one in (await client.ask("tools/list")).result["tools"]]
        if name not in shown:  # names with control characters are nobody's: see unit/catalog
            assert "\t" in name
            return
        assert (await client.call(name)).status == 200
        assert peer.last().headers["mcp-name"] == plain(name)
        assert (await client.ask("tools/call", {"name": name}, **{"Mcp-Name": plain("other")})).error == (
            400,
            -32020,
        )
