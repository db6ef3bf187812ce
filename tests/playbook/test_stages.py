"""What a stage says, and what it means when it says nothing."""

import asyncio
from typing import Any

import pytest

from doorward.model.call import Call, Outcome, Reply
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Deny, Facts, Finding, Hold, Mode, Permit
from doorward.pipeline.order import AFTER, BEFORE, AfterSlot, BeforeSlot, OnError
from doorward.pipeline.rescue import DENIAL_META
from doorward.ports.stage import Change, Pass, Replace
from tests.playbook.house import House, body, changed, error, modern

pytestmark = pytest.mark.asyncio
GOOD = {"name": "transfer", "arguments": {"amount": 50, "to": "bob"}}


class Before:
    """Says what it was made to say; remembers what it was shown."""

    def __init__(self, name: str, said: Any) -> None:
        self.id = name
        self.said = said
        self.seen: list[tuple[Call, Facts]] = []

    async def check(self, call: Call, principal: Principal, target: Target, facts: Facts) -> Any:
        self.seen.append((call, facts))
        said = self.said(call) if callable(self.said) else self.said
        if isinstance(said, Exception):
            raise said
        return said


class After(Before):
    async def check(self, permit: Permit, reply: Reply) -> Any:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def slot(stage: Before, on_error: OnError = OnError.DENY) -> BeforeSlot:
    return BeforeSlot(stage, "a test", on_error)


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {run["id"]: run["verdict"] for run in record["controls"]}


def denial(answer) -> dict[str, Any]:
    return body(answer)["result"]["_meta"][DENIAL_META]


async def test_a_pass_lets_it_through_and_hands_its_findings_on() -> None:
    finding = Finding("first", "card", "$.to")
    first, second = Before("first", Pass((finding,))), Before("second", Pass())
    house = House(before=(slot(first), slot(second)))
    caller = await modern(house)

    assert "result" in body(await caller.ask("tools/call", GOOD))

    assert second.seen[0][1] == Facts((finding,))
    assert verdicts(house.log.records[0]) | {"first": "pass", "second": "pass"} == verdicts(
        house.log.records[0]
    )


async def test_a_stage_may_use_a_timeout_wherever_it_stands() -> None:
    class Hasty(Before):
        async def check(self, *of: Any) -> Any:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(3600)
            except TimeoutError:
                self.seen.append(of)
            return Pass()

    first, last = Hasty("first", None), Hasty("last", None)
    house = House(before=(slot(first),), after=(AfterSlot(last, "a test"),))
    caller = await modern(house)

    assert "result" in body(await caller.ask("tools/call", GOOD))
    assert len(first.seen) == len(last.seen) == 1


async def test_a_change_is_what_is_recorded_and_sent() -> None:
    mask = Before("mask", lambda call: Change(changed(call, to="***")))
    house = House(before=(slot(mask),))
    caller = await modern(house)

    assert "result" in body(await caller.ask("tools/call", GOOD))

    assert house.servers.sent[0].call.arguments == {"amount": 50, "to": "***"}
    assert house.log.records[0]["args"]["safe"] == {"to": "***"}
    assert verdicts(house.log.records[0])["mask"] == "change"


async def test_a_change_is_decided_again_on_what_will_be_sent() -> None:
    raising = Before("raise", lambda call: Change(changed(call, amount=500)))
    house = House(before=(slot(raising),))
    caller = await modern(house)

    answer = await caller.ask("tools/call", GOOD)

    assert denial(answer)["reason"] == "argument_not_allowed"
    assert house.servers.sent == []
    assert house.happened == ["decision"]


async def test_a_denial_ends_the_phase() -> None:
    no = Before("no", Deny(Reason.DENIED_BY_RULE, "not today", visible=True))
    never = Before("never", Pass())
    house = House(before=(slot(no), slot(never)))
    caller = await modern(house)

    answer = await caller.ask("tools/call", GOOD)

    assert denial(answer)["reason"] == "denied_by_rule"
    assert never.seen == []
    assert house.log.records[0]["decision"]["effect"] == "deny"
    assert verdicts(house.log.records[0])["no"] == "deny"


@pytest.mark.parametrize(
    ("on_error", "effect", "word"), [(OnError.DENY, "deny", "Denied"), (OnError.HOLD, "hold", "Held")]
)
async def test_a_stage_that_raises_means_what_its_row_declares(on_error, effect, word) -> None:
    broken = Before("broken", RuntimeError("secret of the stage"))
    house = House(before=(slot(broken, on_error),), mode=Mode.AUDIT)
    caller = await modern(house)

    answer = await caller.ask("tools/call", GOOD)

    assert denial(answer)["reason"] == "check_failed"
    assert body(answer)["result"]["content"][0]["text"].startswith(word)
    assert b"secret of the stage" not in answer.body
    assert house.servers.sent == []
    assert house.log.records[0]["decision"]["effect"] == effect
    assert verdicts(house.log.records[0])["broken"] == "failed"


async def test_a_hold_is_answered_like_a_denial_with_its_own_code() -> None:
    hold = Before("hold", Hold(Reason.DENIED_BY_RULE, "somebody has to look"))
    house = House(before=(slot(hold),))
    caller = await modern(house)

    tool = await caller.ask("tools/call", GOOD)
    prompt = await caller.ask("prompts/get", {"name": "greet"})

    assert body(tool)["result"]["isError"] is True
    assert error(prompt) == (200, -31002, "denied_by_rule")
    assert [record["decision"]["effect"] for record in house.log.records] == ["hold", "hold"]


async def test_a_denied_call_asks_no_stage() -> None:
    stage = Before("stage", Pass())
    house = House(before=(slot(stage),))
    caller = await modern(house)

    await caller.ask("tools/call", {"name": "close_account"})

    assert stage.seen == []


@pytest.mark.spec("DW-823")
async def test_a_replaced_reply_is_what_is_delivered_and_digested() -> None:
    other = Reply(b'{"content":[]}', None, Outcome.OK)
    house = House(after=(AfterSlot(After("redact", Replace(other)), "a test"),))
    caller = await modern(house)

    answer = await caller.ask("tools/call", GOOD)

    assert body(answer)["result"] == {"content": []}
    outcome = house.log.records[1]
    assert outcome["result"]["bytes"] == len(b'{"content":[]}')
    assert verdicts(outcome) == {"redact": "replace"}


@pytest.mark.spec("DW-823")
@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (Deny(Reason.DENIED_BY_RULE, "the reply holds a card number"), "deny"),
        (RuntimeError("boom"), "failed"),
    ],
)
async def test_a_reply_that_a_stage_objects_to_is_withheld(said, verdict) -> None:
    house = House(after=(AfterSlot(After("inspect", said), "a test"),))
    caller = await modern(house)

    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "reply_withheld")
    assert b"done" not in answer.body
    outcome = house.log.records[1]
    assert (outcome["result"]["outcome"], outcome["result"]["reason"]) == ("denied", "reply_withheld")
    assert verdicts(outcome) == {"inspect": verdict}


async def test_a_reply_that_passes_is_delivered() -> None:
    house = House(after=(AfterSlot(After("inspect", Pass()), "a test"),))
    caller = await modern(house)

    assert "result" in body(await caller.ask("tools/call", GOOD))


async def test_every_row_of_the_tables_says_why_it_stands_there() -> None:
    assert all(row.why_here for row in (*BEFORE, *AFTER))


async def test_a_stage_that_is_off_does_not_run_and_every_record_says_so() -> None:
    on, off = Before("on", Pass()), Before("off", Deny(Reason.CHECK_FAILED, "never said"))
    after = After("after", Deny(Reason.CHECK_FAILED, "never said"))
    house = House(
        before=(slot(on), slot(off)._replace(on=False)), after=(AfterSlot(after, "a test", on=False),)
    )
    caller = await modern(house)

    for _ in range(3):  # the first of its kind, and those from templates
        assert "result" in body(await caller.ask("tools/call", GOOD))
    await caller.ask("tools/call", {"name": "close_account", "arguments": {}})

    assert (len(on.seen), off.seen) == (3, [])
    never = [{"id": "off", "why": "off"}, {"id": "after", "why": "off"}]
    decisions = house.log.kind("decision")
    assert [record["skipped"] for record in decisions[:3]] == [never] * 3
    assert decisions[3]["skipped"] == [*never, {"id": "on", "why": "not_reached"}]
    assert "off" not in verdicts(decisions[0])


async def test_a_call_that_ends_early_says_where_and_what_it_did_not_reach() -> None:
    house = House(before=(slot(Before("last", Pass())),))
    caller = await modern(house)

    await caller.ask("tools/call", {"name": "nothing", "arguments": {}})

    (record,) = house.log.kind("decision")
    assert verdicts(record) == {"identity": "pass", "protocol": "pass", "route": "ended"}
    assert record["skipped"] == [{"id": name, "why": "not_reached"} for name in ("policy", "last")]


async def test_arguments_that_a_stage_changes_have_two_digests() -> None:
    house = House(before=(slot(Before("mask", lambda call: Change(changed(call, to="x")))),))
    plain = House()
    for each in (house, plain):
        caller = await modern(each)
        assert "result" in body(await caller.ask("tools/call", GOOD))

    masked, untouched = (each.log.kind("decision")[0]["args"] for each in (house, plain))
    assert masked["received_hmac"] == untouched["received_hmac"]
    assert masked["sent_hmac"] != masked["received_hmac"]
    assert "sent_hmac" not in untouched
    assert masked["sizes"][masked["names"].index("to")] == 1
