"""A call comes in; what is recorded, what is sent, what goes out."""

import asyncio

import pytest

from doorward.model.call import Outcome, Reply, RpcError
from doorward.model.errors import UpstreamError
from doorward.model.reasons import REASONS, Blame, Reason
from doorward.model.verdict import Mode, Permit
from doorward.pipeline.rescue import DENIAL_META
from tests.playbook.house import ERAS, LIMIT, House, body, error, legacy, modern

pytestmark = pytest.mark.asyncio
GOOD = {"name": "transfer", "arguments": {"amount": 100, "to": "bob"}}
TOO_MUCH = {"name": "transfer", "arguments": {"amount": 101, "to": "bob"}}


@pytest.mark.parametrize("era", ERAS)
async def test_a_permitted_call_is_recorded_sent_recorded_and_answered(era) -> None:
    house = House()
    caller = await era(house)

    answer = await caller.ask("tools/call", GOOD, id="a")

    assert answer.status == 200
    assert body(answer) == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": {"content": [{"type": "text", "text": "done"}]},
    }
    assert house.happened == ["decision", "sent", "outcome"]
    decision, outcome = house.log.records
    assert decision["decision"]["effect"] == "permit"
    assert decision["mcp"]["name"] == "transfer"
    assert decision["mcp"]["request_id"] == "a"
    assert decision["op_class"] == "write"
    assert decision["args"]["safe"] == {"to": "bob"}
    assert outcome["call_id"] == decision["call_id"]
    assert outcome["result"]["outcome"] == "ok"
    assert [run["id"] for run in decision["controls"]] == ["identity", "protocol", "route", "policy"]
    assert len(house.calls) == 0


@pytest.mark.spec("DW-420")
@pytest.mark.parametrize("era", ERAS)
async def test_a_denied_argument_is_a_tool_error_that_says_what_to_do(era) -> None:
    house = House()
    caller = await era(house)

    answer = await caller.ask("tools/call", TOO_MUCH)

    result = body(answer)["result"]
    assert answer.status == 200
    assert result["isError"] is True
    assert result.get("resultType") == ("complete" if caller.modern else None)
    denial = result["_meta"][DENIAL_META]
    assert denial["reason"] == "argument_not_allowed"
    assert denial["retryable"] is False
    assert denial["advice"] == REASONS[Reason.ARGUMENT_NOT_ALLOWED].advice
    assert denial["decision_id"] == house.log.records[0]["id"]
    assert denial["decision_id"] in result["content"][0]["text"]
    assert house.happened == ["decision"]
    decision = house.log.records[0]["decision"]
    assert decision["effect"] == "deny"
    assert decision["argument"] == "amount"
    assert decision["rules"][0]["line"] == LIMIT.at.line


@pytest.mark.spec("DW-420")
@pytest.mark.parametrize("see_rules", [False, True])
async def test_rules_are_named_only_to_those_who_may_see_them(see_rules: bool) -> None:
    house = House(see_rules=see_rules)
    caller = await legacy(house)

    answer = await caller.ask("tools/call", TOO_MUCH)

    where = str(LIMIT.at)
    denial = body(answer)["result"]["_meta"][DENIAL_META]
    assert (where in answer.body.decode()) is see_rules
    assert denial.get("rules") == ([{"id": LIMIT.at.id, "at": where}] if see_rules else None)


async def test_mode_audit_lets_it_pass_and_says_what_would_have_been() -> None:
    house = House(mode=Mode.AUDIT)
    caller = await legacy(house)

    for params in (TOO_MUCH, {"name": "close_account", "arguments": {}}):
        answer = await caller.ask("tools/call", params)
        assert "result" in body(answer)

    softened = [record["decision"]["softened"]["reason"] for record in house.log.kind("decision")]
    assert softened == ["argument_not_allowed", "no_grant"]
    assert all(record["decision"]["effect"] == "permit" for record in house.log.kind("decision"))
    assert [run["verdict"] for run in house.log.records[0]["controls"] if run["id"] == "policy"] == [
        "would_deny"
    ]
    assert len(house.servers.sent) == 2


async def test_mode_audit_does_not_soften_what_is_unknown() -> None:
    house = House(mode=Mode.AUDIT)
    caller = await legacy(house)

    answer = await caller.ask("tools/call", {"name": "nothing_of_the_kind"})

    assert error(answer) == (200, -32602, None)
    assert house.happened == ["decision"]


@pytest.mark.spec("DW-020", "DW-284")
@pytest.mark.parametrize("reason", [reason for reason in Reason if REASONS[reason].blame is Blame.UPSTREAM])
async def test_an_upstream_failure_names_the_server_with_the_callers_id(reason: Reason) -> None:
    house = House()
    caller = await legacy(house)

    async def fail(permit: Permit) -> Reply:
        raise UpstreamError(reason, "bank", "server bank did not manage")

    house.servers.script = fail
    answer = await caller.ask("tools/call", GOOD, id="x-7")

    said = body(answer)
    assert said["id"] == "x-7"
    assert error(answer) == (200, -32603, reason.value)
    assert said["error"]["data"]["server"] == "bank"
    assert said["error"]["data"]["retryable"] is REASONS[reason].retryable
    assert house.happened == ["decision", "sent", "outcome"]
    assert house.log.records[1]["result"]["reason"] == reason.value


@pytest.mark.spec("DW-280")
async def test_an_upstreams_own_error_passes_as_it_is() -> None:
    house = House()
    caller = await legacy(house)

    async def no(permit: Permit) -> Reply:
        return Reply(None, RpcError(-32602, "no such account", {"x": 1}), Outcome.INVALID_ARGUMENTS)

    house.servers.script = no
    answer = await caller.ask("tools/call", GOOD)

    assert body(answer)["error"] == {"code": -32602, "message": "no such account", "data": {"x": 1}}
    assert house.log.records[1]["result"] == {"outcome": "invalid_arguments", "error_code": -32602}


async def test_a_bug_tells_the_caller_an_id_and_the_operator_the_traceback() -> None:
    house = House()
    caller = await legacy(house)
    reported: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

    async def bug(permit: Permit) -> Reply:
        raise RuntimeError("password=hunter2")

    house.servers.script = bug
    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "internal_error")
    assert b"hunter2" not in answer.body
    assert body(answer)["error"]["data"]["decision_id"] == house.log.records[0]["id"]
    assert house.happened == ["decision", "sent", "outcome"]
    assert house.log.records[1]["result"] == {
        "outcome": "failed",
        "error_code": -32603,
        "reason": "internal_error",
    }
    assert [str(one) for one in reported] == ["password=hunter2"]


@pytest.mark.spec("DW-350", "DW-830")
async def test_prompts_resources_and_completion_take_the_same_path() -> None:
    house = House()
    caller = await modern(house)

    for method, params in [
        ("prompts/get", {"name": "greet"}),
        ("resources/read", {"uri": "doc://rates"}),
        ("resources/read", {"uri": "acct://12"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {}}),
    ]:
        assert "result" in body(await caller.ask(method, params))

    assert house.happened == ["decision", "sent", "outcome"] * 4
    targets = [
        (permit.target.server, permit.target.kind.value, permit.target.name) for permit in house.servers.sent
    ]
    assert targets == [
        ("bank", "prompt", "greet"),
        ("bank", "resource", "doc://rates"),
        ("bank", "resource", "acct://12"),
        ("bank", "prompt", "greet"),
    ]


@pytest.mark.spec("DW-223")
async def test_subscribing_is_decided_like_reading() -> None:
    house = House()
    caller = await legacy(house)

    assert "result" in body(await caller.ask("resources/subscribe", {"uri": "doc://rates"}))
    assert error(await caller.ask("resources/subscribe", {"uri": "doc://vault"}))[:2] == (200, -32002)

    assert len(house.servers.sent) == 1


@pytest.mark.spec("DW-134")
async def test_the_aggregate_finds_a_tool_by_its_exposed_name_and_sends_its_own() -> None:
    house = House()
    caller = await modern(house, endpoint=None)

    answer = await caller.ask("tools/call", {"name": "bank__balance"})

    assert "result" in body(answer)
    assert house.servers.sent[0].target.name == "balance"
    assert error(await caller.ask("tools/call", {"name": "balance"}))[:2] == (200, -32602)


@pytest.mark.parametrize("era", ERAS)
async def test_no_more_is_kept_of_calls_that_come_again_than_there_are_sessions(era) -> None:
    house = House()
    caller = await era(house)
    usual = dict(caller.headers)
    for n in range(20):
        odd = {b"mcp-name": b"odd-%d" % n} if not caller.modern else {b"mcp-session-id": b"odd-%d" % n}
        for headers in (usual, usual | odd):
            caller.headers = headers
            answer = await caller.ask(
                "tools/call", {"name": "balance", "arguments": {"n": n}}, id=f"call-{n}"
            )
            assert body(answer)["id"] == f"call-{n}"
            assert "result" in body(answer)

    shapes = [shape for known in house.gateway.reader._shapes._known.values() for shape in known]
    assert [len(shape.series) for shape in shapes] == [1]
    assert [one["mcp"]["request_id"] for one in house.log.kind("decision")][-1] == "call-19"
