"""Moments at which somebody has to look."""

import math

from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import expiries
from doorward.identity.expiries import Expiries


@given(st.lists(st.floats(0, 1e6)), st.lists(st.floats(0, 1e6), min_size=1))
def test_a_moment_is_due_once_and_never_early(ends: list[float], looks: list[float]) -> None:
    known, open_ends, last = Expiries(), sorted(ends), -1.0
    for end in ends:
        known.note(end)
    for now in sorted(looks):
        passed = [end for end in open_ends if last < math.ceil(end * 4) / 4 <= now]
        assert known.due(now) is bool(passed)
        assert all(end <= now for end in passed)
        last = now


def test_what_never_ends_is_never_due_and_the_same_moment_is_one() -> None:
    known = Expiries()
    known.note(math.inf)
    for _ in range(5):
        known.note(10.1)
        known.note(10.2)
    assert len(known) == 1
    assert not known.due(10.2)
    assert known.due(10.25)
    assert not known.due(math.inf)


def test_they_are_bounded() -> None:
    known = Expiries()
    for number in range(expiries.MOST + 10):
        known.note(float(number))
    assert len(known) == expiries.MOST
