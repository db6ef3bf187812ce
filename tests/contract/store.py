"""What every Store owes (ports/store.py). A backend's test file subclasses `StoreContract`."""

import threading

import pytest
from msgspec.structs import replace

from doorward.ports.store import BlockRecord, KeyRecord, OperatorRecord, Previous, Store

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
NARROWED = replace(
    RECORD,
    id="CCCCCCCCCCCC",
    created_at=RECORD.created_at + 2,
    creator_id="op_CCCCCCCCCCCC",
    servers=("crm", "git*"),
    tools=(),
    read_only=True,
    rate="100/min",
    networks=("10.0.0.0/8", "2001:db8::/32"),
    previous=Previous(bytes(range(32, 64)), 2, 1_790_000_200.5),
    last_used_at=1_790_000_100.75,
)
OPERATOR = OperatorRecord(
    id="op_AAAAAAAAAAAA",
    name="anna",
    role="operator",
    digest=bytes(range(64, 96)),
    pepper_version=3,
    created_at=1_790_000_000.5,
    created_by="owner",
    agents=("ci", "dev-*"),
    servers=("git*",),
    expires_at=1_800_000_000.0,
)
BLOCK = BlockRecord(
    id="bl_AAAAAAAAAAAA",
    kind="user",
    value="ann\u00e4",
    reason="left the house",
    created_at=1_790_000_001.5,
    created_by="anna",
    issuer="https://id.example.com",
    expires_at=1_790_003_600.0,
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

    def test_returns_whatever_a_key_narrows(self, store: Store) -> None:
        nothing_left = replace(NARROWED, id="DDDDDDDDDDDD", created_at=NARROWED.created_at + 1, servers=())
        store.add_key(NARROWED, b"1")
        store.add_key(nothing_left, b"2")
        assert store.keys() == [NARROWED, nothing_left]

    def test_changes_a_key_that_is_still_as_it_was_read(self, store: Store) -> None:
        store.add_key(RECORD, b"added")
        wanted = replace(
            NARROWED,
            id=RECORD.id,
            created_at=RECORD.created_at,
            last_used_at=None,
            revoked_at=1_790_000_100.5,
        )
        assert store.change_key(wanted, b"changed")
        assert store.keys() == [replace(wanted, revision=1)]
        before = store.epoch()
        assert not store.change_key(replace(wanted, name="mallory"), b"too late")
        assert not store.change_key(replace(wanted, id="nobody"), b"nobody")
        assert store.keys() == [replace(wanted, revision=1)]
        assert store.epoch() == before
        assert [entry.record for entry in store.outbox(0, 10)] == [b"added", b"changed"]
        assert store.change_key(replace(wanted, revision=1, revoked_at=None), b"again")
        assert store.keys() == [replace(wanted, revision=2, revoked_at=None)]

    def test_a_change_leaves_creation_and_last_use_alone(self, store: Store) -> None:
        store.add_key(RECORD, b"added")
        store.touch({RECORD.id: 5.0})
        assert store.change_key(replace(RECORD, created_at=1.0, last_used_at=2.0, name="bob"), b"changed")
        assert store.keys() == [replace(RECORD, name="bob", last_used_at=5.0, revision=1)]

    def test_only_one_of_two_changes_of_the_same_reading_succeeds(self, store: Store) -> None:
        store.add_key(RECORD, b"added")
        done: list[bool] = []

        def change(name: str) -> None:
            done.append(store.change_key(replace(RECORD, name=name), name.encode()))

        threads = [threading.Thread(target=change, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [False, False, False, True]
        [key] = store.keys()
        assert [entry.record for entry in store.outbox(0, 10)] == [b"added", key.name.encode()]

    def test_keeps_operators(self, store: Store) -> None:
        other = replace(OPERATOR, id="op_BBBBBBBBBBBB", name="bea", agents=None, servers=(), created_at=1.0)
        store.add_operator(OPERATOR, b"1")
        store.add_operator(other, b"2")
        assert store.operators() == [other, OPERATOR]
        removed = replace(OPERATOR, removed_at=1_790_000_500.0)
        before = store.epoch()
        assert store.change_operator(removed, b"3")
        assert not store.change_operator(removed, b"4")
        assert store.operators() == [other, replace(removed, revision=1)]
        assert store.epoch() > before
        assert [entry.record for entry in store.outbox(0, 10)] == [b"1", b"2", b"3"]

    def test_two_operators_never_have_one_name(self, store: Store) -> None:
        same = replace(OPERATOR, id="op_BBBBBBBBBBBB", created_at=OPERATOR.created_at + 1)
        other = replace(same, id="op_CCCCCCCCCCCC", name="bea")
        store.add_operator(OPERATOR, b"1")
        store.add_operator(other, b"2")
        before = store.epoch()
        with pytest.raises(ValueError, match="anna"):
            store.add_operator(same, b"3")
        with pytest.raises(ValueError, match="anna"):
            store.change_operator(replace(other, name="anna"), b"4")
        with pytest.raises(ValueError, match=OPERATOR.id):
            store.add_operator(replace(OPERATOR, name="carl"), b"5")
        assert (store.epoch(), store.operators()) == (before, [OPERATOR, other])
        assert store.change_operator(replace(OPERATOR, removed_at=7.0), b"6")
        store.add_operator(same, b"7")
        assert [entry.record for entry in store.outbox(0, 10)] == [b"1", b"2", b"6", b"7"]

    def test_keeps_blocks(self, store: Store) -> None:
        bare = BlockRecord(
            id="bl_BBBBBBBBBBBB", kind="server", value="crm", reason="", created_at=1.0, created_by="anna"
        )
        store.add_block(BLOCK, b"1")
        store.add_block(bare, b"2")
        assert store.blocks() == [bare, BLOCK]
        with pytest.raises(ValueError, match=BLOCK.id):
            store.add_block(BLOCK, b"again")
        lifted = replace(BLOCK, lifted_at=1_790_000_500.0)
        assert store.change_block(lifted, b"3")
        assert not store.change_block(lifted, b"4")
        assert store.blocks() == [bare, replace(lifted, revision=1)]
        assert [entry.record for entry in store.outbox(0, 10)] == [b"1", b"2", b"3"]

    def test_tells_everything_at_once(self, store: Store) -> None:
        store.add_key(RECORD, b"1")
        store.add_key(NARROWED, b"2")
        store.add_operator(OPERATOR, b"3")
        store.add_block(BLOCK, b"4")
        facts = store.facts()
        assert facts.epoch == store.epoch()
        assert (facts.keys, facts.operators, facts.blocks) == ((RECORD, NARROWED), (OPERATOR,), (BLOCK,))

    def test_remembers_the_last_use_and_calls_it_no_change(self, store: Store) -> None:
        store.add_key(RECORD, b"1")
        store.add_key(key("z"), b"2")
        store.add_operator(OPERATOR, b"3")
        before = store.facts()
        store.touch({})
        store.touch({RECORD.id: 1_790_000_007.5, OPERATOR.id: 1_790_000_008.5, "nobody": 1.0})
        store.touch({RECORD.id: 1_790_000_001.5})  # a gateway whose clock is behind
        facts = store.facts()
        assert facts.epoch == before.epoch
        assert {one.id: one.last_used_at for one in facts.keys} == {
            RECORD.id: 1_790_000_007.5,
            key("z").id: None,
        }
        assert facts.operators == (replace(OPERATOR, last_used_at=1_790_000_008.5),)
        assert len(store.outbox(0, 10)) == 3

    def test_epoch_moves_with_every_change_and_with_nothing_else(self, store: Store) -> None:
        seen = [store.epoch()]
        store.add_key(RECORD, b"1")
        seen.append(store.epoch())
        store.change_key(replace(RECORD, revoked_at=1.0), b"2")
        seen.append(store.epoch())
        store.add_operator(OPERATOR, b"3")
        seen.append(store.epoch())
        store.add_block(BLOCK, b"4")
        seen.append(store.epoch())
        assert len(set(seen)) == 5
        store.facts()
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
