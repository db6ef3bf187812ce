"""Virtual keys: make, change, replace the secret of, revoke. Nobody hands out more than they have."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from doorward.control import key_rules as rules
from doorward.control.changes import change_record
from doorward.control.errors import Conflict, Unknown
from doorward.control.key_rules import Configured
from doorward.control.roles import Operator, Right
from doorward.identity import keys
from doorward.model.globs import matches
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Previous, Store

CREATED: Final = "key:create"
CHANGED: Final = "key:change"
ROTATED: Final = "key:rotate"
REVOKED: Final = "key:revoke"
OVERLAP_S: Final = 86400.0
"""How long a replaced secret works on, where nobody said how long."""
LONGEST_OVERLAP_S: Final = 30 * 86400.0
_ATTEMPTS: Final = 10


class CreatedKey(msgspec.Struct, frozen=True):
    """A key with a new secret. `text` is what the caller presents; it can be shown now and never again."""

    record: KeyRecord
    text: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key shall be. None does not narrow."""

    agent: str
    name: str | None = None
    """Default: that of the agent."""
    environment: str = "live"
    servers: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    read_only: bool = False
    rate: str | None = None
    networks: tuple[str, ...] | None = None
    expires_at: float | UnsetType | None = UNSET
    """Seconds since 1970; None: never. Default: in 90 days, or with the time of who makes it."""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a key. UNSET leaves as it is, None takes a limit away."""

    servers: tuple[str, ...] | UnsetType | None = UNSET
    tools: tuple[str, ...] | UnsetType | None = UNSET
    read_only: bool | UnsetType = UNSET
    rate: str | UnsetType | None = UNSET
    networks: tuple[str, ...] | UnsetType | None = UNSET
    expires_at: float | UnsetType | None = UNSET


class KeptKeys(Protocol):
    """As much of a store as a list needs."""

    def keys(self) -> Sequence[KeyRecord]:
        """See ports.Store."""
        ...


def create_key(
    store: Store, ring: SecretRing, configured: Configured, wanted: Wanted, *, by: Operator, now: float
) -> CreatedKey:
    """A key of an agent, whose principal's subject is its name. `now`: seconds since 1970.

    Raises ValueError for what cannot be, or what the agent does not have; Forbidden for what `by` may not
    hand out; Unknown for the agent; GatewayError(STORE_UNAVAILABLE).
    """
    by.require_agent(Right.KEYS_CREATE, wanted.agent)
    agent = configured.agent(wanted.agent)
    name = wanted.name or wanted.agent
    rules.check_name(name)
    expires_at = rules.expiry(by, wanted.expires_at, now)
    key = keys.mint(wanted.environment)
    version, pepper = ring.current("pepper")
    record = KeyRecord(
        id=key.id,
        name=name,
        agent=agent.name,
        environment=key.environment,
        digest=keys.digest(pepper, key.secret),
        pepper_version=version,
        created_at=now,
        created_by=by.name,
        expires_at=expires_at,
        revoked_at=None,
        creator_id=by.id or None,
        servers=rules.server_globs(wanted.servers),
        tools=rules.tool_globs(wanted.tools),
        read_only=wanted.read_only,
        rate=rules.rate(wanted.rate),
        networks=rules.networks(wanted.networks),
    )
    _within_agent(record, configured, servers=True, tools=True, rate=True)
    rules.check_hand_out(by, Right.KEYS_CREATE, record, configured)
    store.add_key(record, _change(CREATED, by, now, before=None, after=record))
    return CreatedKey(record, key.text)


def list_keys(store: KeptKeys, *, by: Operator) -> list[KeyRecord]:
    """All keys of the agents that `by` has to do with, oldest first, revoked ones included. Raises Forbidden,
    GatewayError(STORE_UNAVAILABLE)."""
    by.require(Right.KEYS_READ)
    records = store.keys()
    return [record for record in records if _concerns(by, record)]


def find_key(store: Store, key_id: str, *, by: Operator) -> KeyRecord:
    """`key_id`: the id, or the key itself, whole or cut off after its id: that is what one finds of a leaked
    one.

    Raises Forbidden, Unknown, GatewayError(STORE_UNAVAILABLE).
    """
    by.require(Right.KEYS_READ)
    record = _find(store, key_id)
    by.require_agent(Right.KEYS_READ, record.agent)
    return record


def change_key(
    store: Store, configured: Configured, key_id: str, change: Change, *, by: Operator, now: float
) -> KeyRecord:
    """The key as it is from now on. What is left as it is need not fit an agent that has changed since.

    Raises ValueError, Forbidden, Unknown, Conflict for a revoked key, GatewayError(STORE_UNAVAILABLE).
    """
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    checked: dict[str, Any] = dict(given)
    for name, check in _CHECKS.items():
        if name in given:
            checked[name] = check(given[name])

    def changed(before: KeyRecord) -> KeyRecord:
        rules.check_hand_out(by, Right.KEYS_CHANGE, before, configured)
        _not_revoked(before)
        if "expires_at" in given:
            checked["expires_at"] = rules.expiry(by, given["expires_at"], now)
        after = replace(before, **checked)
        if configured.agents.get(before.agent) is not None:
            wider = "servers" in given
            _within_agent(after, configured, servers=wider, tools="tools" in given, rate="rate" in given)
        rules.check_hand_out(by, Right.KEYS_CHANGE, after, configured)
        return after

    return _put(store, key_id, CHANGED, changed, by, now)


def rotate_key(
    store: Store,
    ring: SecretRing,
    configured: Configured,
    key_id: str,
    *,
    by: Operator,
    now: float,
    overlap_s: float = OVERLAP_S,
    expires_at: float | UnsetType | None = UNSET,
) -> CreatedKey:
    """The same key with a new secret; the old one works for `overlap_s` seconds more. It ends when it would
    have ended, unless `expires_at` (seconds since 1970, None: never) says otherwise.

    Raises ValueError, Forbidden, Unknown, Conflict for a revoked or expired key and while two secrets are
    live, GatewayError(STORE_UNAVAILABLE).
    """
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise ValueError("the old secret works on for 30 days at most")
    version, pepper = ring.current("pepper")
    minted = keys.mint("live")

    def rotated(before: KeyRecord) -> KeyRecord:
        rules.check_hand_out(by, Right.KEYS_CHANGE, before, configured)
        _not_revoked(before)
        ends = before.expires_at if expires_at is UNSET else rules.expiry(by, expires_at, now)
        if ends is not None and ends <= now:
            raise Conflict("the key has expired", "say how long it shall live from now on: --expires 90d")
        if overlap_s and before.previous is not None and before.previous.until > now:
            raise _two_secrets(before.previous)
        old = Previous(before.digest, before.pepper_version, now + overlap_s) if overlap_s else None
        digest = keys.digest(pepper, minted.secret)
        after = replace(before, digest=digest, pepper_version=version, previous=old, expires_at=ends)
        rules.check_new_secret(by, after)
        return after

    record = _put(store, key_id, ROTATED, rotated, by, now)
    return CreatedKey(record, keys.VirtualKey(record.environment, record.id, minted.secret).text)


def _two_secrets(previous: Previous) -> Conflict:
    until = datetime.fromtimestamp(previous.until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    message = f"the secret before the last rotation works until {until}: there are two at most"
    return Conflict(message, "wait until then, or end both with --overlap 0")


def revoke_key(store: Store, key_id: str, *, by: Operator, now: float) -> KeyRecord:
    """The key as it is from now on; one that was revoked before stays as it was. `key_id` as for `find_key`.

    Raises Forbidden, Unknown, GatewayError(STORE_UNAVAILABLE).
    """

    def revoked(before: KeyRecord) -> KeyRecord:
        # Whoever may stop an agent may stop all its keys: that is always the safe mistake.
        by.require_agent(Right.KEYS_REVOKE, before.agent)
        return before if before.revoked_at is not None else replace(before, revoked_at=now, previous=None)

    return _put(store, key_id, REVOKED, revoked, by, now)


def public(record: KeyRecord) -> dict[str, Any]:
    """What may be shown and stand in the log: everything but the digests."""
    names = (
        "id", "name", "agent", "environment", "servers", "tools", "read_only", "rate", "networks",
        "expires_at", "revoked_at",
    )  # fmt: skip
    until = None if record.previous is None else record.previous.until
    return {name: getattr(record, name) for name in names} | {"previous_until": until}


def id_of(text: str) -> str:
    """The id in a key, whole or cut off after its id; any other text as it is."""
    parts = text.split("_")
    return parts[2] if len(parts) in (3, 4) and parts[0] == "dw" else text


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "servers": rules.server_globs,
    "tools": rules.tool_globs,
    "rate": rules.rate,
    "networks": rules.networks,
}


def _put(  # noqa: PLR0917 - as of a change record
    store: Store, key_id: str, action: str, change: Callable[[KeyRecord], KeyRecord], by: Operator, now: float
) -> KeyRecord:
    """Change a key as it is, which somebody else may be doing at the same time."""
    for _ in range(_ATTEMPTS):
        before = _find(store, key_id)
        after = change(before)
        if after == before:
            return before
        if store.change_key(after, _change(action, by, now, before=before, after=after)):
            return replace(after, revision=after.revision + 1)
    raise Conflict("the key was changed by somebody else at the same time", "look at it again, then repeat")


def _find(store: Store, key_id: str) -> KeyRecord:
    wanted = id_of(key_id)
    records = store.keys()
    by_id = {record.id: record for record in records}
    if wanted not in by_id:
        raise Unknown("there is no key with this id", "doorward keys list shows them")
    return by_id[wanted]


def _within_agent(
    record: KeyRecord, configured: Configured, *, servers: bool, tools: bool, rate: bool
) -> None:
    agent = configured.agent(record.agent)
    said = rules.beyond_agent(agent, configured, servers=servers, tools=tools, rate=rate, key=record)
    if beyond := list(said):
        raise ValueError(f"the key would exceed its agent: {'; '.join(beyond)}")


def _not_revoked(record: KeyRecord) -> None:
    if record.revoked_at is not None:
        raise Conflict("the key was revoked", "revoked is for good: create another")


def _concerns(by: Operator, record: KeyRecord) -> bool:
    return by.agents is None or any(matches(glob, record.agent) for glob in by.agents)


def _change(action: str, by: Operator, now: float, *, before: KeyRecord | None, after: KeyRecord) -> bytes:
    shown = None if before is None else public(before)
    return change_record(action, f"key:{after.id}", by.actor, now, shown, public(after))
