"""Operators, and who one is."""

from typing import Any

import msgspec

from doorward.api.pages import cut
from doorward.api.route import Call, Page
from doorward.control import operators
from doorward.control.plane import Plane
from doorward.control.roles import RIGHTS, Operator, Role
from doorward.ports.store import OperatorRecord


class OperatorRow(msgspec.Struct, frozen=True):
    """An operator. Times in seconds since 1970."""

    id: str
    name: str
    role: str
    state: str
    """"live", "expired" or "removed"."""
    agents: tuple[str, ...] | None
    """Globs; null: all."""
    servers: tuple[str, ...] | None
    created_at: float
    created_by: str
    expires_at: float | None
    removed_at: float | None
    last_used_at: float | None


class OperatorWithToken(OperatorRow, frozen=True):
    """With a new token, which is said this once."""

    token: str


class OperatorPage(msgspec.Struct, frozen=True):
    """Oldest first, removed ones included."""

    operators: list[OperatorRow]
    cursor: str | None


class WantedOperator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new one. Null limits nothing."""

    name: str
    role: str
    agents: tuple[str, ...] | None = None
    servers: tuple[str, ...] | None = None
    expires_at: float | None = None


class Me(msgspec.Struct, frozen=True):
    """Who the token is, and what it may."""

    operator: OperatorRow
    rights: list[str]


def whoami(plane: Plane, by: Operator, _call: Call) -> Me:
    record = operators.find_operator(plane.store, by.id, by=by)
    return Me(_row(plane, record), sorted(RIGHTS[Role(by.role)]))


def show(plane: Plane, by: Operator, call: Call) -> OperatorRow:
    return _row(plane, operators.find_operator(plane.store, call.path["operator"], by=by))


def listed(plane: Plane, by: Operator, call: Call) -> OperatorPage:
    page: Page = call.query
    rows, cursor = cut(operators.list_operators(plane.store, by=by), page, lambda row: row.id)
    return OperatorPage([_row(plane, row) for row in rows], cursor)


def add(plane: Plane, by: Operator, call: Call) -> OperatorWithToken:
    wanted: WantedOperator = call.body
    made = operators.add_operator(
        plane.store, plane.ring, by=by, now=plane.clock(), **msgspec.structs.asdict(wanted)
    )
    return _with_token(plane, made)


def change(plane: Plane, by: Operator, call: Call) -> OperatorRow:
    wanted, now = call.path["operator"], plane.clock()
    with plane.turns:  # or two owners demote each other
        return _row(plane, operators.change_operator(plane.store, wanted, call.body, by=by, now=now))


def rotate(plane: Plane, by: Operator, call: Call) -> OperatorWithToken:
    wanted, now = call.path["operator"], plane.clock()
    return _with_token(plane, operators.rotate_operator(plane.store, plane.ring, wanted, by=by, now=now))


def remove(plane: Plane, by: Operator, call: Call) -> OperatorRow:
    wanted, now = call.path["operator"], plane.clock()
    with plane.turns:
        return _row(plane, operators.remove_operator(plane.store, wanted, by=by, now=now))


def _row(plane: Plane, record: OperatorRecord) -> OperatorRow:
    return OperatorRow(**_members(plane, record))


def _with_token(plane: Plane, made: operators.CreatedOperator) -> OperatorWithToken:
    return OperatorWithToken(**_members(plane, made.record), token=made.text)


def _members(plane: Plane, record: OperatorRecord) -> dict[str, Any]:
    state = "live"
    if record.removed_at is not None:
        state = "removed"
    elif record.expires_at is not None and record.expires_at <= plane.clock():
        state = "expired"
    names = set(OperatorRow.__struct_fields__) - {"state"}
    return {name: getattr(record, name) for name in names} | {"state": state}
