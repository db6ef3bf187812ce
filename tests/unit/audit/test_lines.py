"""Whatever a call is made of, its two lines are what the record vocabulary would have written."""

from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import lines, records
from doorward.audit.bounds import RECORD_BYTES
from doorward.audit.build import actor_of, args_of, mcp_of, result_of, ruling_of, trace_of
from doorward.audit.digests import DigestKey, DigestKeys
from doorward.audit.ids import uuid7
from doorward.audit.lines import CallLines
from doorward.model.bounds import Bounds
from doorward.model.call import Credential, Inbound, Outcome, Series
from doorward.model.principal import Actor, ActorKind, Principal
from doorward.model.reasons import Reason
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import ControlRun, Deny, Mode, Permit, RuleRef
from tests.support.calls import tool_call

TENANT = 'a"b%s'
NOW = 1_790_000_000.123  # in 2026q3
KEY = DigestKey(f"digest:{TENANT}:2026q3:1", b"k" * 32)
MODES = {"files": Mode.AUDIT}
WAYS = {"files": records.Way("http", "bearer")}
OFF = (records.Skipped("inspect", "off"),)
TEXT = st.text(max_size=300)
# What an attacker would call himself who knows how lines are cut.
NAME = TEXT | st.sampled_from(
    ['"id":"\x00', "\x00", '"ts":0', '"call_id":"\x00"', '"request_id":0', "}", "%s%d%%"]
)
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
VALUES = (
    NAME | st.integers(-(2**70), 2**70) | st.booleans() | st.none()
    | st.floats(allow_nan=False, allow_infinity=False) | st.lists(NAME, max_size=3)
    | st.dictionaries(NAME, NAME, max_size=3) | st.just("x" * 3000)
)  # fmt: skip
ARGUMENTS = st.dictionaries(NAME | st.just("path"), VALUES, max_size=70)


class Ring:
    def current(self, purpose: str) -> tuple[int, bytes]:
        return 1, b"k" * 32

    def version(self, purpose: str, number: int) -> bytes:
        raise NotImplementedError


def lines_of() -> CallLines:
    keys = DigestKeys(Ring(), TENANT)
    return CallLines(keys, network, gateway="gw-1", revision="rev", modes=MODES, ways=WAYS, off=OFF)


def network(peer: str) -> str:
    return f"net of {peer}"


def permit_of(
    principal: Principal, target: Target, rules: tuple[RuleRef, ...], request_id: Any, **changes: Any
) -> Permit:
    arguments = changes.get("arguments", {"path": "/"})
    series = changes.get("series") or series_of()
    call = tool_call(
        "x",
        arguments,
        id=request_id,
        endpoint=changes.get("endpoint", "files"),
        client=series.client,
        series=series,
    )
    return Permit(call, principal, target, uuid7(), rules, changes.get("softened"))


def series_of(client: str = "me") -> Series:
    return Series(None, "2025-11-25", {}, {"name": client}, None, "x", plain=True)


def inbound_of(peer: str = "203.0.113.9", transport: str = "http") -> Inbound:
    return Inbound(transport, "files", Credential("s", peer, False, False), {}, b"", None)


def decision_of(permit: Permit, inbound: Inbound, controls: Any) -> bytes:
    call, target = permit.call, permit.target
    return records.encode(
        records.Decision(
            v=records.VERSION,
            id=permit.decision_id,
            ts=int(NOW * 1000),
            tenant=permit.principal.tenant,
            gateway="gw-1",
            call_id=permit.decision_id,
            actor=actor_of(permit.principal, call),
            peer=network(inbound.credential.peer),
            decision=ruling_of(permit, target, "rev", MODES),
            mcp=mcp_of(inbound, call, target),
            op_class=target.op_class,
            way=WAYS.get(target.server),
            trace=trace_of(call),
            skipped=OFF,
            args=args_of(call, target, KEY),
            controls=tuple(controls),
        )
    )


@given(
    PRINCIPALS, TARGETS, RULES, RULES | st.none(), st.integers(1, 10**15) | NAME, ARGUMENTS, NAME, NAME,
    NAME | st.none(), CONTROLS,
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
    controls: list[ControlRun],
) -> None:
    denial = None if softened is None else Deny(Reason.DENIED_BY_RULE, "no", softened)
    permit = permit_of(
        principal, target, rules, request_id,
        arguments=arguments, series=series_of(client), endpoint=endpoint, softened=denial,
    )  # fmt: skip
    inbound = inbound_of(peer)
    made = lines_of()
    expected = decision_of(permit, inbound, controls)
    shows = target.definition is not None and target.definition.safe
    for _ in range(2):  # from scratch, and from what is remembered
        line = made.decision(permit.decision_id, NOW, permit, inbound, controls)
        if line is not None:
            assert line == expected
        if not controls or not 0 < len(arguments) <= 64 or shows or max(map(len, arguments)) > 64:
            assert line is None
        elif len(expected) < RECORD_BYTES // 8:
            assert line is not None


ALICE = Principal("default", "alice", "coder", "key", "AAAAAAAAAAAA")
TOKEN = Principal(
    "default", "alice", "coder", "jwt", client="app", issuer="https://id.example", human=True,
    strength="bound token", bounds=Bounds(scopes=frozenset({"read"})), token_id="j", session_id="s",
    actors=(Actor("https://id.example", "bot \u2028\"", ActorKind.AGENT, "app", "coder"),),
)  # fmt: skip
READ = Target("files", Kind.TOOL, "read", OperationClass.READ)
RULE = (RuleRef("r", "doorward.yaml", 12),)
RAN = (ControlRun("identity", "pass", 3),)


def test_nothing_that_differs_is_taken_from_another_call() -> None:
    made = lines_of()
    bob = Principal("default", "bob", "coder", "key", "BBBBBBBBBBBB")
    write = Target("files", Kind.TOOL, "write", OperationClass.WRITE)
    deny = Deny(Reason.DENIED_BY_RULE, "no", RULE)
    mine = series_of()
    permits = [
        permit_of(ALICE, READ, RULE, 1, series=mine),
        permit_of(bob, READ, RULE, 1, series=mine),
        permit_of(TOKEN, READ, RULE, 1, series=mine),
        permit_of(ALICE, write, RULE, 1, series=mine),
        permit_of(ALICE, READ, (), 1, series=mine),
        permit_of(ALICE, READ, RULE, 1, series=mine, softened=deny),
        permit_of(ALICE, READ, RULE, 1, series=series_of("other")),
        permit_of(ALICE, READ, RULE, 2, series=mine),
        permit_of(ALICE, READ, RULE, 2, series=mine, arguments={"path": "/", "more": "x"}),
    ]
    for permit in permits * 2:
        for inbound in (inbound_of("203.0.113.9"), inbound_of("198.51.100.1")):
            line = made.decision(permit.decision_id, NOW, permit, inbound, RAN)
            assert line == decision_of(permit, inbound, RAN)


def test_a_call_of_no_series_is_not_usual() -> None:
    permit = permit_of(ALICE, READ, RULE, 1)
    for changes in ({"series": None}, {"spelled": None}):
        call = msgspec.structs.replace(permit.call, **changes)
        other = msgspec.structs.replace(permit, call=call)
        assert lines_of().decision(permit.decision_id, NOW, other, inbound_of(), RAN) is None


def test_what_is_remembered_is_bounded_and_never_another_s() -> None:
    made = lines_of()
    inbound = inbound_of()
    for n in range(lines.MAX_TEMPLATES + 10):  # each with a series, whose memory the next one may get
        permit = permit_of(ALICE, READ, RULE, 7, series=series_of(f"client-{n}"))
        line = made.decision(permit.decision_id, NOW, permit, inbound, RAN)
        assert line is not None
        assert f'"client":"client-{n}"'.encode() in line
    assert len(made._templates) <= lines.MAX_TEMPLATES
    series = series_of()
    for n in range(lines.MAX_NAMES + 10):
        permit = permit_of(ALICE, READ, RULE, 7, series=series, arguments={f"a{n}": "x"})
        assert made.decision(permit.decision_id, NOW, permit, inbound, RAN) is not None
    assert all(len(one.names) <= lines.MAX_NAMES for one in made._templates.values())


@given(
    st.sampled_from(Outcome), st.binary(min_size=1, max_size=300), NAME, st.integers(0, 10**12),
    st.integers(0, 10**12),
)  # fmt: skip
def test_the_outcome_line_is_the_encoded_record(
    outcome: Outcome, result: bytes, tenant: str, upstream: int, ours: int
) -> None:
    call_id = uuid7()
    made = lines_of()
    total_s, upstream_s = (upstream + ours) / 1e6, upstream / 1e6
    total, theirs = int(total_s * 1e6), int(upstream_s * 1e6)
    for _ in range(2):
        line = made.outcome(call_id, NOW, tenant, outcome, result, total_s, upstream_s)
        assert line is not None
        record = records.decode(line)
        assert record.id[18:] == call_id[18:]
        assert int(record.id[:8] + record.id[9:13], 16) == record.ts == int(NOW * 1000)
        assert (UUID(record.id).version, str(UUID(record.id))) == (7, record.id)
        assert line == records.encode(
            records.Outcome(
                v=records.VERSION,
                id=record.id,
                ts=int(NOW * 1000),
                tenant=tenant,
                gateway="gw-1",
                call_id=call_id,
                result=result_of(outcome, result, None, None, KEY),
                latency_ms=records.Latency(total / 1e3, theirs / 1e3, (total - theirs) / 1e3),
            )
        )


def test_durations_that_cannot_be_are_not_usual() -> None:
    assert lines_of().outcome(uuid7(), NOW, "default", Outcome.OK, b"{}", 0.1, 0.2) is None
    assert lines_of().outcome(uuid7(), NOW, "default", Outcome.OK, b"{}", 0.1, -0.1) is None
