"""The digests that an investigator is given are those of the log, and his question is on record first."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
import rfc8785

from doorward.audit import records
from doorward.audit.build import args_of
from doorward.audit.digests import DigestKeys
from doorward.backends.memory.store import MemoryStore
from doorward.control.hashes import Hashed, NoKey, hash_value, quarter
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from tests.support.calls import tool_call
from tests.unit.backends.files.logs import MemoryRing

ME = records.Actor("me", "cli")
NOW = datetime(2026, 8, 1, tzinfo=UTC).timestamp()
PURPOSE = "digest:default:2026q3"


def hashed(
    store: MemoryStore, ring: MemoryRing, data: bytes, at: tuple[int, int] = (2026, 3)
) -> list[Hashed]:
    return hash_value(store, ring, tenant="default", at=at, data=data, actor=ME, now=NOW)


def test_arguments_have_the_digest_that_their_record_has() -> None:
    ring, store = MemoryRing(), MemoryStore()
    recorded = args_of(tool_call("x", {"b": 1.0, "a": "é"}), None, DigestKeys(ring, "default").at(NOW))
    assert recorded is not None
    [found] = hashed(store, ring, b'{ "a": "\\u00e9", "b": 1e0 }')
    assert (found.key, found.canonical) == (recorded.key, recorded.received_hmac)


def test_bytes_are_digested_as_they_are_and_what_is_no_json_only_so() -> None:
    ring = MemoryRing()
    number, key = ring.current(PURPOSE)
    for data in (b"no json", b'{"a": 1.50}', b"\xff", b"[" * 2000, b"NaN", b""):
        [found] = hashed(MemoryStore(), ring, data)
        assert found.key == f"{PURPOSE}:{number}"
        assert found.raw == hmac.new(key, data, hashlib.sha256).hexdigest()
        if data != b'{"a": 1.50}':
            assert found.canonical is None
        else:
            assert found.canonical == hmac.new(key, rfc8785.dumps({"a": 1.5}), hashlib.sha256).hexdigest()


def test_each_version_of_the_key_is_tried() -> None:
    ring = MemoryRing()
    ring.rotate(PURPOSE)
    ring.rotate(PURPOSE)
    found = hashed(MemoryStore(), ring, b"1")
    assert [each.key for each in found] == [f"{PURPOSE}:1", f"{PURPOSE}:2"]
    assert len({each.raw for each in found}) == 2


def test_the_question_is_recorded_without_the_value_or_its_digest() -> None:
    ring, store = MemoryRing(), MemoryStore()
    ring.current(PURPOSE)
    [found] = hashed(store, ring, b'"swordfish"')
    [entry] = store.outbox(0, 10)
    change = records.decode(entry.record)
    assert isinstance(change, records.Change)
    assert (change.action, change.object, change.actor) == ("audit:hash", PURPOSE, ME)
    assert (change.before, change.after) == (None, {"versions": [1]})
    for secret in (b"swordfish", found.raw.encode(), str(found.canonical).encode()):
        assert secret not in entry.record


def test_a_quarter_without_a_key_gets_none_and_no_record() -> None:
    ring, store = MemoryRing(), MemoryStore()
    with pytest.raises(NoKey, match="2026q2"):
        hashed(store, ring, b"1", (2026, 2))
    assert ring.purposes() == ()
    assert store.outbox(0, 10) == []


def test_what_cannot_be_recorded_is_not_answered() -> None:
    class Full(MemoryStore):
        def add_change(self, change: bytes) -> None:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "disk full")

    ring = MemoryRing()
    ring.current(PURPOSE)
    with pytest.raises(GatewayError):
        hashed(Full(), ring, b"1")


def test_quarters() -> None:
    assert [quarter(None, NOW), quarter("2026q4", NOW), quarter("2025Q1", NOW)] == [
        (2026, 3),
        (2026, 4),
        (2025, 1),
    ]
    for text in ("", "q3", "2026", "2026q5", "2026q33", "2026-q3"):
        with pytest.raises(ValueError, match="no quarter"):
            quarter(text, NOW)
