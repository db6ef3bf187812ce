"""A server that announces now and then is asked soon; one that announces without end, now and then."""

from hypothesis import given
from hypothesis import strategies as st

from doorward.catalog.pauses import BURST, LONGEST_S, PAUSE_S, Pauses, pause


def test_a_server_is_asked_at_once_the_first_time() -> None:
    assert Pauses().left("a", 0.0) <= 0


def test_a_burst_is_heard_of_at_the_usual_pace_and_what_goes_on_is_let_wait() -> None:
    made, now = Pauses(), 100.0
    waits = []
    for _ in range(BURST + 8):
        left = made.left("a", now)
        waits.append(left)
        now += max(left, 0.0)
        made.renewing("a", now, waited=left > 0)

    assert waits[0] <= 0
    assert waits[1 : BURST + 1] == [PAUSE_S] * BURST
    assert waits[BURST + 1 : BURST + 3] == [PAUSE_S * 2, PAUSE_S * 4]
    assert waits[-1] == LONGEST_S
    assert made.left("b", now) <= 0


def test_a_break_makes_it_a_new_server() -> None:
    made = Pauses()
    for _ in range(BURST * 3):
        made.renewing("a", 10.0, waited=True)
    assert made.left("a", 10.0) == LONGEST_S
    made.renewing("a", 10.0 + LONGEST_S, waited=False)
    assert made.left("a", 10.0 + LONGEST_S) == PAUSE_S


@given(st.integers(0, 10_000))
def test_a_pause_has_bounds(times: int) -> None:
    assert PAUSE_S <= pause(times) <= pause(times + 1) <= LONGEST_S
