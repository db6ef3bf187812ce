"""What a caller may not see answers byte for byte like what does not exist, in the same order of steps."""

import msgspec
import pytest

from doorward.catalog.snapshot import Snapshot
from doorward.pipeline.rescue import Answer
from tests.playbook.house import ERAS, House, body, error, legacy, modern
from tests.unit.policy.build import grant, scope, when

pytestmark = pytest.mark.asyncio

PAIRS = [
    (
        "tools/call",
        {"name": "close_account", "arguments": {"a": 1}},
        {"name": "open_sesame", "arguments": {"a": 1}},
    ),
    ("prompts/get", {"name": "audit_plan"}, {"name": "other_plan"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "audit_plan"}, "argument": {"name": "x", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "other_plan"}, "argument": {"name": "x", "value": ""}},
    ),
]


def same(hidden: Answer, unknown: Answer) -> bool:
    return (hidden.status, hidden.body, hidden.headers) == (unknown.status, unknown.body, unknown.headers)


@pytest.mark.spec("DW-421")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("endpoint", ["bank", None])
@pytest.mark.parametrize(("method", "hidden", "unknown"), PAIRS)
async def test_hidden_and_unknown_are_the_same_bytes(era, endpoint, method, hidden, unknown) -> None:
    house = House()
    caller = await era(house, endpoint=endpoint)
    if endpoint is None and "name" in hidden:
        hidden = hidden | {"name": f"bank__{hidden['name']}"}

    first, second = await caller.ask(method, hidden), await caller.ask(method, unknown)

    assert same(first, second)
    assert error(first) == (200, -32602, None)
    assert house.servers.sent == []
    assert [record["decision"]["effect"] for record in house.log.records] == (
        ["deny", "refuse"] if endpoint or "name" in hidden else ["refuse", "refuse"]
    )


@pytest.mark.spec("DW-406")
@pytest.mark.parametrize(
    ("method", "params"), [("server/discover", None), ("tools/list", None), ("tools/call", {"name": "x"})]
)
async def test_a_server_that_no_grant_names_is_a_path_that_does_not_exist(method, params) -> None:
    house = House()
    hidden = await (await modern(house, endpoint="files", secret="other")).ask(method, params)
    unknown = await (await modern(house, endpoint="nothing", secret="other")).ask(method, params)

    first, second = body(hidden), body(unknown)
    del first["error"]["data"]["decision_id"], second["error"]["data"]["decision_id"]

    assert error(hidden) == (404, -32600, "path_not_found")
    assert (hidden.status, hidden.headers, first) == (unknown.status, unknown.headers, second)
    assert [record["decision"]["effect"] for record in house.log.records] == ["refuse", "refuse"]


@pytest.mark.spec("DW-327")
async def test_the_words_of_a_server_that_no_grant_names_are_not_repeated() -> None:
    house = House(grants=(grant(servers=["*"], tools=scope(["*"])),))
    told = [msgspec.structs.replace(one, instructions="Hi") for one in house.offer.snapshot.listings.values()]
    house.offer.snapshot = Snapshot({one.server: one for one in told})

    knowing = await (await modern(house, endpoint=None)).ask("server/discover")
    other = await (await modern(house, endpoint=None, secret="other")).ask("server/discover")

    assert body(knowing)["result"]["instructions"] == "bank: Hi\n\nfiles: Hi"
    assert body(other)["result"]["instructions"] == "bank: Hi"


@pytest.mark.spec("DW-426")
@pytest.mark.parametrize(
    ("era", "method"),
    [(legacy, "resources/read"), (legacy, "resources/subscribe"), (modern, "resources/read")],
)
async def test_a_hidden_resource_differs_from_an_unknown_one_in_the_callers_own_uri_only(era, method) -> None:
    house = House()
    caller = await era(house)

    hidden = await caller.ask(method, {"uri": "doc://vault"})
    unknown = await caller.ask(method, {"uri": "doc://other"})

    assert error(hidden)[:2] == (200, -32602 if caller.modern else -32002)
    assert hidden.body.replace(b"vault", b"other") == unknown.body
    assert hidden.headers == unknown.headers


@pytest.mark.spec("DW-421")
async def test_a_parameter_header_does_not_betray_a_hidden_tool() -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}}
    tools = {"bank": [{"name": name, "inputSchema": schema} for name in ("balance", "close_account")]}
    house = House(tools=tools)
    caller = await modern(house)

    hidden = await caller.ask("tools/call", {"name": "close_account", "arguments": {"to": "x"}})
    unknown = await caller.ask("tools/call", {"name": "open_sesame", "arguments": {"to": "x"}})
    shown = await caller.ask("tools/call", {"name": "balance", "arguments": {"to": "x"}})

    assert same(hidden, unknown)
    assert error(shown) == (400, -32020, "header_mismatch")


@pytest.mark.spec("DW-079")
async def test_a_parameter_header_that_repeats_its_argument_passes() -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}}
    house = House(tools={"bank": [{"name": "balance", "inputSchema": schema}]})
    caller = await modern(house)
    caller.headers = {b"mcp-param-to": b"x"}

    answer = await caller.ask("tools/call", {"name": "balance", "arguments": {"to": "x"}})

    assert "result" in body(answer)


@pytest.mark.spec("DW-287", "DW-424")
async def test_a_denied_but_visible_prompt_answers_with_our_own_code() -> None:
    shown = grant(servers=["bank"], prompts=scope(["greet"]), conditions=[when("lang", "equals", "en")])
    house = House(grants=(shown,))
    caller = await legacy(house)

    answer = await caller.ask("prompts/get", {"name": "greet", "arguments": {"lang": "de"}})

    assert error(answer) == (200, -31001, "argument_not_allowed")
