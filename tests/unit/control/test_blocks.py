"""Blocks: who may place and lift which, what is refused, and what is on record."""

from typing import Any

import pytest

from doorward.audit import records
from doorward.backends.memory.store import MemoryStore
from doorward.control import blocks
from doorward.control.errors import Conflict, Forbidden, Unknown
from doorward.control.roles import Operator, Role
from doorward.ports.store import BlockRecord
from tests.contract.store import RECORD

NOW = 1_700_000_000.0


def operator(role: Role = Role.OPERATOR, **limits: tuple[str, ...]) -> Operator:
    return Operator("op_0123456789AB", "anna", role, "api", **limits)


def place(store: MemoryStore, by: Operator | None = None, **said: Any) -> BlockRecord:
    given = {"kind": "agent", "value": "ci", "reason": "leaked", **said}
    return blocks.place_block(store, by=by or operator(), now=NOW, **given)


def test_placed_and_lifted_with_its_records() -> None:
    store = MemoryStore()
    placed = place(store, expires_at=NOW + 60)
    assert blocks.in_force(placed, NOW + 59)
    assert not blocks.in_force(placed, NOW + 60)
    lifted = blocks.lift_block(store, placed.id, by=operator(), now=NOW + 1)
    assert store.blocks() == [lifted]
    assert (lifted.lifted_at, lifted.revision) == (NOW + 1, 1)
    assert blocks.lift_block(store, placed.id, by=operator(), now=NOW + 2) == lifted
    changes = [records.decode(entry.record) for entry in store.outbox(0, 9)]
    assert [change.action for change in changes if isinstance(change, records.Change)] == [
        "block:place",
        "block:lift",
    ]
    (first, _) = changes
    assert isinstance(first, records.Change)
    assert first.object == f"block:{placed.id}"
    assert first.after is not None
    assert (first.after["kind"], first.after["value"], first.after["reason"]) == ("agent", "ci", "leaked")


@pytest.mark.parametrize("role", list(Role))
def test_who_places_and_who_lifts(role: Role) -> None:
    store = MemoryStore()
    placed = place(store)
    if role in {Role.OWNER, Role.OPERATOR, Role.APPROVER}:
        place(store, operator(role))
    else:
        with pytest.raises(Forbidden, match="blocks:place"):
            place(store, operator(role))
    if role in {Role.OWNER, Role.OPERATOR}:
        assert blocks.lift_block(store, placed.id, by=operator(role), now=NOW).lifted_at == NOW
    else:
        with pytest.raises(Forbidden, match="blocks:lift"):
            blocks.lift_block(store, placed.id, by=operator(role), now=NOW)
    if role is Role.VIEWER:
        with pytest.raises(Forbidden, match="blocks:read"):
            blocks.list_blocks(store, by=operator(role))
    else:
        assert blocks.list_blocks(store, by=operator(role))
        assert blocks.find_block(store, placed.id, by=operator(role)).id == placed.id


def test_within_ones_limits() -> None:
    store = MemoryStore()
    store.add_key(RECORD, b"")
    by = operator(agents=(RECORD.agent, "ci"))
    place(store, by)
    place(store, by, kind="key", value=RECORD.id)
    everybodys = place(store, kind="server", value="crm")
    for kind, value in (("agent", "other"), ("key", "0" * 12), ("server", "crm"), ("user", "bert")):
        with pytest.raises(Forbidden):
            place(store, by, kind=kind, value=value)
    with pytest.raises(Forbidden):
        blocks.lift_block(store, everybodys.id, by=by, now=NOW)
    place(store, operator(servers=("crm",)), kind="server", value="crm")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"kind": "tool"}, "tool"),
        ({"value": ""}, "characters"),
        ({"value": "a\n"}, "characters"),
        ({"value": "a" * 513}, "characters"),
        ({"issuer": "https://id.example.com"}, "issuer"),
        ({"expires_at": NOW}, "future"),
    ],
)
def test_bad_values(said: dict[str, Any], text: str) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match=text):
        place(store, **said)
    assert store.facts().epoch == 0


def test_a_long_reason_is_clipped_and_an_unknown_block_unknown() -> None:
    store = MemoryStore()
    assert len(place(store, reason="x" * 1000).reason) == 256
    with pytest.raises(Unknown):
        blocks.lift_block(store, "bl_000000000000", by=operator(), now=NOW)


def test_somebody_else_was_quicker() -> None:
    class Overtaken(MemoryStore):
        def change_block(self, block: BlockRecord, change: bytes) -> bool:
            return False

    store = Overtaken()
    placed = place(store)
    with pytest.raises(Conflict):
        blocks.lift_block(store, placed.id, by=operator(), now=NOW)


def test_those_that_block() -> None:
    store = MemoryStore()
    kept, over = place(store), place(store, expires_at=NOW + 1)
    lifted = blocks.lift_block(store, place(store).id, by=operator(), now=NOW)
    assert {block.id for block in blocks.live_blocks(store.blocks(), NOW)} == {kept.id, over.id}
    assert blocks.live_blocks([lifted, over], NOW + 1) == []
