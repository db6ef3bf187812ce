import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.upstream.restarts import Restarts


def test_the_delay_doubles_and_the_budget_ends() -> None:
    restarts = Restarts(budget=3, window=60.0)
    assert restarts.wait(0.0) == 0.0
    waits = []
    for now in (1.0, 2.0, 3.0, 4.0):
        restarts.crashed(now)
        waits.append(restarts.wait(now))
    assert waits[:3] == pytest.approx([0.2, 0.4, 0.8])
    assert waits[3] == 57.0
    assert restarts.wait(61.0) < 1.0
    assert restarts.wait(200.0) == 0.0


@given(st.lists(st.floats(0.0, 30.0), max_size=40), st.integers(1, 5))
def test_no_window_ever_has_more_starts_than_the_budget_and_one(pauses: list[float], budget: int) -> None:
    restarts = Restarts(budget, window=60.0)
    now, starts = 0.0, []
    for pause in pauses:
        now += pause
        now += restarts.wait(now)
        starts.append(now)
        restarts.crashed(now)
    for first in starts:
        assert sum(first <= start < first + 59.9 for start in starts) <= budget + 1
