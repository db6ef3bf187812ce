"""Versions of our own keys: who needs which, what is replaced, what may be ended, and what is on record."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from doorward.audit import records
from doorward.backends.files.ring import FileRing
from doorward.backends.memory.store import MemoryStore
from doorward.control import ring as rings
from doorward.control.errors import Conflict, Forbidden, Unknown
from doorward.control.roles import Operator, Role
from doorward.ports.secrets import VersionEnded
from doorward.ports.store import Previous
from tests.contract.store import RECORD

NOW = 1_795_000_000.0
OWNER = Operator("op_0123456789AB", "anna", Role.OWNER, "cli")


class House:
    """A store, and a ring whose time is ours."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.store = MemoryStore()
        self.ring = FileRing(folder / "secrets.json", clock=lambda: self.now)
        rings.ensure(self.ring, NOW)

    def rotate(self, purpose: str, by: Operator = OWNER, **said: Any) -> rings.Rotated:
        return rings.rotate(self.store, self.ring, purpose, by=by, now=self.now, **said)

    def end(self, purpose: str, number: int, by: Operator = OWNER, *, force: bool = False) -> None:
        rings.end(self.store, self.ring, purpose, number, by=by, now=self.now, force=force)

    def changes(self) -> list[records.Change]:
        found = [records.decode(entry.record) for entry in self.store.outbox(0, 99) if entry.record]
        return [each for each in found if isinstance(each, records.Change)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_every_purpose_is_there_from_the_start(house: House) -> None:
    assert house.ring.purposes() == (
        "checkpoints", "digest:default:2026q4", "pepper", "request-state", "tokens", "vault",
    )  # fmt: skip


@pytest.mark.parametrize("purpose", ["request-state", "tokens", "vault"])
def test_what_was_made_with_the_old_one_counts_for_as_long_as_it_would(house: House, purpose: str) -> None:
    old = house.ring.version(purpose, 1)
    rotated = house.rotate(purpose)
    assert (rotated.before, rotated.after, rotated.ends) == (1, 2, NOW + rings.OVERLAPS[purpose])
    assert house.ring.current(purpose)[0] == 2
    house.now = NOW + rings.OVERLAPS[purpose] - 1
    assert house.ring.version(purpose, 1) == old
    house.now += 1
    with pytest.raises(VersionEnded):
        house.ring.version(purpose, 1)
    assert house.rotate(purpose, overlap_s=0.0).ends == house.now
    with pytest.raises(VersionEnded):
        house.ring.version(purpose, 2)
    assert house.changes()[0].after == {
        "version": 2,
        "previous_until": NOW + rings.OVERLAPS[purpose],
    }


def test_digests_are_compared_for_ever(house: House) -> None:
    rotated = house.rotate("digest")
    assert (rotated.purpose, rotated.ends) == ("digest:default:2026q4", None)
    with pytest.raises(ValueError, match="no version of them ends"):
        house.rotate("digest", overlap_s=1.0)
    with pytest.raises(ValueError, match="only versions of"):
        house.end("digest:default:2026q4", 1)
    with pytest.raises(ValueError, match="no key is rotated as"):
        house.rotate("checkpoints")


def test_who_needs_which_pepper(house: House) -> None:
    key = replace(RECORD, pepper_version=1, expires_at=NOW + 10)
    house.store.add_key(key, b"")
    house.store.add_key(replace(key, id="r" * 12, revoked_at=NOW), b"")
    house.store.add_key(replace(key, id="x" * 12, expires_at=NOW), b"")
    overlapping = Previous(b"", 1, NOW + 5)
    house.store.add_key(replace(key, id="o" * 12, pepper_version=2, previous=overlapping), b"")
    assert rings.needed(house.store.facts(), NOW) == {1: 2, 2: 1}
    assert rings.needed(house.store.facts(), NOW + 5) == {1: 1, 2: 1}
    assert rings.needed(house.store.facts(), NOW + 10) == {}


def test_a_pepper_that_is_needed_is_not_ended_but_by_force(house: House) -> None:
    house.store.add_key(replace(RECORD, pepper_version=1, expires_at=NOW + 10), b"")
    rotated = house.rotate("pepper")
    assert (rotated.ends, rotated.needed) == (None, 1)
    epoch = house.store.epoch()
    with pytest.raises(Conflict, match="1 keys and tokens"):
        house.end("pepper", 1)
    assert house.store.epoch() == epoch
    assert house.ring.version("pepper", 1)
    house.end("pepper", 1, force=True)
    with pytest.raises(VersionEnded):
        house.ring.version("pepper", 1)
    [rotation, ended] = house.changes()
    assert (rotation.action, ended.action, ended.before) == (
        "secret:rotate",
        "secret:end",
        {"version": 1, "needed": 1},
    )


def test_a_rotation_does_not_end_at_once_what_is_needed(house: House) -> None:
    house.store.add_key(replace(RECORD, pepper_version=1, expires_at=NOW + 10), b"")
    with pytest.raises(Conflict, match="worth nothing at once"):
        house.rotate("pepper", overlap_s=0.0)
    assert (house.changes(), len(house.ring.versions("pepper"))) == ([], 1)
    house.now = NOW + 10
    assert house.rotate("pepper", overlap_s=0.0).ends == NOW + 10


def test_one_that_nobody_needs_is_ended_and_the_newest_never(house: House) -> None:
    house.rotate("pepper")
    house.end("pepper", 1)
    with pytest.raises(Conflict, match="in use"):
        house.end("pepper", 2, force=True)
    with pytest.raises(Unknown, match="no version 7"):
        house.end("pepper", 7)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_owners_only(house: House, role: Role) -> None:
    by = Operator("op_0123456789AC", "bert", role, "cli")
    for doing in (
        lambda: house.rotate("vault", by),
        lambda: house.end("vault", 1, by),
        lambda: rings.exported(house.store, house.ring, by=by, now=NOW),
    ):
        with pytest.raises(Forbidden):
            doing()
    assert house.store.epoch() == 0


def test_an_export_is_on_record_without_a_key(house: House) -> None:
    rings.exported(house.store, house.ring, by=OWNER, now=NOW)
    [change] = house.changes()
    assert change.action == "secret:export"
    assert change.after is not None
    assert change.after["pepper"] == [1]
