import pytest

from doorward.upstream.mirrored import offered

pytestmark = pytest.mark.asyncio


def tool(name: str, header: object = None, **more: object) -> dict[str, object]:
    schema = {"type": "string"} if header is None else {"type": "string", "x-mcp-header": header}
    return {"name": name, "inputSchema": {"type": "object", "properties": {"a": schema | more}}}


@pytest.mark.spec("DW-113")
async def test_what_has_no_fault_is_left_alone() -> None:
    tools = [tool("a"), tool("b", "B"), {"name": "c"}, {"name": "d", "inputSchema": 7}]
    assert await offered(tools) == (tools, None)


@pytest.mark.spec("DW-113")
async def test_a_tool_that_cannot_be_mirrored_goes_alone_and_is_named_with_its_reason() -> None:
    kept, said = await offered([tool("a"), tool("bad", "X Y"), tool("n", "N", type="number"), tool("z", "Z")])
    assert [one["name"] for one in kept] == ["a", "z"]
    assert said is not None
    assert "'bad'" in said
    assert "RFC 9110" in said
    assert "'n'" in said


@pytest.mark.spec("DW-114")
async def test_what_is_said_of_many_is_bounded() -> None:
    kept, said = await offered([tool("n" * 5000, "") for _ in range(1000)])
    assert kept == []
    assert said is not None
    assert said.endswith("and 995 more")
    assert len(said) < 3000
