import json

import pytest

from doorward.audit.records import Actor
from doorward.backends.memory.store import MemoryStore
from doorward.control.keys import KeyUnknown, create_key, list_keys, revoke_key
from doorward.identity import keys
from doorward.ports.store import KeyRecord

OPERATOR = Actor("root@laptop", "cli")
NOW = 1_790_000_000.0


class Ring:
    def current(self, purpose: str) -> tuple[int, bytes]:
        assert purpose == "pepper"
        return 4, b"p" * 32

    def version(self, purpose: str, number: int) -> bytes:
        raise NotImplementedError


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def create(store: MemoryStore, name: str = "alice", expires_at: float | None = None) -> tuple[KeyRecord, str]:
    made = create_key(store, Ring(), agent="coder", name=name, actor=OPERATOR, now=NOW, expires_at=expires_at)
    return made.record, made.text


def test_a_created_key_is_stored_without_its_secret(store: MemoryStore) -> None:
    record, text = create(store, expires_at=NOW + 60)
    secret = keys.parse(text).secret
    assert list_keys(store) == [record]
    assert keys.matches(record.digest, b"p" * 32, secret)
    assert (record.pepper_version, record.created_by, record.expires_at) == (4, "root@laptop", NOW + 60)
    assert secret.encode() not in store.outbox(0, 10)[0].record


def test_creation_leaves_its_change_record(store: MemoryStore) -> None:
    record, _ = create(store)
    change = json.loads(store.outbox(0, 10)[0].record)
    assert (change["kind"], change["action"], change["object"]) == (
        "change",
        "key:create",
        f"key:{record.id}",
    )
    assert change["actor"] == {"subject": "root@laptop", "method": "cli"}
    assert change["after"]["agent"] == "coder"
    assert "before" not in change
    assert record.digest.hex() not in str(change)


@pytest.mark.parametrize("name", ["", "a|b", "a b", "-a", "a\n", "x" * 65, "é"])
def test_refuses_names_that_cannot_be_a_subject(store: MemoryStore, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        create(store, name)
    assert store.keys() == []


@pytest.mark.parametrize("expires_at", [NOW, NOW - 1, float("inf"), float("nan")])
def test_refuses_an_expiry_that_is_not_in_the_future(store: MemoryStore, expires_at: float) -> None:
    with pytest.raises(ValueError, match="expires"):
        create(store, expires_at=expires_at)
    assert store.epoch() == 0


def test_refuses_an_unknown_environment(store: MemoryStore) -> None:
    with pytest.raises(ValueError, match="prod"):
        create_key(store, Ring(), agent="a", name="a", actor=OPERATOR, now=NOW, environment="prod")


def test_revocation_leaves_its_change_record(store: MemoryStore) -> None:
    record, _ = create(store)
    revoked = revoke_key(store, record.id, actor=OPERATOR, now=NOW + 5)
    assert revoked.revoked_at == NOW + 5
    change = json.loads(store.outbox(0, 10)[1].record)
    assert (change["action"], change["object"]) == ("key:revoke", f"key:{record.id}")
    assert (change["before"]["revoked_at"], change["after"]["revoked_at"]) == (None, NOW + 5)


def test_revoking_again_changes_nothing(store: MemoryStore) -> None:
    record, _ = create(store)
    first = revoke_key(store, record.id, actor=OPERATOR, now=NOW + 5)
    assert revoke_key(store, record.id, actor=OPERATOR, now=NOW + 9) == first
    assert len(store.outbox(0, 10)) == 2


def test_a_key_that_was_found_somewhere_can_be_revoked_as_it_is(store: MemoryStore) -> None:
    for cut in (None, len("dw_live_") + 12, -6):
        record, text = create(store)
        assert revoke_key(store, text[:cut], actor=OPERATOR, now=NOW + 5).id == record.id


def test_an_unknown_key_cannot_be_revoked(store: MemoryStore) -> None:
    with pytest.raises(KeyUnknown):
        revoke_key(store, "AAAAAAAAAAAA", actor=OPERATOR, now=NOW)
    assert store.epoch() == 0
