"""Operators: who may administer, and with which token. Nobody hands out more than they have."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from doorward.audit.records import Actor
from doorward.control import operator_rules as rules
from doorward.control.changes import change_record
from doorward.control.errors import Conflict, Unknown
from doorward.control.roles import Operator, Right, Role
from doorward.identity import keys, operators
from doorward.ports.secrets import SecretRing
from doorward.ports.store import OperatorRecord, Store

CREATED: Final = "operator:create"
CHANGED: Final = "operator:change"
ROTATED: Final = "operator:rotate"
REMOVED: Final = "operator:remove"
FIRST: Final = "owner"
"""What the operator is called that the first start makes."""


class CreatedOperator(msgspec.Struct, frozen=True):
    """With a new token, which can be shown now and never again."""

    record: OperatorRecord
    text: str


class Change(msgspec.Struct, frozen=True):
    """What becomes of an operator. UNSET leaves as it is, None takes a limit away."""

    role: str | msgspec.UnsetType = msgspec.UNSET
    agents: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    servers: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: float | msgspec.UnsetType | None = msgspec.UNSET


def bootstrap(
    store: Store, ring: SecretRing, *, actor: Actor, now: float, name: str = FIRST
) -> CreatedOperator:
    """The first owner, without limits and for good; nobody has to be asked. Raises
    GatewayError(STORE_UNAVAILABLE), ValueError when there is an operator of this name."""
    made = _made(ring, name, Role.OWNER, actor.subject, now)
    _add(store, made.record, actor, now)
    return made


def first_owner(store: Store) -> bool:
    """Whether there has never been an operator. Raises GatewayError(STORE_UNAVAILABLE)."""
    return not store.operators()


def add_operator(
    store: Store,
    ring: SecretRing,
    *,
    by: Operator,
    name: str,
    role: str,
    now: float,
    agents: Sequence[str] | None = None,
    servers: Sequence[str] | None = None,
    expires_at: float | None = None,
) -> CreatedOperator:
    """Raises Forbidden, Conflict for a name that is taken, ValueError, GatewayError(STORE_UNAVAILABLE)."""
    by.require_all(Right.OPERATORS_CHANGE)
    made = _made(ring, name, rules.role(role), by.name, now)
    record = msgspec.structs.replace(
        made.record,
        agents=rules.globs(agents, "agents"),
        servers=rules.globs(servers, "servers"),
        expires_at=rules.expiry(by, expires_at, now),
    )
    _name_is_free(store, name)
    _add(store, record, by.actor, now)
    return CreatedOperator(record, made.text)


def list_operators(store: Store, *, by: Operator) -> list[OperatorRecord]:
    """Oldest first, removed ones included. Raises Forbidden, GatewayError(STORE_UNAVAILABLE)."""
    by.require(Right.OPERATORS_READ)
    return store.operators()


def find_operator(store: Store, wanted: str, *, by: Operator) -> OperatorRecord:
    """By id or name; everybody may look at oneself. Raises Forbidden, Unknown,
    GatewayError(STORE_UNAVAILABLE)."""
    if wanted not in (by.id, by.name):
        by.require(Right.OPERATORS_READ)
    return _find(store, wanted)


def change_operator(store: Store, wanted: str, change: Change, *, by: Operator, now: float) -> OperatorRecord:
    """Raises Forbidden, Unknown, Conflict, ValueError, GatewayError(STORE_UNAVAILABLE)."""
    by.require_all(Right.OPERATORS_CHANGE)
    before = _live(store, wanted)
    after = before
    if change.role is not msgspec.UNSET:
        after = msgspec.structs.replace(after, role=rules.role(change.role))
    if change.agents is not msgspec.UNSET:
        after = msgspec.structs.replace(after, agents=rules.globs(change.agents, "agents"))
    if change.servers is not msgspec.UNSET:
        after = msgspec.structs.replace(after, servers=rules.globs(change.servers, "servers"))
    if change.expires_at is not msgspec.UNSET:
        after = msgspec.structs.replace(after, expires_at=rules.expiry(by, change.expires_at, now))
    if after == before:
        return before
    rules.outlives(by, after.expires_at)  # or who has a day makes an owner of somebody who stays
    rules.owner_is_left(store.operators(), after)
    return _put(store, CHANGED, (before, after), by, now)


def rotate_operator(
    store: Store, ring: SecretRing, wanted: str, *, by: Operator, now: float
) -> CreatedOperator:
    """A new token in the place of the old one, which is worth nothing from now on. Everybody may replace
    their own. Raises Forbidden, Unknown, Conflict, GatewayError(STORE_UNAVAILABLE)."""
    own = wanted in (by.id, by.name)
    if not own:
        by.require_all(Right.OPERATORS_CHANGE)
    before = _live(store, wanted)
    if not own:
        rules.outlives(by, before.expires_at)
    token = operators.mint(before.id)
    version, pepper = ring.current("pepper")
    digest = keys.digest(pepper, token.secret)
    after = msgspec.structs.replace(before, digest=digest, pepper_version=version)
    return CreatedOperator(_put(store, ROTATED, (before, after), by, now), token.text)


def remove_operator(store: Store, wanted: str, *, by: Operator, now: float) -> OperatorRecord:
    """For good; one that was removed before stays as it was. Raises Forbidden, Unknown, Conflict for the last
    owner, GatewayError(STORE_UNAVAILABLE)."""
    by.require_all(Right.OPERATORS_CHANGE)
    before = _find(store, wanted)
    if before.removed_at is not None:
        return before
    after = msgspec.structs.replace(before, removed_at=now)
    rules.owner_is_left(store.operators(), after)
    return _put(store, REMOVED, (before, after), by, now)


def _made(ring: SecretRing, name: str, role: Role, created_by: str, now: float) -> CreatedOperator:
    rules.check_name(name)
    token = operators.mint()
    version, pepper = ring.current("pepper")
    record = OperatorRecord(
        id=token.id,
        name=name,
        role=role.value,
        digest=keys.digest(pepper, token.secret),
        pepper_version=version,
        created_at=now,
        created_by=created_by,
    )
    return CreatedOperator(record, token.text)


def _name_is_free(store: Store, name: str) -> None:
    if any(record.name == name and record.removed_at is None for record in store.operators()):
        raise Conflict(f"there is an operator named {name!r}", "remove it first, or take another name")


def _find(store: Store, wanted: str) -> OperatorRecord:
    """A live one before a removed one of the same name."""
    found = [record for record in store.operators() if wanted in (record.id, record.name)]
    if not found:
        raise Unknown("there is no operator of this name or id", "doorward operators list shows them")
    return next((record for record in found if record.removed_at is None), found[-1])


def _live(store: Store, wanted: str) -> OperatorRecord:
    found = _find(store, wanted)
    if found.removed_at is not None:
        raise Conflict(f"operator {found.name} was removed", "removed is for good: add another")
    return found


def _add(store: Store, record: OperatorRecord, actor: Actor, now: float) -> None:
    change = change_record(CREATED, f"operator:{record.id}", actor, now, None, public(record))
    store.add_operator(record, change)


def _put(
    store: Store, action: str, change: tuple[OperatorRecord, OperatorRecord], by: Operator, now: float
) -> OperatorRecord:
    """`change`: before and after. Raises Conflict when somebody else was quicker."""
    before, after = change
    record = change_record(action, f"operator:{after.id}", by.actor, now, public(before), public(after))
    if not store.change_operator(after, record):
        raise Conflict(f"operator {after.name} was changed meanwhile", "look at it again, then repeat")
    return msgspec.structs.replace(after, revision=after.revision + 1)


def public(record: OperatorRecord) -> dict[str, Any]:
    """What may stand in the log: everything but the digest."""
    names = ("id", "name", "role", "agents", "servers", "expires_at", "removed_at")
    return {name: getattr(record, name) for name in names}
