"""What lives as long as the gateway is collected no more, what a reload replaced is."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from doorward.app import garbage


class Node:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_is_no_longer_walked() -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count()
    assert gc.get_threshold()[0] == garbage.YOUNG


def test_while_it_is_built_there_is_hardly_a_walk() -> None:
    garbage.begin()
    young, middle, old = gc.get_threshold()
    assert young * middle * old >= 100_000_000
    garbage.settle()
    assert gc.get_threshold() == (garbage.YOUNG, 10, 10)


def test_what_was_replaced_since_is_let_go() -> None:
    old = Node()
    gone = weakref.ref(old)
    garbage.settle()
    del old
    gc.collect()
    assert gone() is not None, "frozen: no collection looks at it"
    garbage.settle()
    assert gone() is None


def test_a_reload_settles_in_a_quiet_moment_or_after_a_while() -> None:
    settling = garbage.Settling()
    assert not settling.look(0.0, quiet=True), "nothing was asked for"
    old = Node()
    gone = weakref.ref(old)
    settling.wanted(1.0)
    del old
    settling.wanted(9.0)
    assert not settling.look(2.0, quiet=False)
    assert gone() is not None
    assert settling.look(3.0, quiet=True)
    assert gone() is None
    assert not settling.look(4.0, quiet=True), "once is enough"
    settling.wanted(10.0)
    assert not settling.look(69.0, quiet=False)
    assert settling.look(70.0, quiet=False)
