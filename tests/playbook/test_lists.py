"""Lists are decided by the function that decides calls, for the principal that asks."""

import pytest

from doorward.model.verdict import Mode
from doorward.pipeline.lists import UNAVAILABLE_META
from tests.playbook.house import ERAS, House, body, error, legacy, modern
from tests.unit.policy.build import grant, scope

pytestmark = pytest.mark.asyncio
EVERYWHERE = (grant(servers=["*"], tools=scope(["*"])),)


def names(answer, member: str = "tools", key: str = "name") -> list[str]:
    return [one[key] for one in body(answer)["result"][member]]


@pytest.mark.spec("DW-185")
@pytest.mark.parametrize("era", ERAS)
async def test_each_list_shows_what_some_call_could_be_permitted(era) -> None:
    house = House()
    caller = await era(house)

    assert names(await caller.ask("tools/list")) == ["balance", "transfer"]
    assert names(await caller.ask("prompts/list"), "prompts") == ["greet"]
    assert names(await caller.ask("resources/list"), "resources", "uri") == ["doc://rates"]
    templates = await caller.ask("resources/templates/list")
    assert names(templates, "resourceTemplates", "uriTemplate") == ["acct://{id}"]
    assert house.happened == ["decision", "outcome"] * 4
    assert house.servers.sent == []


@pytest.mark.spec("DW-185", "DW-272")
async def test_another_principal_sees_another_list() -> None:
    caller = await modern(House(), secret="other")

    assert names(await caller.ask("tools/list")) == ["balance"]


@pytest.mark.spec("DW-185")
async def test_what_is_shown_is_callable_and_what_is_not_shown_is_not() -> None:
    house = House()
    caller = await modern(house)
    shown = set(names(await caller.ask("tools/list")))

    for tool in ("balance", "transfer", "close_account"):
        answer = await caller.ask("tools/call", {"name": tool, "arguments": {"amount": 1}})
        assert ("result" in body(answer)) is (tool in shown)


@pytest.mark.spec("DW-185")
async def test_mode_audit_shows_everything() -> None:
    caller = await legacy(House(mode=Mode.AUDIT))

    assert names(await caller.ask("tools/list")) == ["balance", "transfer", "close_account"]


@pytest.mark.spec("DW-320")
async def test_the_aggregate_prefixes_names() -> None:
    caller = await modern(House(grants=EVERYWHERE), endpoint=None)

    shown = names(await caller.ask("tools/list"))

    assert shown == ["bank__balance", "bank__transfer", "bank__close_account", "files__read"]


@pytest.mark.spec("DW-186", "DW-271")
async def test_a_modern_list_says_that_it_is_for_this_caller_only() -> None:
    caller = await modern(House())

    result = body(await caller.ask("tools/list"))["result"]

    assert (result["resultType"], result["cacheScope"], result["ttlMs"]) == ("complete", "private", 0)


@pytest.mark.spec("DW-185")
async def test_a_list_that_is_empty_for_this_caller_is_recorded_as_empty() -> None:
    house = House(grants=(grant(servers=["bank"]),))
    caller = await legacy(house)

    assert names(await caller.ask("tools/list")) == []
    assert house.log.records[1]["result"]["outcome"] == "empty"


@pytest.mark.spec("DW-188")
async def test_a_tool_that_a_legacy_client_cannot_read_is_left_out_of_its_list() -> None:
    tools = {"bank": [{"name": "balance", "inputSchema": {"type": "array"}}]}
    house = House(tools=tools)

    old, new = await legacy(house), await modern(house)

    assert names(await old.ask("tools/list")) == []
    assert house.log.records[1]["result"]["outcome"] == "empty"
    assert names(await new.ask("tools/list")) == ["balance"]


@pytest.mark.spec("DW-187", "DW-286")
async def test_the_list_of_a_dead_server_is_an_error_that_names_it() -> None:
    house = House(tools={})
    house.offer.failing = ("bank",)
    caller = await legacy(house)

    answer = await caller.ask("tools/list", id="q")

    assert error(answer) == (200, -32603, "upstream_unreachable")
    assert body(answer)["id"] == "q"
    assert body(answer)["error"]["data"]["server"] == "bank"


@pytest.mark.spec("DW-187", "DW-828")
@pytest.mark.parametrize("era", ERAS)
async def test_the_aggregate_is_partial_and_says_who_is_missing(era) -> None:
    house = House(grants=EVERYWHERE, tools={"files": [{"name": "read", "inputSchema": {"type": "object"}}]})
    house.offer.failing = ("bank",)
    caller = await era(house, endpoint=None)

    result = body(await caller.ask("tools/list"))["result"]

    assert [tool["name"] for tool in result["tools"]] == ["files__read"]
    assert result["_meta"] == {UNAVAILABLE_META: ["bank"]}


@pytest.mark.spec("DW-187")
async def test_a_dead_server_that_no_grant_names_is_not_mentioned() -> None:
    house = House()
    house.offer.failing = ("files", "bank")
    caller = await legacy(house, endpoint=None)

    result = body(await caller.ask("tools/list"))["result"]

    assert result["_meta"] == {UNAVAILABLE_META: ["bank"]}


@pytest.mark.spec("DW-049")
async def test_initialize_opens_a_session_and_says_what_one_server_is() -> None:
    house = House()
    params = {"protocolVersion": "2026-07-28", "capabilities": {"x": {}}, "clientInfo": {"name": "c"}}

    answer = await house.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})

    result = body(answer)["result"]
    assert result["protocolVersion"] == "2025-11-25"
    assert result["serverInfo"]["name"] == "bank"
    assert result["capabilities"] == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
    }
    assert len(house.sessions) == 1
    assert dict(answer.headers)[b"mcp-session-id"]


@pytest.mark.spec("DW-050")
async def test_discover_says_the_same_without_a_session() -> None:
    house = House()
    caller = await modern(house, endpoint=None)

    answer = await caller.ask("server/discover")

    result = body(answer)["result"]
    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["capabilities"] == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
    }
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "doorward"
    assert len(house.sessions) == 0
