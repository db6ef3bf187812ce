"""Whatever a record is made of, it fits; and what it leaves out it says."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.audit import records
from doorward.audit.bounds import RECORD_BYTES, bounded_decision, bounded_outcome
from doorward.audit.ids import uuid7
from doorward.model.verdict import ControlRun, RuleRef
from doorward.ports.audit import OUTCOME_BYTES

HUGE = "\x00" * 70_000
LONG = st.text(max_size=3) | st.sampled_from(["x" * 700, "\x01" * 800, "\U0001f600" * 300])
RULES = st.lists(st.builds(RuleRef, LONG, LONG, st.integers(0, 10**6)), max_size=4).map(tuple) | st.just(
    tuple(RuleRef(f"agents.a.grants[{n}]", "doorward.yaml", n) for n in range(900))
)
RUNS = st.lists(st.builds(ControlRun, LONG, LONG, st.integers(0, 2**63)), max_size=4).map(tuple) | st.just(
    tuple(ControlRun(f"control-{n}", "pass", n) for n in range(900))
)
ARGS = st.builds(
    records.Args, st.just("ab" * 32), LONG, st.integers(0, 2**63), st.lists(LONG, max_size=16).map(tuple),
    st.lists(st.sampled_from(["string", "array"]), max_size=16).map(tuple), st.integers(0, 9),
    st.none() | st.dictionaries(LONG, LONG, max_size=16), st.booleans(), st.none() | st.just("cd" * 32),
    st.lists(st.none() | st.integers(0, 2**40), max_size=16).map(tuple),
)  # fmt: skip
MCP = st.builds(records.Mcp, LONG, LONG, LONG, LONG | st.integers(), LONG, LONG, LONG, LONG, LONG, LONG, LONG)
RULING = st.builds(
    records.Ruling, st.sampled_from(["permit", "deny"]), LONG, LONG, LONG, RULES,
    st.none() | st.builds(RuleRef, LONG, LONG, st.just(1)), LONG,
    st.none() | st.builds(records.Softened, LONG, RULES),
)  # fmt: skip


def decision(**members: Any) -> records.Decision:
    usual: dict[str, Any] = {
        "v": records.VERSION, "id": uuid7(), "ts": 1, "tenant": "default", "call_id": uuid7(),
        "actor": records.Actor("anna", "key"), "peer": "192.0.2.0/24",
        "decision": records.Ruling("permit", "r1"),
    }  # fmt: skip
    return records.Decision(**usual | members)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(max_examples=60)
@given(LONG, LONG, MCP, RULING, st.none() | ARGS, RUNS)
def test_a_decision_of_anything_fits(  # noqa: PLR0917
    tenant: str,
    subject: str,
    mcp: records.Mcp,
    ruling: records.Ruling,
    args: records.Args | None,
    controls: tuple[ControlRun, ...],
) -> None:
    made = decision(
        tenant=tenant, actor=records.Actor(subject, "key", subject, subject, subject, (subject,) * 99),
        mcp=mcp, decision=ruling, args=args, controls=controls,
    )  # fmt: skip
    line = bounded_decision(made)
    assert len(line) <= RECORD_BYTES
    assert b"\n" not in line
    read = records.decode(line)
    assert isinstance(read, records.Decision)
    assert (read.id, read.call_id, read.decision.effect) == (made.id, made.call_id, ruling.effect)
    if args is not None:
        assert read.args is not None
        assert read.args.received_hmac == args.received_hmac
    assert bool(read.left_out) is (len(records.encode(made)) > RECORD_BYTES)


def test_what_is_left_out_is_the_least_that_helps() -> None:
    args = records.Args("ab" * 32, "k", 5, ("path",), ("string",), sizes=(3,), safe={"path": HUGE})
    read = records.decode(bounded_decision(decision(args=args)))
    assert isinstance(read, records.Decision)
    assert read.left_out == ("args.safe",)
    assert read.args == msgspec.structs.replace(args, safe=None)

    rules = tuple(RuleRef("r", "f" * 50, n) for n in range(2000))
    ruling = records.Ruling("permit", "r1", softened=records.Softened("no_grant", rules))
    read = records.decode(bounded_decision(decision(args=args, decision=ruling)))
    assert isinstance(read, records.Decision)
    assert read.left_out == ("args.safe", "args.names", "decision.rules")
    assert read.args is not None
    assert (read.args.names, read.args.more_names) == ((), 1)
    assert read.decision.softened == records.Softened("no_grant")


@given(
    LONG,
    LONG,
    LONG,
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    st.sampled_from(["ab" * 32]) | st.none(),
    RUNS,
)
def test_an_outcome_of_anything_fits_in_its_room(  # noqa: PLR0917
    tenant: str, gateway: str, key: str, code: int | None, hmac: str | None, controls: tuple[ControlRun, ...]
) -> None:
    made = records.Outcome(
        v=records.VERSION, id=uuid7(), ts=2**63 - 1, tenant=tenant, gateway=gateway, call_id=uuid7(),
        result=records.Result("invalid_arguments", 2**63 - 1, hmac, key, code, "upstream_connection_lost"),
        latency_ms=records.Latency(1e308, 1e308, 1e308), controls=controls,
    )  # fmt: skip
    line = bounded_outcome(made)
    assert len(line) + 1 <= OUTCOME_BYTES
    read = records.decode(line)
    assert isinstance(read, records.Outcome)
    assert (read.call_id, read.result.hmac, read.result.error_code) == (made.call_id, hmac, code)
    assert len(read.controls) + read.more_controls == len(controls)


@pytest.mark.parametrize("count", [1, 20, 60, 3000])
def test_controls_that_do_not_fit_are_counted(count: int) -> None:
    controls = tuple(ControlRun(f"control-{n}", "pass", 10**6) for n in range(count))
    made = records.Outcome(
        v=records.VERSION, id=uuid7(), ts=1, tenant="t", call_id=uuid7(), result=records.Result("ok"),
        latency_ms=records.Latency(1.0, 1.0, 0.0), controls=controls,
    )  # fmt: skip
    said = json.loads(bounded_outcome(made))
    assert len(said.get("controls", ())) + said.get("more_controls", 0) == count
    assert ("more_controls" in said) is (count > 20)
