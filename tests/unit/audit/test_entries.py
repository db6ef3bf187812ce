import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import records
from doorward.audit.entries import NONE, Entry, How, What, Who, entry_of
from doorward.model.verdict import RuleRef

CALL = "019a1ff5-745c-7746-981a-73a8fa7383ff"


def decision(**changes: object) -> records.Decision:
    whole = records.Decision(
        v=records.VERSION,
        id=CALL,
        ts=1_790_000_000_000,
        tenant="default",
        gateway="gw",
        call_id=CALL,
        actor=records.Actor("alice", "key", "bot", "KEY", "client/1", ("robot",)),
        peer="192.0.2.0/24",
        decision=records.Ruling("permit", "ab" * 32, "enforce", rules=(RuleRef("r1", "x.yaml", 7),)),
        mcp=records.Mcp(
            "http", "tools/call", "2025-11-25", 1, None, "crm", "tool", "find", "cd" * 32, "crm__find"
        ),
        op_class="read",
    )
    return msgspec.structs.replace(whole, **changes)


def outcome(kind: str = "ok") -> records.Outcome:
    return records.Outcome(
        v=records.VERSION,
        id=CALL.replace("73a8", "73a9"),
        ts=1_790_000_000_009,
        tenant="default",
        gateway="gw",
        call_id=CALL,
        result=records.Result(kind, 100, "ef" * 32, "k", -32603, "timeout"),
        latency_ms=records.Latency(9.5, 9.0, 0.5),
    )


def test_a_call_is_an_entry_of_two_records() -> None:
    entry = entry_of(7, records.encode(decision()))
    assert entry == Entry(
        7,
        1_790_000_000_000,
        CALL,
        Who("default", "gw", "alice", ("robot",), "key", "bot", "KEY", "client/1"),
        What("http", "tools/call", None, "crm", "find", "tool", "crm__find", "cd" * 32, "read"),
        How("decision", "permit", "enforce", None, ("r1", "x.yaml:7"), None, "ab" * 32),
        peer="192.0.2.0/24",
    )
    assert (entry.what.tool, entry.how.result, entry.how.status) == ("crm.find", NONE, NONE)
    before = msgspec.structs.replace(entry)
    entry.join(entry_of(9, records.encode(outcome())))
    assert (entry.done, entry.latency, entry.bytes, entry.result) == (9, 9.5, 100, "ef" * 32)
    assert (entry.how.status, entry.how.error_code, entry.how.why) == ("ok", -32603, "timeout")
    entry.part()
    assert entry == before


@pytest.mark.parametrize(
    ("effect", "status"), [("deny", "denied"), ("hold", "held"), ("refuse", "refused"), ("permit", NONE)]
)
def test_what_was_not_permitted_has_no_outcome(effect: str, status: str) -> None:
    entry = entry_of(0, records.encode(decision(decision=records.Ruling(effect, "ab", reason="no_grant"))))
    assert (entry.how.status, entry.how.why) == (status, "no_grant")
    assert (entry.how.result is None) is (effect != "permit")


def test_requests_of_the_unknown_were_refused_as_often_as_they_say() -> None:
    record = records.Refusal(
        v=records.VERSION, id="r", ts=1, tenant="t", reason="credential_missing", peer="stdio", count=40
    )
    entry = entry_of(3, records.encode(record))
    assert (entry.how.kind, entry.how.decision, entry.how.status) == ("refusal", "refuse", "refused")
    assert (entry.how.reason, entry.peer, entry.times) == ("credential_missing", "stdio", 40)


def test_denials_that_were_rolled_up_are_found_as_such_and_by_the_last_of_them() -> None:
    record = records.Denials(
        v=records.VERSION,
        id="d",
        ts=1,
        tenant="t",
        actor=records.Actor("alice", "key", "bot"),
        effect="deny",
        reason="no_grant",
        count=250,
        since=0,
        last=CALL,
        peer="stdio",
        server="crm",
        name="find",
    )
    entry = entry_of(3, records.encode(record))
    assert (entry.how.decision, entry.how.status, entry.how.why) == ("deny", "denied", "no_grant")
    assert (entry.what.tool, entry.who.agent, entry.times, entry.object) == ("crm.find", "bot", 250, CALL)


def test_changes_and_events_say_what_was_done() -> None:
    base = {"v": records.VERSION, "id": "c", "ts": 1, "tenant": "t"}
    change = records.Change(**base, action="key:create", actor=records.Actor("me", "cli"), object="key:K")
    entry = entry_of(0, records.encode(change))
    assert (entry.how.action, entry.object, entry.who.subject) == ("key:create", "key:K", "me")
    assert entry_of(0, records.encode(records.Lifecycle(**base, event="started"))).how.action == "started"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"kind":"decision"}',
        b'{"kind":7,"id":"x","ts":1}',
        b'{"kind":"outcome","id":"x","ts":9007199254740993}',
        b'{"kind":"outcome","id":"x","ts":1,"result":{"bytes":1e300}}',
        b'{"kind":"x","id":"\\ud800","ts":1}',
        b'{"kind":"x","id":"\xff","ts":1}',
        b'{"kind":"x","id":"x","ts":1,"y":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_a_line_that_is_no_record_is_none(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says of it
        entry_of(0, line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
MEMBERS = ("actor", "decision", "mcp", "args", "result", "latency_ms", "trace", "call_id", "count", "during")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_any_members_make_an_entry_or_a_value_error(members: dict[str, object]) -> None:
    line = msgspec.json.encode({"kind": "decision", "id": "x", "ts": 1, **members})
    try:
        entry = entry_of(0, line)
    except ValueError:
        return
    assert entry.how.kind == "decision"
