"""Virtual keys."""

from typing import Any

import msgspec

from doorward.api.pages import cut
from doorward.api.route import Call, Page
from doorward.control import key_view, keys
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.ports.store import KeyRecord


class KeyRow(msgspec.Struct, frozen=True):
    """A key, without its secret. Times in seconds since 1970; null limits nothing."""

    id: str
    name: str
    agent: str
    environment: str
    state: str
    """"live", "revoked", "expired" or "suspended"."""
    servers: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    read_only: bool
    rate: str | None
    networks: tuple[str, ...] | None
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    previous_until: float | None
    """How long the secret works that was replaced last."""


class KeyWithSecret(KeyRow, frozen=True):
    """With a new secret: `key` is what its caller presents, and is said this once."""

    key: str


class KeyPage(msgspec.Struct, frozen=True):
    """Oldest first, revoked ones included."""

    keys: list[KeyRow]
    cursor: str | None


class KeyQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which keys."""

    agent: str | None = None
    state: str | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a secret is replaced."""

    overlap_s: float = keys.OVERLAP_S
    """How long the old one works on, in seconds."""
    expires_at: float | msgspec.UnsetType | None = msgspec.UNSET
    """When the key ends; left out: when it would have ended anyway."""


def create(plane: Plane, by: Operator, call: Call) -> KeyWithSecret:
    made = keys.create_key(plane.store, plane.ring, plane.configured(), call.body, by=by, now=plane.clock())
    return _with_secret(plane, made)


def listed(plane: Plane, by: Operator, call: Call) -> KeyPage:
    query: KeyQuery = call.query
    found = keys.list_keys(plane.store, by=by)
    if query.agent is not None:
        found = [record for record in found if record.agent == query.agent]
    if query.state is not None:
        state = _states(plane)
        found = [record for record in found if state(record) == query.state]
    rows, cursor = cut(found, query, lambda row: row.id)
    state = _states(plane)
    return KeyPage([KeyRow(**_members(record, state(record))) for record in rows], cursor)


def show(plane: Plane, by: Operator, call: Call) -> dict[str, Any]:
    shown = key_view.show_key(plane.store, plane.configured(), call.path["key"], by=by, now=plane.clock())
    return key_view.as_json(shown)


def change(plane: Plane, by: Operator, call: Call) -> KeyRow:
    record = keys.change_key(
        plane.store, plane.configured(), call.path["key"], call.body, by=by, now=plane.clock()
    )
    return _row(plane, record)


def rotate(plane: Plane, by: Operator, call: Call) -> KeyWithSecret:
    rotation: Rotation = call.body
    made = keys.rotate_key(
        plane.store,
        plane.ring,
        plane.configured(),
        call.path["key"],
        by=by,
        now=plane.clock(),
        overlap_s=rotation.overlap_s,
        expires_at=rotation.expires_at,
    )
    return _with_secret(plane, made)


def revoke(plane: Plane, by: Operator, call: Call) -> KeyRow:
    return _row(plane, keys.revoke_key(plane.store, call.path["key"], by=by, now=plane.clock()))


def _states(plane: Plane) -> Any:
    """Says of a record in which state it is."""
    operators = {record.id: record for record in plane.facts().operators}
    configured, now = plane.configured(), plane.clock()
    return lambda record: key_view.state(record, operators, configured, now)


def _row(plane: Plane, record: KeyRecord) -> KeyRow:
    return KeyRow(**_members(record, _states(plane)(record)))


def _with_secret(plane: Plane, made: keys.CreatedKey) -> KeyWithSecret:
    return KeyWithSecret(**_members(made.record, _states(plane)(made.record)), key=made.text)


def _members(record: KeyRecord, state: str) -> dict[str, Any]:
    said = ("created_at", "created_by", "last_used_at")
    return keys.public(record) | {name: getattr(record, name) for name in said} | {"state": state}
