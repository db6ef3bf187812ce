import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import build as build_module
from doorward.audit import lines as lines_module
from doorward.audit import recorder as recorder_module
from doorward.audit import records
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.audit.strictness import Strictness
from doorward.model.bounds import Bounds
from doorward.model.call import Call, Credential, Inbound, Outcome, Series, Session, Spelled
from doorward.model.errors import GatewayError
from doorward.model.principal import Actor, ActorKind, Principal
from doorward.model.reasons import Reason
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import ControlRun, Deny, Hold, Mode, Permit, RuleRef
from doorward.pipeline.shares import Shares
from tests.support.calls import call_of

NOW = 1_790_000_000.5  # in 2026q3
KEY = b"k" * 32
SECRET = "swordfish-4711"
ALICE = Principal("default", "alice", "coder", "key", "AAAAAAAAAAAA")
INBOUND = Inbound("http", "files", Credential("dw_live_x", "203.0.113.9", False, False), {}, b"", None)
RULE = RuleRef("agents.coder.tools.allow[0]", "doorward.yaml", 12)
DEFINITION = Definition("files", Kind.TOOL, "read", {}, "ab" * 32, OperationClass.READ, ("path",))
TARGET = Target("files", Kind.TOOL, "read", OperationClass.READ, DEFINITION)
CONTROLS = [ControlRun("identity", "pass", 3), ControlRun("policy", "pass", 4)]


class Ring:
    def current(self, purpose: str) -> tuple[int, bytes]:
        assert purpose == "digest:default:2026q3"
        return 1, KEY

    def version(self, purpose: str, number: int) -> bytes:
        raise NotImplementedError


class Log:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = False

    async def append(self, record: bytes, waiter: Any = None, *_: Any) -> None:
        if self.broken:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full")
        self.lines.append(record)

    @property
    def last(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.lines[-1])
        return decoded


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def recorder(log: Log) -> Recorder:
    return recorder_on(log)


def recorder_on(log: Log) -> Recorder:
    modes = {"files": Mode.ENFORCE}
    return Recorder(
        log,
        Ring(),
        gateway="gw-1",
        revision="rev",
        modes=modes,
        large=LargeRecords(Shares()),
        clock=lambda: NOW,
    )


def call_with(arguments: dict[str, Any], request_id: int | str = 7, client: Any = "inspector") -> Call:
    given = {"name": "read", "arguments": arguments}
    known = {"name": client, "version": "1.2"}
    return call_of("tools/call", given, id=request_id, endpoint="files", client=known)


CALL = call_with({"path": "/tmp/a", "token": SECRET})


def permit(call: Call = CALL, **changes: Any) -> Permit:
    return msgspec.structs.replace(Permit(call, ALICE, TARGET, "id", (RULE,)), **changes)


@pytest.mark.asyncio
async def test_a_permitted_call_leaves_a_whole_decision_record(recorder: Recorder, log: Log) -> None:
    call_id = uuid7()
    await recorder.decision(
        call_id, ALICE, permit(), inbound=INBOUND, call=CALL, target=TARGET, controls=CONTROLS
    )
    canonical = b'{"path":"/tmp/a","token":"swordfish-4711"}'
    assert log.last == {
        "kind": "decision",
        "v": 2,
        "id": call_id,
        "ts": 1_790_000_000_500,
        "tenant": "default",
        "gateway": "gw-1",
        "call_id": call_id,
        "actor": {
            "subject": "alice",
            "method": "key",
            "agent": "coder",
            "key_id": "AAAAAAAAAAAA",
            "client": "inspector/1.2",
        },
        "peer": "203.0.113.0/24",
        "decision": {
            "effect": "permit",
            "policy_revision": "rev",
            "mode": "enforce",
            "rules": [{"id": RULE.id, "file": "doorward.yaml", "line": 12}],
        },
        "mcp": {
            "transport": "http",
            "method": "tools/call",
            "version": "2025-11-25",
            "request_id": 7,
            "endpoint": "files",
            "server": "files",
            "kind": "tool",
            "name": "read",
            "definition": "ab" * 32,
        },
        "op_class": "read",
        "args": {
            "received_hmac": hmac.new(KEY, canonical, hashlib.sha256).hexdigest(),
            "key": "digest:default:2026q3:1",
            "bytes": len(canonical),
            "names": ["path", "token"],
            "types": ["string", "string"],
            "safe": {"path": "/tmp/a"},
            "sizes": [6, 14],
        },
        "controls": [
            {"id": "identity", "verdict": "pass", "cost_us": 3},
            {"id": "policy", "verdict": "pass", "cost_us": 4},
        ],
    }


@pytest.mark.asyncio
async def test_no_value_of_an_unmarked_argument_is_recorded(recorder: Recorder, log: Log) -> None:
    deny = Deny(Reason.ARGUMENT_NOT_ALLOWED, f"not {SECRET}", (RULE,), argument="token")
    for verdict in (permit(), deny, Hold(Reason.CHECK_FAILED, SECRET), Reason.INTERNAL_ERROR):
        await recorder.decision(uuid7(), ALICE, verdict, inbound=INBOUND, call=CALL, target=TARGET)
    await recorder.outcome(uuid7(), ALICE, Outcome.OK, result=SECRET.encode(), total_s=0.1)
    assert len(log.lines) == 5
    assert SECRET.encode() not in b"".join(log.lines)
    assert b"dw_live_x" not in b"".join(log.lines)


@pytest.mark.asyncio
async def test_a_denial_names_reason_rules_nearest_and_argument(recorder: Recorder, log: Log) -> None:
    nearest = RuleRef("agents.coder.grants[1]", "doorward.yaml", 30)
    deny = Deny(Reason.ARGUMENT_NOT_ALLOWED, "no", (RULE,), nearest, "path")
    await recorder.decision(uuid7(), ALICE, deny, inbound=INBOUND, call=CALL, target=TARGET)
    ruling = log.last["decision"]
    assert ruling["effect"] == "deny"
    assert ruling["reason"] == "argument_not_allowed"
    assert ruling["nearest"]["line"] == 30
    assert ruling["argument"] == "path"
    assert [rule["line"] for rule in ruling["rules"]] == [12]


@pytest.mark.asyncio
async def test_a_softened_denial_stands_beside_the_permit(recorder: Recorder, log: Log) -> None:
    softened = permit(softened=Deny(Reason.DENIED_BY_RULE, "no", (RULE,)), rules=())
    await recorder.under("rev-2", {"files": Mode.AUDIT}, Strictness()).decision(
        uuid7(), ALICE, softened, inbound=INBOUND, call=CALL, target=TARGET
    )
    ruling = log.last["decision"]
    assert (ruling["effect"], ruling["mode"], ruling["policy_revision"]) == ("permit", "audit", "rev-2")
    assert ruling["softened"]["reason"] == "denied_by_rule"


@pytest.mark.asyncio
async def test_a_hold_and_an_end_before_policy_have_their_effects(recorder: Recorder, log: Log) -> None:
    hold = Hold(Reason.CHECK_FAILED, "wait")
    await recorder.decision(uuid7(), ALICE, hold, inbound=INBOUND, call=CALL, target=TARGET)
    assert log.last["decision"]["effect"] == "hold"
    await recorder.decision(uuid7(), ALICE, Reason.TARGET_UNKNOWN, inbound=INBOUND, call=CALL, target=None)
    assert log.last["decision"] == {"effect": "refuse", "policy_revision": "rev", "reason": "target_unknown"}
    assert "server" not in log.last["mcp"]


@pytest.mark.asyncio
async def test_an_unreadable_message_still_has_its_record(recorder: Recorder, log: Log) -> None:
    await recorder.decision(uuid7(), ALICE, Reason.PARSE_ERROR, inbound=INBOUND, call=None, target=None)
    assert log.last["mcp"] == {"transport": "http", "endpoint": "files"}
    assert log.last["actor"]["subject"] == "alice"
    assert "args" not in log.last


@pytest.mark.asyncio
async def test_the_outcome_has_the_digest_of_what_was_delivered(recorder: Recorder, log: Log) -> None:
    call_id = uuid7()
    await recorder.outcome(call_id, ALICE, Outcome.OK, result=b"{}", total_s=0.0305, upstream_s=0.02)
    record = log.last
    assert record["kind"] == "outcome"
    assert record["call_id"] == call_id != record["id"]
    assert record["result"] == {
        "outcome": "ok",
        "bytes": 2,
        "hmac": hmac.new(KEY, b"{}", hashlib.sha256).hexdigest(),
        "key": "digest:default:2026q3:1",
    }
    assert record["latency_ms"] == {"total": 30.5, "upstream": 20.0, "gateway": 10.5}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("total_s", "upstream_s"),
    [(0.0005, 0.0), (0.0030009, 0.0019999), (0.0039999, 0.0), (0.0305, 0.02), (12.5, 12.25), (0.001, 0.002)],
)
async def test_the_usual_outcome_is_the_same_record(
    recorder: Recorder, log: Log, total_s: float, upstream_s: float
) -> None:
    """Also where the server took longer than the call, as it cannot."""
    call_id = uuid7()
    await recorder.outcome(call_id, ALICE, Outcome.OK, result=b"{}", total_s=total_s, upstream_s=upstream_s)
    whole = log.last
    await recorder.answered(call_id, ALICE, Outcome.OK, b"{}", total_s, upstream_s, None)

    assert {**log.last, "id": whole["id"], "ts": whole["ts"]} == whole
    assert len(log.lines) == 2


@pytest.mark.asyncio
async def test_a_failed_call_has_its_reason_and_code(recorder: Recorder, log: Log) -> None:
    await recorder.outcome(
        uuid7(), ALICE, Outcome.TIMEOUT, error_code=-32001, reason=Reason.UPSTREAM_TIMEOUT, total_s=1.0
    )
    assert log.last["result"] == {"outcome": "timeout", "error_code": -32001, "reason": "upstream_timeout"}


NASTY = st.dictionaries(st.text(max_size=200), st.text(max_size=50), max_size=90)


@given(
    NASTY, st.text(max_size=3000) | st.integers() | st.just(-(10**4000)), st.text(max_size=3000) | st.none()
)
def test_no_caller_can_make_a_record_large_or_unreadable(
    arguments: dict[str, str], request_id: str | int, client: str | None
) -> None:
    log = Log()
    call = call_with(arguments, request_id, client)
    target = Target("files", Kind.RESOURCE, "x" * 100_000, OperationClass.READ)
    recording = recorder_on(log).decision(
        uuid7(), ALICE, Reason.INTERNAL_ERROR, inbound=INBOUND, call=call, target=target
    )
    with pytest.raises(StopIteration):
        recording.__await__().send(None)
    # Worst case: every character of 64 names and the other clipped texts as a six-byte escape.
    assert len(log.lines[-1]) < 32_000
    assert b"\n" not in log.lines[-1]
    decoded = records.decode(log.lines[-1])
    assert isinstance(decoded, records.Decision)
    assert len(decoded.args.names) + decoded.args.more_names == len(arguments) if decoded.args else True


@pytest.mark.asyncio
async def test_safe_values_are_bounded_too(recorder: Recorder, log: Log) -> None:
    long = int("9" * 1000)  # JSON has integers of any length
    for value, shown in (
        (5, 5), (True, True), (0.5, 0.5), (None, None), (-(2**63), -(2**63)), (2**63, str(2**63)),
        (long, "9" * 255 + "…"), ("x" * 1000, "x" * 255 + "…"), ({"a": [1]}, '{"a":[1]}'),
    ):  # fmt: skip
        call = call_with({"path": value})
        await recorder.decision(uuid7(), ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET)
        assert log.last["args"]["safe"] == {"path": shown}


@pytest.mark.asyncio
async def test_arguments_are_digested_as_they_are_sent(recorder: Recorder, log: Log) -> None:
    """How they were spelled is believed of the very object that was spelled so, and of no other."""
    arguments = {"path": "/tmp/a"}
    spelled = Spelled(arguments, b'{"path":"/tmp/a"}', b'{"path":"/tmp/a"}')
    for params in ({"name": "read", "arguments": arguments}, {"name": "read", "arguments": {"path": "/b"}}):
        call = msgspec.structs.replace(CALL, params=params, spelled=spelled)
        await recorder.decision(uuid7(), ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET)
        canonical = json.dumps(params["arguments"], separators=(",", ":")).encode()
        assert log.last["args"]["received_hmac"] == hmac.new(KEY, canonical, hashlib.sha256).hexdigest()


@pytest.mark.asyncio
async def test_what_cannot_be_written_is_raised(recorder: Recorder, log: Log) -> None:
    log.broken = True
    with pytest.raises(GatewayError):
        await recorder.decision(uuid7(), ALICE, permit(), inbound=INBOUND, call=CALL, target=TARGET)
    with pytest.raises(GatewayError):
        await recorder.outcome(uuid7(), ALICE, Outcome.OK, result=b"{}", total_s=0.1)
    with pytest.raises(GatewayError):
        await recorder.lifecycle("started")


async def refuse(recorder: Recorder, times: int, peer: str = "203.0.113.9") -> None:
    for _ in range(times):
        await recorder.refused(Reason.CREDENTIAL_INVALID, peer=peer, transport="http", endpoint=None)


@pytest.mark.asyncio
async def test_refusals_beyond_ten_become_one_rollup(recorder: Recorder, log: Log) -> None:
    await refuse(recorder, 25)
    assert len(log.lines) == 10
    assert log.last["peer"] == "203.0.113.0/24"
    await recorder.under("rev-2", {}, Strictness()).roll_up()
    assert len(log.lines) == 11
    assert (log.last["kind"], log.last["count"], log.last["reason"]) == ("refusal", 15, "credential_invalid")
    await recorder.roll_up()
    assert len(log.lines) == 11


@pytest.mark.asyncio
async def test_a_rollup_that_could_not_be_written_comes_later(recorder: Recorder, log: Log) -> None:
    await refuse(recorder, 12)
    log.broken = True
    with pytest.raises(GatewayError):
        await recorder.roll_up()
    log.broken = False
    await recorder.roll_up()
    assert log.last["count"] == 2


@pytest.mark.asyncio
async def test_lifecycle_says_what_happened(recorder: Recorder, log: Log) -> None:
    await recorder.lifecycle("log_recovered", segment="00000001.jsonl", dropped_bytes=17)
    assert (log.last["kind"], log.last["event"]) == ("lifecycle", "log_recovered")
    assert log.last["detail"] == {"segment": "00000001.jsonl", "dropped_bytes": 17}


@pytest.mark.asyncio
async def test_every_record_can_be_decoded_again(recorder: Recorder, log: Log) -> None:
    await recorder.decision(uuid7(), ALICE, permit(), inbound=INBOUND, call=CALL, target=TARGET)
    await recorder.outcome(uuid7(), ALICE, Outcome.OK, result=b"{}", total_s=0.1, controls=CONTROLS)
    await recorder.lifecycle("started")
    await refuse(recorder, 1)
    for line in log.lines:
        assert records.encode(records.decode(line)) == line


@pytest.mark.asyncio
async def test_large_arguments_and_results_are_recorded_as_small_ones_are(
    recorder: Recorder, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same records, whether their digests were made at once or in steps."""
    spelled = Spelled({"path": "x" * 50}, b"{}", b'{"path":"%b"}' % (b"x" * 50))
    series = Series(None, "2025-11-25", {}, {}, None, "read", plain=True)
    call = msgspec.structs.replace(call_with(spelled.arguments), spelled=spelled, series=series)
    told = []
    for limit in (1 << 20, 10):
        for module in (lines_module, build_module, recorder_module):
            monkeypatch.setattr(module, "LARGE", limit)
        call_id = uuid7()
        await recorder.decision(
            call_id, ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET, controls=CONTROLS
        )
        decision = log.last
        await recorder.answered(call_id, ALICE, Outcome.OK, b"r" * 99, 0.5, 0.25, None)
        told.append([{**one, "id": 0, "call_id": 0} for one in (decision, log.last)])
    assert told[0] == told[1]
    assert told[0][1]["result"]["bytes"] == 99


HEX = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"00-{HEX[0]}-{HEX[1]}-01", {"id": HEX[0], "span": HEX[1]}),
        (f"cc-{HEX[0]}-{HEX[1]}-01-what-the-future-may-bring", {"id": HEX[0], "span": HEX[1]}),
        (f"ff-{HEX[0]}-{HEX[1]}-01", None),
        (f"00-{'0' * 32}-{HEX[1]}-01", None),
        (f"00-{HEX[0]}-{'0' * 16}-01", None),
        (f"00-{HEX[0].upper()}-{HEX[1]}-01", None),
        (f"00-{HEX[0]}-{HEX[1]}", None),
        (f"00-{HEX[0]}-{HEX[1]}-01 ", None),
        (7, None),
        (None, None),
    ],
)
@pytest.mark.asyncio
async def test_the_trace_is_the_one_that_is_sent_on_if_it_is_one(
    recorder: Recorder, log: Log, given: Any, expected: Any
) -> None:
    call = msgspec.structs.replace(CALL, meta={"traceparent": given})
    for verdict in (permit(call), Deny(Reason.DENIED_BY_RULE, "no"), Reason.INTERNAL_ERROR):
        await recorder.decision(uuid7(), ALICE, verdict, inbound=INBOUND, call=call, target=TARGET)
        assert log.last.get("trace") == expected


@pytest.mark.asyncio
async def test_the_session_is_named_and_not_told(recorder: Recorder, log: Log) -> None:
    session = Session("id-that-opens-doors", "owner", "files", "2025-11-25", {}, {})
    call = msgspec.structs.replace(CALL, session=session)
    await recorder.decision(uuid7(), ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET)
    assert log.last["mcp"]["session"] == hashlib.sha256(b"id-that-opens-doors").hexdigest()[:16]
    assert b"opens-doors" not in log.lines[-1]


@pytest.mark.asyncio
async def test_arguments_show_their_types_and_sizes_and_nothing_else(recorder: Recorder, log: Log) -> None:
    large = msgspec.Raw(b'"' + b"x" * 9000 + b'"')
    given = {
        "text": "größe😀", "none": None, "yes": True, "many": [1, 2], "some": {"a": 1}, "count": 2**70,
        "part": 1.0, "large": large, "big": msgspec.Raw(b"123"), "rows": msgspec.Raw(b"[1]"),
    }  # fmt: skip
    call = call_with(given)
    await recorder.decision(uuid7(), ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET)
    args = log.last["args"]
    assert dict(zip(args["names"], zip(args["types"], args["sizes"], strict=True), strict=True)) == {
        "text": ("string", 6), "none": ("null", None), "yes": ("boolean", None), "many": ("array", 2),
        "some": ("object", 1), "count": ("integer", None), "part": ("number", None),
        "large": ("string", None), "big": ("number", None), "rows": ("array", None),
    }  # fmt: skip


@pytest.mark.asyncio
async def test_what_a_control_changed_has_both_digests(recorder: Recorder, log: Log) -> None:
    changed = call_with({"path": "/tmp/b"})
    same = call_with({"token": SECRET, "path": "/tmp/a"})
    none = msgspec.structs.replace(CALL, params={"name": "read"})

    def of(arguments: dict[str, Any]) -> str:
        return hmac.new(KEY, msgspec.json.encode(arguments, order="sorted"), hashlib.sha256).hexdigest()

    for sent, sent_hmac, names in (
        (changed, of({"path": "/tmp/b"}), ["path"]),
        (none, of({}), None),
        (same, None, ["token", "path"]),
        (CALL, None, ["path", "token"]),
    ):
        await recorder.decision(
            uuid7(), ALICE, permit(sent), inbound=INBOUND, call=sent, target=TARGET, received=CALL
        )
        args = log.last["args"]
        assert args["received_hmac"] == of({"path": "/tmp/a", "token": SECRET})
        assert (args.get("sent_hmac"), args.get("names")) == (sent_hmac, names)


@pytest.mark.asyncio
async def test_large_arguments_are_digested_as_they_are_spelled(recorder: Recorder, log: Log) -> None:
    for size, raw in ((16 * 1024 - 20, False), (16 * 1024, True)):
        call = call_with({"z": 1.0, "a": "x" * size})
        await recorder.decision(uuid7(), ALICE, permit(call), inbound=INBOUND, call=call, target=TARGET)
        spelled = f'{{"z":1.0,"a":"{"x" * size}"}}' if raw else f'{{"a":"{"x" * size}","z":1}}'
        args = log.last["args"]
        assert (args.get("raw", False), args["bytes"]) == (raw, len(spelled))
        assert args["received_hmac"] == hmac.new(KEY, spelled.encode(), hashlib.sha256).hexdigest()


@pytest.mark.asyncio
async def test_how_the_server_is_reached_and_what_never_runs_are_those_of_the_configuration(log: Log) -> None:
    way = records.Way("http", "bearer")
    recorder = recorder_on(log).under("rev", {}, Strictness(), {"files": way}, ("inspect",))
    await recorder.decision(
        uuid7(),
        ALICE,
        Reason.TARGET_UNKNOWN,
        inbound=INBOUND,
        call=CALL,
        target=None,
        not_reached=("policy",),
    )
    assert "way" not in log.last
    off = {"id": "inspect", "why": "off"}
    assert log.last["skipped"] == [off, {"id": "policy", "why": "not_reached"}]
    await recorder.decision(uuid7(), ALICE, permit(), inbound=INBOUND, call=CALL, target=TARGET)
    assert log.last["way"] == {"transport": "http", "credential": "bearer"}
    assert log.last["skipped"] == [off]


@pytest.mark.asyncio
@pytest.mark.parametrize(("code", "kept"), [(2**63 - 1, 2**63 - 1), (2**70, 2**63 - 1), (-(2**70), -(2**63))])
async def test_a_code_of_any_length_is_kept_within_64_bits(
    recorder: Recorder, log: Log, code: int, kept: int
) -> None:
    await recorder.outcome(uuid7(), ALICE, Outcome.FAILED, error_code=code, total_s=0.1)
    assert log.last["result"]["error_code"] == kept


CHAIN = (
    Actor("https://id.example", "bot-7", ActorKind.AGENT, "app", "coder"),
    Actor("https://id.example", "x" * 300),
)
TOKEN = Principal(
    "default", "anna", "coder", "jwt", actors=CHAIN, client="app", issuer="https://id.example", human=True,
    groups=frozenset({"group-of-9"}), strength="bound token", acr="phr", token_id="jti-1", session_id="sid-1",
    bounds=Bounds(people=(("@people/0",),), scopes=frozenset({"read"})),
)  # fmt: skip


@pytest.mark.asyncio
async def test_who_stands_behind_a_token_is_on_record(recorder: Recorder, log: Log) -> None:
    await recorder.decision(
        uuid7(), TOKEN, permit(principal=TOKEN), inbound=INBOUND, call=CALL, target=TARGET, controls=CONTROLS
    )
    assert log.last["actor"] == {
        "subject": "anna",
        "method": "jwt",
        "agent": "coder",
        "client": "inspector/1.2",
        "actors": ["bot-7", "x" * 255 + "…"],
        "issuer": "https://id.example",
        "client_id": "app",
        "human": True,
        "strength": "bound token",
        "chain": [
            {
                "issuer": "https://id.example",
                "subject": "bot-7",
                "kind": "agent",
                "client": "app",
                "agent": "coder",
            },
            {"issuer": "https://id.example", "subject": "x" * 255 + "…", "kind": "unknown"},
        ],
    }
    text = log.lines[-1].decode()
    assert not [kept for kept in ("jti-1", "sid-1", "group-of-9", "phr", "@people") if kept in text]


@pytest.mark.asyncio
async def test_who_denied_and_what_is_missing_is_on_record(recorder: Recorder, log: Log) -> None:
    denial = Deny(Reason.INSUFFICIENT_SCOPE, "no", scopes=("read", "write"), bound="scopes")
    await recorder.decision(uuid7(), TOKEN, denial, inbound=INBOUND, call=CALL, target=TARGET)
    assert log.last["decision"]["bound"] == "scopes"
    assert log.last["decision"]["scopes"] == ["read", "write"]
    softened = Deny(Reason.NO_GRANT, "no", bound="people")
    permitted = permit(principal=TOKEN, softened=softened)
    await recorder.decision(uuid7(), TOKEN, permitted, inbound=INBOUND, call=CALL, target=TARGET)
    assert log.last["decision"]["softened"] == {"reason": "no_grant", "bound": "people"}


@pytest.mark.asyncio
async def test_a_refusal_says_why_in_more_words_than_its_caller_is_told(recorder: Recorder, log: Log) -> None:
    await recorder.refused(
        Reason.CREDENTIAL_REVOKED, peer="203.0.113.9", transport="http", endpoint="files", detail="y" * 300
    )
    assert log.last["reason"] == "credential_revoked"
    assert log.last["detail"] == "y" * 255 + "…"


@pytest.mark.asyncio
async def test_the_same_subject_of_two_issuers_is_counted_apart(recorder: Recorder, log: Log) -> None:
    other = msgspec.structs.replace(TOKEN, issuer="https://other.example")
    denial = Deny(Reason.NO_GRANT, "no", bound="people")
    for who in (TOKEN, other):
        for _ in range(103):
            await recorder.decision(uuid7(), who, denial, inbound=INBOUND, call=CALL, target=TARGET)
    await recorder.roll_up()
    counted = [json.loads(line) for line in log.lines if b'"denials"' in line]
    assert {(one["actor"]["issuer"], one["actor"]["client_id"], one["count"]) for one in counted} == {
        ("https://id.example", "app", 3),
        ("https://other.example", "app", 3),
    }
