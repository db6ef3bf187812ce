"""Whatever a call is made of, its two lines are what the record vocabulary would have written."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import lines, records
from doorward.audit.build import actor_of, args_of, mcp_of, result_of, ruling_of
from doorward.audit.digests import DigestKey
from doorward.audit.ids import uuid7
from doorward.audit.lines import CallLines
from doorward.model.call import Call, Credential, Era, Inbound, Outcome
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import ControlRun, Deny, Mode, Permit, RuleRef

KEY = DigestKey('digest:a"b:2026q3:1', b"k" * 32)
MODES = {"files": Mode.AUDIT}
TEXT = st.text(max_size=300)
# What an attacker would call himself who knows how lines are cut.
NAME = TEXT | st.sampled_from(['"id":"\x00', "\x00", '"ts":0', '"call_id":"\x00"', '"request_id":0', "}"])
RULES = st.lists(st.builds(RuleRef, NAME, NAME, st.integers(0, 9999)), max_size=3).map(tuple)
CONTROLS = st.lists(st.builds(ControlRun, NAME, st.just("pass"), st.integers(0, 10**6)), max_size=5)
PRINCIPALS = st.builds(Principal, NAME, NAME, NAME, st.just("key"), st.none() | NAME)
DEFINITIONS = st.builds(
    Definition, st.just("files"), st.just(Kind.TOOL), NAME, st.just({}), NAME,
    st.sampled_from(OperationClass), st.lists(st.sampled_from(["path", "a"]), max_size=2).map(tuple),
)  # fmt: skip
TARGETS = st.builds(
    Target, st.sampled_from(["files", "other", ""]), st.sampled_from(Kind), NAME,
    st.sampled_from(OperationClass), st.none() | DEFINITIONS,
)  # fmt: skip
ARGUMENTS = st.dictionaries(NAME | st.just("path"), NAME | st.integers(-(2**70), 2**70), max_size=70)


def permit_of(
    principal: Principal, target: Target, rules: tuple[RuleRef, ...], request_id: Any, **changes: Any
) -> Permit:
    arguments = changes.get("arguments", {"path": "/"})
    call = Call(
        request_id, "tools/call", {"name": "x", "arguments": arguments}, {}, Era.LEGACY, "2025-11-25",
        changes.get("endpoint", "files"), None, {}, {"name": changes.get("client", "me")}, None, None, None,
        None, 0.0,
    )  # fmt: skip
    return Permit(call, principal, target, uuid7(), rules, changes.get("softened"))


def inbound_of(peer: str = "203.0.113.9", transport: str = "http") -> Inbound:
    return Inbound(transport, "files", Credential("s", peer, False, False), {}, b"", None, 0.0)


def decision_of(permit: Permit, inbound: Inbound, peer: str, controls: Any) -> bytes:
    call, target = permit.call, permit.target
    return records.encode(
        records.Decision(
            v=records.VERSION,
            id=permit.decision_id,
            ts=1_790_000_000_123,
            tenant=permit.principal.tenant,
            gateway="gw-1",
            call_id=permit.decision_id,
            actor=actor_of(permit.principal, call),
            peer=peer,
            decision=ruling_of(permit, target, "rev", MODES),
            mcp=mcp_of(inbound, call, target),
            op_class=target.op_class,
            args=args_of(call, target, KEY),
            controls=tuple(controls),
        )
    )


@given(
    PRINCIPALS, TARGETS, RULES, RULES | st.none(), st.integers() | NAME, ARGUMENTS, NAME, NAME,
    NAME | st.none(),
    st.sampled_from(["http", "stdio"]), CONTROLS,
)  # fmt: skip
def test_the_decision_line_is_the_encoded_record(  # noqa: PLR0917
    principal: Principal,
    target: Target,
    rules: tuple[RuleRef, ...],
    softened: tuple[RuleRef, ...] | None,
    request_id: int | str,
    arguments: dict[str, Any],
    client: str,
    peer: str,
    endpoint: str | None,
    transport: str,
    controls: list[ControlRun],
) -> None:
    denial = None if softened is None else Deny(Reason.DENIED_BY_RULE, "no", softened)
    permit = permit_of(
        principal, target, rules, request_id,
        arguments=arguments, client=client, endpoint=endpoint, softened=denial,
    )  # fmt: skip
    inbound = inbound_of(transport=transport)
    made = CallLines("gw-1", "rev", MODES)
    expected = decision_of(permit, inbound, peer, controls)
    for _ in range(2):  # from scratch, and from what is remembered
        line = made.decision(permit.decision_id, 1_790_000_000_123, peer, permit, inbound, controls, KEY)
        assert line == expected


ALICE = Principal("default", "alice", "coder", "key", "AAAAAAAAAAAA")
READ = Target("files", Kind.TOOL, "read", OperationClass.READ)
RULE = (RuleRef("r", "doorward.yaml", 12),)


def test_nothing_that_differs_is_taken_from_another_call() -> None:
    made = CallLines("gw-1", "rev", MODES)
    bob = Principal("default", "bob", "coder", "key", "BBBBBBBBBBBB")
    write = Target("files", Kind.TOOL, "write", OperationClass.WRITE)
    deny = Deny(Reason.DENIED_BY_RULE, "no", RULE)
    permits = [
        permit_of(ALICE, READ, RULE, 1),
        permit_of(bob, READ, RULE, 1),
        permit_of(ALICE, write, RULE, 1),
        permit_of(ALICE, READ, (), 1),
        permit_of(ALICE, READ, RULE, 1, softened=deny),
        permit_of(ALICE, READ, RULE, 1, client="other"),
        permit_of(ALICE, READ, RULE, 1, endpoint=None),
        permit_of(ALICE, READ, RULE, 2),
    ]
    for permit in permits * 2:
        for inbound, peer in ((inbound_of(), "203.0.113.0/24"), (inbound_of(transport="stdio"), "stdio")):
            line = made.decision(permit.decision_id, 1_790_000_000_123, peer, permit, inbound, (), KEY)
            assert line == decision_of(permit, inbound, peer, ())


def test_what_is_remembered_is_bounded_and_never_another_s() -> None:
    made = CallLines("gw-1", "rev", MODES)
    inbound = inbound_of()
    for n in range(lines.MAX_PARTS + 10):  # each with a client, whose memory the next one may get
        permit = permit_of(ALICE, READ, RULE, n, client=f"client-{n}")
        line = made.decision(permit.decision_id, 5, "net", permit, inbound, (), KEY)
        assert f'"client":"client-{n}"'.encode() in line
    assert len(made._parts) <= lines.MAX_PARTS


@given(
    st.sampled_from(Outcome), st.binary(min_size=1, max_size=300), NAME, st.integers(0, 10**12),
    st.integers(0, 10**12),
)  # fmt: skip
def test_the_outcome_line_is_the_encoded_record(
    outcome: Outcome, result: bytes, tenant: str, upstream: int, ours: int
) -> None:
    record_id, call_id = uuid7(), uuid7()
    total = upstream + ours
    expected = records.encode(
        records.Outcome(
            v=records.VERSION,
            id=record_id,
            ts=7,
            tenant=tenant,
            gateway="gw-1",
            call_id=call_id,
            result=result_of(outcome, result, None, None, KEY),
            latency_ms=records.Latency(total / 1e3, upstream / 1e3, ours / 1e3),
        )
    )
    made = CallLines("gw-1", "rev", MODES)
    for _ in range(2):
        line = made.outcome(record_id, 7, tenant, call_id, outcome, result, KEY, total, upstream)
        assert line == expected
