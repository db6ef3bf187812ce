"""What all peers together, and each of them, may make us keep."""

from hypothesis import given
from hypothesis import strategies as st

from doorward.edge.limits import Refusal
from doorward.edge.shares import Shares

ALL, ONE = Refusal.BODIES, Refusal.BODIES_PER_IP


def shares(total: int = 100, each: int = 60) -> Shares:
    return Shares(total, each, excess=(ALL, ONE))


def test_one_peer_has_its_share_and_all_have_theirs() -> None:
    held = shares()
    assert held.move("a", 60) is None
    assert held.move("a", 1) is ONE
    assert held.move("b", 39) is None
    assert held.move("c", 1) is ALL
    assert (held.held, held.of("a"), held.of("b")) == (101, 61, 39)
    assert held.move("a", -61) is None
    assert (held.held, held.of("a")) == (40, 0)
    assert held.move("c", 1) is None


def test_whoever_has_no_share_counts_towards_the_whole_only() -> None:
    held = shares()
    assert held.move(None, 90) is None
    assert held.move(None, 11) is ALL


def test_letting_go_is_never_too_much() -> None:
    held = shares()
    held.move("a", 500)
    assert held.move("a", -1) is None
    assert held.move("a", 0) is None


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 50)), max_size=30))
def test_nothing_is_left_of_those_that_are_gone(moves: list[tuple[str | None, int]]) -> None:
    held = shares()
    for share, more in moves:
        held.move(share, more)
    assert held.held == sum(more for _, more in moves)
    for share, more in moves:
        held.move(share, -more)
    assert held.held == 0
    assert held._of == {}
