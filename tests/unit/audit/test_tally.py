from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import tally
from doorward.audit.tally import RefusalTally, Rollup


def test_the_first_ten_of_a_network_and_minute_are_written() -> None:
    refusals = RefusalTally()
    admitted = [refusals.admit("credential_invalid", "10.0.0.0/24", 600.0 + n) for n in range(12)]
    assert admitted == [True] * 10 + [False] * 2
    assert refusals.admit("credential_invalid", "10.0.1.0/24", 615.0)
    assert refusals.admit("credential_invalid", "10.0.0.0/24", 660.0)


def test_a_rollup_names_reason_count_networks_and_beginning() -> None:
    refusals = RefusalTally(singly=0)
    for peer, at in (("a", 5.0), ("b", 6.0), ("b", 7.0)):
        refusals.admit("credential_missing", peer, at)
    assert refusals.take() == Rollup("credential_missing", "b", 3, 2, 5.0)
    assert refusals.take() is None


def test_what_could_not_be_written_is_counted_again() -> None:
    refusals = RefusalTally(singly=0)
    refusals.admit("credential_missing", "a", 5.0)
    taken = refusals.take()
    assert taken is not None
    refusals.admit("credential_missing", "a", 9.0)
    refusals.put_back(taken)
    assert refusals.take() == Rollup("credential_missing", "a", 2, 1, 5.0)


def test_memory_is_bounded_whatever_comes() -> None:
    refusals = RefusalTally()
    for number in range(tally._NETWORKS + 50):
        refusals.admit("credential_missing", str(number), 1.0)
    assert len(refusals._written) == tally._NETWORKS
    rollup = refusals.take()
    assert rollup is not None
    assert rollup.count == 50


EVENTS = st.lists(st.tuples(st.sampled_from("rst"), st.sampled_from("abc"), st.integers(0, 300)), max_size=80)


@given(EVENTS)
def test_every_refusal_is_written_or_counted_exactly_once(events: list[tuple[str, str, int]]) -> None:
    refusals = RefusalTally(singly=2)
    written = Counter(
        reason
        for reason, peer, at in sorted(events, key=lambda event: event[2])
        if refusals.admit(reason, peer, float(at))
    )
    while (rollup := refusals.take()) is not None:
        written[rollup.reason] += rollup.count
    assert written == Counter(reason for reason, _, _ in events)
