"""What is no call has its records, too; what repeats is counted, and every count reaches the log."""

import json
from typing import Any

import pytest

from doorward.audit import records
from doorward.audit.denials import SINGLY
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.audit.strictness import Strictness
from doorward.model.call import Credential, Inbound
from doorward.model.errors import GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Deny, Hold, Mode, Permit
from doorward.pipeline.shares import Shares
from tests.support.calls import tool_call

pytestmark = pytest.mark.asyncio
NOW = 1_790_000_000.5
ANNA = Principal("default", "anna", "bot", "key", "AAAAAAAAAAAA")
OTTO = Principal("default", "otto", "bot", "key", "BBBBBBBBBBBB")
TARGET = Target("bank", Kind.TOOL, "close", OperationClass.WRITE)
NO = Deny(Reason.DENIED_BY_RULE, "no")
CALL = tool_call("close", {"account": "swordfish"})


class Log:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken = False

    async def append(self, record: bytes, *_: Any) -> None:
        if self.broken:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full")
        self.records.append(json.loads(record))

    def kind(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


class Ring:
    def current(self, purpose: str) -> tuple[int, bytes]:
        return 1, b"k" * 32

    def version(self, purpose: str, number: int) -> bytes:
        raise NotImplementedError


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def recorder(log: Log) -> Recorder:
    return Recorder(
        log,
        Ring(),
        gateway="gw-1",
        revision="rev",
        modes={"bank": Mode.ENFORCE},
        large=LargeRecords(Shares()),
        clock=lambda: NOW,
    )


async def decide(
    recorder: Recorder,
    times: int,
    verdict: Permit | Deny | Hold | Reason = NO,
    principal: Principal = ANNA,
    target: Target = TARGET,
) -> str:
    """The id of the last one."""
    call_id = ""
    for _ in range(times):
        call_id = uuid7()
        inbound = Inbound("http", "bank", Credential("s", "203.0.113.9", False, False), {}, b"", None)
        await recorder.decision(call_id, principal, verdict, inbound=inbound, call=CALL, target=target)
    return call_id


async def test_denials_that_are_alike_become_one_count(recorder: Recorder, log: Log) -> None:
    last = await decide(recorder, SINGLY + 150)
    assert len(log.kind("decision")) == SINGLY
    await recorder.roll_up()
    [counted] = log.kind("denials")
    counted.pop("id")
    assert counted == {
        "kind": "denials",
        "v": records.VERSION,
        "ts": int(NOW * 1000),
        "tenant": "default",
        "gateway": "gw-1",
        "actor": {"subject": "anna", "method": "key", "agent": "bot", "key_id": "AAAAAAAAAAAA"},
        "effect": "deny",
        "reason": "denied_by_rule",
        "count": 150,
        "since": int(NOW * 1000),
        "last": last,
        "peer": "203.0.113.0/24",
        "method": "tools/call",
        "server": "bank",
        "name": "close",
    }
    await recorder.roll_up()
    assert len(log.kind("denials")) == 1


async def test_nobody_is_counted_with_somebody_else(recorder: Recorder, log: Log) -> None:
    other = Target("bank", Kind.TOOL, "open", OperationClass.WRITE)
    for principal in (ANNA, OTTO):
        for target in (TARGET, other):
            for verdict in (NO, Deny(Reason.NO_GRANT, "no"), Reason.INVALID_PARAMS):
                await decide(recorder, SINGLY + 1, verdict, principal, target)
    await recorder.roll_up()
    assert [each["count"] for each in log.kind("denials")] == [1] * 12
    said = {
        (each["actor"]["subject"], each["name"], each["effect"], each["reason"])
        for each in log.kind("denials")
    }
    assert len(said) == 12


async def test_what_is_held_or_permitted_is_never_only_counted(recorder: Recorder, log: Log) -> None:
    await decide(recorder, SINGLY + 50, Hold(Reason.CHECK_FAILED, "wait"))
    await decide(recorder, SINGLY + 50, Permit(CALL, ANNA, TARGET, "id", ()))
    assert len(log.records) == 2 * (SINGLY + 50)


async def test_counts_outlive_a_reload_and_a_log_that_fails(recorder: Recorder, log: Log) -> None:
    await decide(recorder, SINGLY + 5)
    after = recorder.under("rev-2", {}, Strictness())
    await decide(after, 7)
    log.broken = True
    with pytest.raises(GatewayError):
        await after.roll_up()
    log.broken = False
    await recorder.roll_up()
    assert [each["count"] for each in log.kind("denials")] == [12]


async def test_a_denial_that_is_written_still_fails_with_the_log(recorder: Recorder, log: Log) -> None:
    log.broken = True
    with pytest.raises(GatewayError):
        await decide(recorder, 1)


async def test_changes_are_written_in_order_with_who_and_what(recorder: Recorder, log: Log) -> None:
    who = records.Actor("operator", "file")
    await recorder.changed(
        who,
        [
            records.Changed("config:replace", "config", {"digest": "a"}, {"digest": "b"}),
            records.Changed("mode:set", "server:bank", None, {"mode": "audit"}),
        ],
    )
    first, second = log.kind("change")
    assert (first["action"], first["before"], first["after"]) == (
        "config:replace",
        {"digest": "a"},
        {"digest": "b"},
    )
    assert first["actor"] == {"subject": "operator", "method": "file"}
    assert "before" not in second
    assert second["after"] == {"mode": "audit"}


async def test_a_heartbeat_says_how_much_there_is(recorder: Recorder, log: Log) -> None:
    await recorder.heartbeat(written=3, size=9, checkpoint=7)
    [beat] = log.kind("heartbeat")
    assert (beat["records"], beat["size"], beat["checkpoint"]) == (3, 9, 7)
