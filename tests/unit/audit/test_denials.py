"""Denials that are alike are counted from the hundredth of a minute on, and none is lost."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.denials import MOST, SINGLY, Alike, DenialTally

ONE = Alike("default", "anna", "bot", "key", "k1", "deny", "no_grant", "tools/call", "bank", "close_account")


def other(**members: str) -> Alike:
    return msgspec.structs.replace(ONE, **members)


def flood(tally: DenialTally, alike: Alike, times: int, now: float = 0.0) -> int:
    """How many of them were to be written."""
    return sum(tally.admit(alike, now, f"id-{n}", "192.0.2.0/24") for n in range(times))


def test_a_hundred_a_minute_are_written_and_the_others_counted() -> None:
    tally = DenialTally()
    assert flood(tally, ONE, 250, now=7.5) == SINGLY
    counted = tally.take()
    assert counted is not None
    assert (counted.alike, counted.count, counted.since) == (ONE, 150, 7.5)
    assert (counted.last, counted.peer) == ("id-249", "192.0.2.0/24")
    assert tally.take() is None


def test_each_minute_begins_anew_and_keeps_what_was_counted_before() -> None:
    tally = DenialTally()
    assert flood(tally, ONE, 101, now=59.0) == SINGLY
    assert flood(tally, ONE, 101, now=60.0) == SINGLY
    counted = tally.take()
    assert counted is not None
    assert (counted.count, counted.since) == (2, 59.0)


def test_what_differs_in_anything_is_another_denial() -> None:
    tally = DenialTally()
    flood(tally, ONE, SINGLY)
    for name in ONE.__struct_fields__:
        assert tally.admit(other(**{name: "another"}), 0.0, "id", "p"), name


def test_kinds_beyond_what_is_remembered_are_written_singly() -> None:
    """Whoever asks for a new name each time is not alike: memory stays bounded, and nothing is lost."""
    tally = DenialTally()
    assert all(tally.admit(other(name=f"tool-{n}"), 0.0, "id", "p") for n in range(MOST * 3))
    assert tally.take() is None
    assert len(tally._seen) == MOST
    assert flood(tally, other(name="tool-1"), 200) == SINGLY - 1
    assert flood(tally, other(name="unknown"), 300) == 300


def test_counts_that_the_log_does_not_take_are_bounded_too() -> None:
    tally = DenialTally(singly=1, most=3)
    for minute in range(5):
        for n in range(3):
            flood(tally, other(name=f"{minute}-{n}"), 2, now=minute * 60.0)
    assert len(tally._counted) == 3


def test_a_count_that_could_not_be_written_is_counted_again() -> None:
    tally = DenialTally()
    flood(tally, ONE, 150, now=1.0)
    taken = tally.take()
    assert taken is not None
    tally.put_back(taken)
    flood(tally, ONE, 1, now=2.0)
    again = tally.take()
    assert again is not None
    assert (again.count, again.since) == (51, 1.0)
    flood(tally, ONE, 5, now=3.0)
    tally.put_back(again)
    last = tally.take()
    assert last is not None
    assert (last.count, last.since) == (56, 1.0)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 200), st.booleans()), max_size=300),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_written_and_counted_are_together_what_there_was(
    events: list[tuple[str, int, bool]], singly: int, most: int
) -> None:
    tally, written, counted, now = DenialTally(singly, most), 0, 0, 0.0
    for name, later, roll in events:
        now += later
        written += tally.admit(other(name=name), now, "id", "p")
        assert len(tally._seen) <= most
        assert len(tally._counted) <= most
        if roll and (taken := tally.take()) is not None:
            counted += taken.count
    while (taken := tally.take()) is not None:
        counted += taken.count
    assert written + counted == len(events)
