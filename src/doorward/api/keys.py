"""Virtual keys."""

import msgspec

from doorward.api.pages import cut, rested
from doorward.api.route import Call, Page
from doorward.control import key_view, keys
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.ports.store import KeyRecord, OperatorRecord


class EffectiveLimits(msgspec.Struct, frozen=True):
    """What is left once everybody who has a say has had it."""

    servers: tuple[str, ...]
    read_only: bool
    rate: str | None
    networks: tuple[str, ...] | None
    expires_at: float | None


class KeyRow(msgspec.Struct, frozen=True):
    """A key, without its secret. Times in seconds since 1970; null limits nothing."""

    id: str
    name: str
    agent: str
    environment: str
    state: str
    """"live", "revoked", "expired" or "suspended"."""
    cause: str | None
    """Why it is suspended."""
    servers: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    read_only: bool
    rate: str | None
    networks: tuple[str, ...] | None
    created_at: float
    created_by: str
    creator_id: str | None
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    previous_until: float | None
    """How long the secret works that was replaced last."""
    effective: EffectiveLimits
    limits: list[key_view.Limit]
    """The agent's first, then the key's, then its creator's. All of them hold."""


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
    configured, now = plane.configured(), plane.clock()
    made = keys.create_key(plane.store, plane.ring, configured, call.body, by=by, now=now)
    return _with_secret(plane, made)


def listed(plane: Plane, by: Operator, call: Call) -> KeyPage:
    query: KeyQuery = call.query
    found = keys.list_keys(plane, by=by)
    if query.agent is not None:
        found = [record for record in found if record.agent == query.agent]
    operators, configured, now = _operators(plane), plane.configured(), plane.clock()
    ended = key_view.ended_peppers(plane.ring, found)
    if query.state is not None:
        found = [
            record
            for record in rested(found, plane.rest)
            if key_view.state(record, operators, configured, now, ended) == query.state
        ]
    page, cursor = cut(found, query, lambda record: record.id)
    shown = (key_view.effective(record, operators, configured, now, ended) for record in page)
    return KeyPage([_row(each) for each in rested(shown, plane.rest)], cursor)


def show(plane: Plane, by: Operator, call: Call) -> KeyRow:
    configured, now = plane.configured(), plane.clock()
    return _row(key_view.show_key(plane.store, plane.ring, configured, call.path["key"], by=by, now=now))


def change(plane: Plane, by: Operator, call: Call) -> KeyRow:
    configured, wanted, now = plane.configured(), call.path["key"], plane.clock()
    return _shown(plane, keys.change_key(plane.store, configured, wanted, call.body, by=by, now=now))


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
    return _shown(plane, keys.revoke_key(plane.store, call.path["key"], by=by, now=plane.clock()))


def _operators(plane: Plane) -> dict[str, OperatorRecord]:
    return {record.id: record for record in plane.facts().operators}


def _shown(plane: Plane, record: KeyRecord) -> KeyRow:
    ended = key_view.ended_peppers(plane.ring, [record])
    return _row(key_view.effective(record, _operators(plane), plane.configured(), plane.clock(), ended))


def _row(shown: key_view.Effective) -> KeyRow:
    return msgspec.convert(key_view.as_json(shown), type=KeyRow)


def _with_secret(plane: Plane, made: keys.CreatedKey) -> KeyWithSecret:
    shown = key_view.effective(made.record, _operators(plane), plane.configured(), plane.clock())
    return msgspec.convert(key_view.as_json(shown) | {"key": made.text}, type=KeyWithSecret)
