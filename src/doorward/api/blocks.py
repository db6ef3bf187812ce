"""Blocks."""

import msgspec

from doorward.api.pages import cut
from doorward.api.route import Call, Page
from doorward.control import blocks
from doorward.control.affected import affected
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.ports.store import BlockRecord


class BlockRow(msgspec.Struct, frozen=True):
    """A block. Times in seconds since 1970."""

    id: str
    kind: str
    value: str
    issuer: str | None
    reason: str
    in_force: bool
    created_at: float
    created_by: str
    expires_at: float | None
    lifted_at: float | None


class PlacedBlock(BlockRow, frozen=True):
    """With the agents that the configuration and the store know to be concerned."""

    agents: list[str]


class BlockPage(msgspec.Struct, frozen=True):
    """Oldest first."""

    blocks: list[BlockRow]
    cursor: str | None


class BlockQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`all`: also those that were lifted or have ended."""

    all: bool = False


class WantedBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new one: of a server, agent, key, user, client, jti or sid. Null ends never."""

    kind: str
    value: str
    reason: str = ""
    issuer: str | None = None
    """Of a user, client, jti or sid; null: any."""
    expires_at: float | None = None


def place(plane: Plane, by: Operator, call: Call) -> PlacedBlock:
    wanted: WantedBlock = call.body
    said, configured = msgspec.structs.asdict(wanted), plane.configured()
    record = blocks.place_block(plane.store, by=by, now=plane.clock(), configured=configured, **said)
    agents = affected(record.kind, record.value, configured.agents.values(), plane.facts().keys)
    return PlacedBlock(**msgspec.structs.asdict(_row(plane, record)), agents=agents)


def lift(plane: Plane, by: Operator, call: Call) -> BlockRow:
    return _row(plane, blocks.lift_block(plane.store, call.path["block"], by=by, now=plane.clock()))


def show(plane: Plane, by: Operator, call: Call) -> BlockRow:
    return _row(plane, blocks.find_block(plane.store, call.path["block"], by=by))


def listed(plane: Plane, by: Operator, call: Call) -> BlockPage:
    query: BlockQuery = call.query
    found = blocks.list_blocks(plane.store, by=by)
    if not query.all:
        found = blocks.live_blocks(found, plane.clock())
    rows, cursor = cut(found, query, lambda row: row.id)
    return BlockPage([_row(plane, row) for row in rows], cursor)


def _row(plane: Plane, record: BlockRecord) -> BlockRow:
    names = set(BlockRow.__struct_fields__) - {"in_force"}
    said = {name: getattr(record, name) for name in names}
    return BlockRow(**said, in_force=blocks.in_force(record, plane.clock()))
