"""What every Store owes (ports/store.py). A backend's test file subclasses `StoreContract`."""

import threading

import pytest
from msgspec.structs import replace

from doorward.ports.store import KeyRecord, Store

RECORD = KeyRecord(
    id="AAAAAAAAAAAA",
    name="alice",
    agent="coder",
    environment="live",
    digest=bytes(range(32)),
    pepper_version=3,
    created_at=1_790_000_000.25,
    created_by="operator",
    expires_at=None,
    revoked_at=None,
)


def key(key_id: str, created_at: float = RECORD.created_at) -> KeyRecord:
    return replace(RECORD, id=key_id.ljust(12, "x"), created_at=created_at)


class StoreContract:
    """Subclasses define the fixture `store`: an empty store."""

    def test_is_empty_at_first(self, store: Store) -> None:
        assert store.keys() == []
        assert store.outbox(0, 10) == []

    def test_returns_a_key_as_it_was_added(self, store: Store) -> None:
        with_expiry = replace(RECORD, id="BBBBBBBBBBBB", created_at=RECORD.created_at + 1, expires_at=1.5e9)
        store.add_key(RECORD, b"1")
        store.add_key(with_expiry, b"2")
        assert store.keys() == [RECORD, with_expiry]

    def test_lists_oldest_first_whatever_the_order_of_adding(self, store: Store) -> None:
        for name, age in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
            store.add_key(key(name, age), b"{}")
        listed = store.keys()
        assert [found.id[0] for found in listed] == ["a", "b", "c"]

    def test_refuses_an_id_that_exists_and_then_changes_nothing(self, store: Store) -> None:
        store.add_key(RECORD, b"first")
        before = store.epoch()
        with pytest.raises(ValueError, match=RECORD.id):
            store.add_key(replace(RECORD, name="mallory"), b"second")
        assert store.keys() == [RECORD]
        assert [entry.record for entry in store.outbox(0, 10)] == [b"first"]
        assert store.epoch() == before

    def test_takes_the_record_of_a_change_elsewhere_in_its_order(self, store: Store) -> None:
        store.add_key(RECORD, b"first")
        before = store.epoch()
        store.add_change(b"second")
        store.add_key(key("z"), b"third")
        assert [entry.record for entry in store.outbox(0, 10)] == [b"first", b"second", b"third"]
        assert store.epoch() > before

    def test_revokes_once(self, store: Store) -> None:
        store.add_key(RECORD, b"added")
        assert store.revoke_key(RECORD.id, 1_790_000_100.5, b"revoked")
        assert store.keys() == [replace(RECORD, revoked_at=1_790_000_100.5)]
        before = store.epoch()
        assert not store.revoke_key(RECORD.id, 1_790_000_200.0, b"again")
        assert not store.revoke_key("nobody", 1.0, b"nobody")
        assert store.keys() == [replace(RECORD, revoked_at=1_790_000_100.5)]
        assert store.epoch() == before
        assert [entry.record for entry in store.outbox(0, 10)] == [b"added", b"revoked"]

    def test_epoch_moves_with_every_change_and_with_nothing_else(self, store: Store) -> None:
        seen = [store.epoch()]
        store.add_key(RECORD, b"1")
        seen.append(store.epoch())
        store.revoke_key(RECORD.id, 1.0, b"2")
        seen.append(store.epoch())
        assert len(set(seen)) == 3
        store.keys()
        store.outbox_done(store.outbox(0, 10)[-1].seq)
        assert store.epoch() == seen[-1]

    def test_outbox_pages_in_order(self, store: Store) -> None:
        for number in range(5):
            store.add_key(key(str(number)), f"{number}".encode())
        first = store.outbox(0, 2)
        second = store.outbox(first[-1].seq, 2)
        third = store.outbox(second[-1].seq, 2)
        assert [entry.record for entry in first + second + third] == [b"0", b"1", b"2", b"3", b"4"]

    def test_outbox_forgets_up_to_and_including(self, store: Store) -> None:
        for number in range(3):
            store.add_key(key(str(number)), f"{number}".encode())
        store.outbox_done(store.outbox(0, 10)[1].seq)
        assert [entry.record for entry in store.outbox(0, 10)] == [b"2"]

    def test_outbox_never_uses_a_number_twice(self, store: Store) -> None:
        store.add_key(key("a"), b"a")
        last = store.outbox(0, 1)[0].seq
        store.outbox_done(last)
        store.add_key(key("b"), b"b")
        assert store.outbox(last, 10)[0].record == b"b"

    def test_keeps_what_several_threads_add(self, store: Store) -> None:
        def add(name: str) -> None:
            for number in range(5):
                store.add_key(key(f"{name}{number}"), f"{name}{number}".encode())

        threads = [threading.Thread(target=add, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listed = store.keys()
        added = {found.id for found in listed}
        assert len(added) == 15
        assert {entry.record.decode().ljust(12, "x") for entry in store.outbox(0, 100)} == added
        assert store.epoch() == 15
