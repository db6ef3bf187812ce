"""A key that has a rate: what its calls hear, and what stands in the log."""

from typing import Any

import pytest

from doorward.backends.memory.rates import MemoryRates
from doorward.model.bounds import Rate
from doorward.model.verdict import Mode
from doorward.pipeline.order import before
from doorward.pipeline.rescue import DENIAL_META, DENIED
from doorward.stages.rate import RateStage
from tests.contract.rates import Clock
from tests.playbook.house import ERAS, House, body, modern

pytestmark = pytest.mark.asyncio
GOOD = {"name": "transfer", "arguments": {"amount": 50, "to": "bob"}}
BAD = {"name": "transfer", "arguments": {"amount": 5000, "to": "bob"}}


class Limited(House):
    """The agent ci-bot may call twice a minute."""

    def __init__(self, **how: Any) -> None:
        self.clock = Clock()
        stage = RateStage(MemoryRates(self.clock), {"ci-bot": Rate(2, 60.0)})
        super().__init__(before=before(stage), **how)


def denial(answer: Any) -> dict[str, Any]:
    return body(answer)["result"]["_meta"][DENIAL_META]


def controls(record: dict[str, Any]) -> dict[str, str]:
    return {run["id"]: run["verdict"] for run in record["controls"]}


@pytest.mark.parametrize("era", ERAS)
async def test_the_third_call_is_refused_and_told_when_to_come_again(era: Any) -> None:
    house = Limited()
    caller = await era(house)
    for _ in range(2):
        assert "result" in body(await caller.ask("tools/call", GOOD))

    answer = await caller.ask("tools/call", GOOD)

    assert answer.status == 200
    said = denial(answer)
    assert (said["reason"], said["retryable"], said["retry_after_s"]) == ("rate_limited", True, 30)
    result = body(answer)["result"]
    assert result["isError"] is True
    assert "agent ci-bot is limited to 2/min; try again in 30 s" in result["content"][0]["text"]
    assert len(house.servers.sent) == 2
    record = house.log.kind("decision")[-1]
    assert (record["decision"]["effect"], record["decision"]["reason"]) == ("deny", "rate_limited")
    assert controls(record) == {
        "identity": "pass", "protocol": "pass", "route": "pass", "policy": "pass", "rate": "deny",
    }  # fmt: skip
    house.clock.pass_s(30)
    assert "_meta" not in body(await caller.ask("tools/call", GOOD))["result"]


async def test_other_requests_to_a_server_are_counted_and_say_so_as_errors() -> None:
    house = Limited()
    caller = await modern(house)
    await caller.ask("prompts/get", {"name": "greet"})
    await caller.ask("resources/read", {"uri": "doc://rates"})

    answer = await caller.ask("resources/read", {"uri": "doc://rates"})

    error = body(answer)["error"]
    assert (answer.status, error["code"]) == (200, DENIED)
    assert (error["data"]["reason"], error["data"]["retry_after_s"]) == ("rate_limited", 30)


async def test_lists_and_refused_calls_use_up_nothing() -> None:
    house = Limited()
    caller = await modern(house)
    for _ in range(5):
        await caller.ask("tools/list")
        assert denial(await caller.ask("tools/call", BAD))["reason"] == "argument_not_allowed"
        assert "error" in body(await caller.ask("tools/call", {"name": "nothing", "arguments": {}}))

    for _ in range(2):
        assert "_meta" not in body(await caller.ask("tools/call", GOOD))["result"]


async def test_mode_audit_does_not_soften_it() -> None:
    house = Limited(mode=Mode.AUDIT)
    caller = await modern(house)
    for _ in range(2):
        assert "_meta" not in body(await caller.ask("tools/call", BAD))["result"]

    assert denial(await caller.ask("tools/call", BAD))["reason"] == "rate_limited"


async def test_who_has_no_rate_meets_no_stage_and_no_record_says_otherwise() -> None:
    house = Limited()
    caller = await modern(house, secret="other")
    for _ in range(9):
        assert "result" in body(await caller.ask("tools/call", {"name": "balance", "arguments": {}}))
    await caller.ask("tools/call", GOOD)

    for record in house.log.kind("decision"):
        assert "rate" not in controls(record)
        assert "skipped" not in record


async def test_a_hidden_tool_stays_hidden_when_the_rate_is_used_up() -> None:
    house = Limited()
    caller = await modern(house)
    for _ in range(2):
        await caller.ask("tools/call", GOOD)

    hidden = await caller.ask("tools/call", {"name": "close_account", "arguments": {}})
    unknown = await caller.ask("tools/call", {"name": "no_such_tool", "arguments": {}})

    assert hidden.body == unknown.body
    shown = body(await caller.ask("tools/list"))["result"]["tools"]
    assert [tool["name"] for tool in shown] == ["balance", "transfer"]


async def test_denials_that_repeat_are_counted() -> None:
    house = Limited()
    caller = await modern(house)
    for _ in range(2 + 250):
        await caller.ask("tools/call", GOOD)
    await house.recorder.roll_up()

    decisions = [record["decision"] for record in house.log.kind("decision")]
    denied = [each for each in decisions if each["effect"] == "deny"]
    counted = house.log.kind("denials")
    assert len(denied) <= 200, "a hundred in each minute"
    assert len(denied) + sum(record["count"] for record in counted) == 250
    assert {each["reason"] for each in (*denied, *counted)} == {"rate_limited"}
