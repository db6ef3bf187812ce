import json
import tracemalloc

import pytest

from doorward.backends.memory.sessions import MemorySessions
from doorward.model.call import Session
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason

ALICE = Principal("default", "alice", "coder", "key", "AAAAAAAAAAAA")
ALICE_ROTATED = Principal("default", "alice", "coder", "key", "BBBBBBBBBBBB")
OTHERS = [
    Principal("default", "bob", "coder", "key", "AAAAAAAAAAAA"),
    Principal("default", "alice", "writer", "key", "AAAAAAAAAAAA"),
    Principal("other", "alice", "coder", "key", "AAAAAAAAAAAA"),
]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(sessions: MemorySessions, principal: Principal = ALICE, endpoint: str | None = "files") -> Session:
    return sessions.open(principal, endpoint, "2025-11-25", {"roots": {}}, {"name": "test"})


def is_unknown(sessions: MemorySessions, session_id: str, principal: Principal, endpoint: str | None) -> bool:
    with pytest.raises(CallerError) as caught:
        sessions.get(session_id, principal, endpoint)
    return caught.value.reason is Reason.SESSION_UNKNOWN


def test_returns_the_session_that_was_opened() -> None:
    sessions = MemorySessions()
    session = opened(sessions)
    assert sessions.get(session.id, ALICE, "files") is session
    assert session.owner == ALICE.owner
    assert session.capabilities == {"roots": {}}


@pytest.mark.spec("DW-093")
def test_ids_are_long_visible_ascii_and_never_the_same() -> None:
    sessions = MemorySessions()
    ids = {opened(sessions).id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 32 and one.isascii() and one.isprintable() and " " not in one for one in ids)


@pytest.mark.spec("DW-094")
def test_survives_rotation_of_the_key() -> None:
    sessions = MemorySessions()
    session = opened(sessions)
    assert sessions.get(session.id, ALICE_ROTATED, "files") is session


@pytest.mark.spec("DW-094")
@pytest.mark.parametrize("other", OTHERS)
def test_is_nobody_elses(other: Principal) -> None:
    sessions = MemorySessions()
    session = opened(sessions)
    assert is_unknown(sessions, session.id, other, "files")
    assert sessions.get(session.id, ALICE, "files") is session


@pytest.mark.spec("DW-094")
@pytest.mark.parametrize("endpoint", ["git", None])
def test_is_bound_to_its_endpoint(endpoint: str | None) -> None:
    sessions = MemorySessions()
    assert is_unknown(sessions, opened(sessions).id, ALICE, endpoint)


@pytest.mark.spec("DW-091")
def test_every_unknown_session_looks_the_same() -> None:
    sessions = MemorySessions()
    session = opened(sessions)
    said = set()
    for session_id, principal in ((session.id, OTHERS[0]), ("nothing", ALICE), ("", ALICE)):
        with pytest.raises(CallerError) as caught:
            sessions.get(session_id, principal, "files")
        said.add(caught.value.message)
    assert len(said) == 1


@pytest.mark.spec("DW-097")
def test_expires_after_idling_but_not_while_used(clock: Clock) -> None:
    ended: list[Session] = []
    sessions = MemorySessions(idle_s=60, clock=clock, closed=ended.append)
    session = opened(sessions)
    for _ in range(3):
        clock.now += 59
        sessions.get(session.id, ALICE, "files")
    clock.now += 61
    assert is_unknown(sessions, session.id, ALICE, "files")
    assert ended == [session]


@pytest.mark.spec("DW-097")
def test_sweep_ends_only_idle_ones(clock: Clock) -> None:
    ended: list[Session] = []
    sessions = MemorySessions(idle_s=60, clock=clock, closed=ended.append)
    old = opened(sessions)
    clock.now += 50
    young = opened(sessions)
    clock.now += 20
    assert sessions.sweep() == 1
    assert ended == [old]
    assert sessions.get(young.id, ALICE, "files") is young


@pytest.mark.spec("DW-095")
def test_close_ends_once() -> None:
    ended: list[Session] = []
    sessions = MemorySessions(closed=ended.append)
    session = opened(sessions)
    sessions.close(session.id)
    sessions.close(session.id)
    assert ended == [session]
    assert is_unknown(sessions, session.id, ALICE, "files")


@pytest.mark.spec("DW-097")
def test_an_owner_at_its_limit_loses_its_least_used_session(clock: Clock) -> None:
    sessions = MemorySessions(per_owner=2, clock=clock)
    bobs = opened(sessions, OTHERS[0])
    first = opened(sessions)
    clock.now += 1
    second = opened(sessions)
    clock.now += 1
    sessions.get(first.id, ALICE, "files")
    third = opened(sessions)
    assert is_unknown(sessions, second.id, ALICE, "files")
    assert sessions.get(first.id, ALICE, "files") is first
    assert sessions.get(third.id, ALICE, "files") is third
    assert sessions.get(bobs.id, OTHERS[0], "files") is bobs


@pytest.mark.spec("DW-097")
def test_the_total_limit_refuses_and_never_takes_from_others(clock: Clock) -> None:
    sessions = MemorySessions(in_total=2, idle_s=60, clock=clock)
    bobs = opened(sessions, OTHERS[0])
    opened(sessions, OTHERS[1])
    with pytest.raises(GatewayError) as caught:
        opened(sessions)
    assert caught.value.reason is Reason.OVERLOADED
    assert sessions.get(bobs.id, OTHERS[0], "files") is bobs
    clock.now += 61
    assert opened(sessions).owner == ALICE.owner
    assert len(sessions) == 1


def test_a_session_with_a_stream_or_a_call_is_not_idle(clock: Clock) -> None:
    sessions = MemorySessions(idle_s=60, clock=clock)
    listening, idle = opened(sessions), opened(sessions)
    for _ in range(4):
        clock.now += 40
        sessions.sweep([listening.id, "gone"])
    assert sessions.get(listening.id, ALICE, "files") is listening
    assert is_unknown(sessions, idle.id, ALICE, "files")
    assert len(sessions) == 1


def test_other_limits_count_from_then_on(clock: Clock) -> None:
    ended: list[Session] = []
    sessions = MemorySessions(clock=clock, closed=ended.append)
    made = []
    for _ in range(5):
        made.append(opened(sessions))
        clock.now += 1

    sessions.bound(idle_s=60, per_owner=2, in_total=3)
    assert len(sessions) == 5
    last = opened(sessions)
    assert ended == made[:4]
    assert [sessions.get(one.id, ALICE, "files") for one in (made[4], last)] == [made[4], last]
    clock.now += 61
    assert sessions.sweep() == 2


def test_an_idle_session_weighs_less_than_eight_kilobytes() -> None:
    """With everything that is kept of its client; what it has at servers is theirs to bound."""
    about = {"name": "a client", "version": "1.2.3", "title": "A client"}
    can = {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {"form": {}, "url": {}}}
    sessions = MemorySessions(per_owner=5_000)

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2_000):
            sessions.open(ALICE, "files", "2025-11-25", json.loads(json.dumps(can)), dict(about))
        weight = (tracemalloc.get_traced_memory()[0] - before) / 2_000
    finally:
        tracemalloc.stop()

    assert weight < 4_096
