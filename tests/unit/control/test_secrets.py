"""Use cases of the ring's keys, against stores and rings in memory."""

import pytest

from doorward.audit import records
from doorward.backends.memory.store import MemoryStore
from doorward.control.secrets import Secret, list_secrets, rotate_checkpoints
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import Version
from tests.unit.backends.files.logs import MemoryRing

ME = records.Actor("me", "cli")
NOW = 1_795_000_000.5


def public(key: bytes) -> str:
    return f"public-{key[0]}"


def rotate(store: MemoryStore, ring: MemoryRing, in_force: str = "public-1") -> tuple[str, str]:
    return rotate_checkpoints(store, ring, public=public, in_force=lambda: in_force, actor=ME, now=NOW)


def changes(store: MemoryStore) -> list[records.Change]:
    found = [records.decode(entry.record) for entry in store.outbox(0, 100)]
    return [each for each in found if isinstance(each, records.Change)]


def test_purposes_and_versions_are_listed_and_no_key() -> None:
    ring = MemoryRing()
    ring.current("pepper")
    ring.rotate("checkpoints")
    ring.rotate("checkpoints")
    assert list_secrets(ring) == [
        Secret("checkpoints", (Version(1, "now"), Version(2, "now"))),
        Secret("pepper", (Version(1, "now"),)),
    ]


def test_a_rotation_and_its_record() -> None:
    store, ring = MemoryStore(), MemoryRing()
    ring.current("checkpoints")
    epoch = store.epoch()
    assert rotate(store, ring) == ("public-1", "public-2")
    assert store.epoch() > epoch
    [change] = changes(store)
    assert (change.action, change.object, change.actor, change.ts) == (
        "secret:rotate", "checkpoints", ME, 1_795_000_000_500,
    )  # fmt: skip
    assert (change.before, change.after) == ({"key": "public-1"}, {"key": "public-2"})
    assert not any(key in entry.record for entry in store.outbox(0, 9) for key in ring.keys["checkpoints"])


def test_rotations_that_wait_for_the_log_follow_on_each_other() -> None:
    store, ring = MemoryStore(), MemoryRing()
    ring.current("checkpoints")
    for number in range(2500):
        store.add_change(records.encode(lifecycle(number)))
    assert [rotate(store, ring) for _ in range(3)] == [
        ("public-1", "public-2"),
        ("public-2", "public-3"),
        ("public-3", "public-4"),
    ]


def test_without_a_record_nothing_is_in_force() -> None:
    class Full(MemoryStore):
        def add_change(self, change: bytes) -> None:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "full")

    store, ring = Full(), MemoryRing()
    ring.current("checkpoints")
    with pytest.raises(GatewayError, match="full"):
        rotate(store, ring)
    assert changes(store) == []
    # The version stays unused, and the next rotation is one from the key that is in force.
    assert rotate(MemoryStore(), ring) == ("public-1", "public-3")


def lifecycle(number: int) -> records.Lifecycle:
    return records.Lifecycle(v=1, id=str(number), ts=0, tenant="default", event="noted")
