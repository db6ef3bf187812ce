"""What use cases work on: facts that are read again when they change, and who a token is."""

import pytest

from doorward.audit.records import Actor
from doorward.backends.memory.store import MemoryStore
from doorward.control import operators
from doorward.control.plane import USED_EVERY_S, Plane
from doorward.model.errors import CallerError
from doorward.ports.store import StoreFacts
from tests.contract.store import RECORD
from tests.unit.control.test_operators import NOW, Ring
from tests.unit.control.test_views import Gateway


class CountingStore(MemoryStore):
    read = 0

    def facts(self) -> StoreFacts:
        self.read += 1
        return super().facts()


def test_facts_are_read_when_they_have_changed() -> None:
    store = CountingStore()
    plane = Plane(store, Ring(), Gateway(), "api")
    assert plane.facts().keys == ()
    assert plane.facts() is plane.facts()
    assert store.read == 1
    store.add_key(RECORD, b"")
    assert plane.facts().keys == (RECORD,)
    assert store.read == 2


def test_a_token_counts_as_long_as_its_operator_does() -> None:
    store, ring, now = MemoryStore(), Ring(), [NOW]
    plane = Plane(store, ring, Gateway(), "api", clock=lambda: now[0])
    first = operators.bootstrap(store, ring, actor=Actor("root", "cli"), now=NOW)
    owner = plane.operator(first.text)
    assert (owner.name, owner.via) == ("owner", "api")
    second = operators.add_operator(store, ring, by=owner, name="anna", role="owner", now=NOW)
    assert plane.operator(second.text).name == "anna"
    operators.remove_operator(store, "anna", by=owner, now=NOW)
    with pytest.raises(CallerError, match="removed"):
        plane.operator(second.text)


def test_when_an_operator_was_last_seen() -> None:
    store, ring, now = MemoryStore(), Ring(), [NOW]
    plane = Plane(store, ring, Gateway(), "api", clock=lambda: now[0])
    text = operators.bootstrap(store, ring, actor=Actor("root", "cli"), now=NOW).text
    seen = []
    for later in (0.0, USED_EVERY_S - 1, USED_EVERY_S):
        now[0] = NOW + later
        plane.operator(text)
        seen.append(store.operators()[0].last_used_at)
    assert seen == [NOW, NOW, NOW + USED_EVERY_S]
