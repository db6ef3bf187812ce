"""Create, list and revoke virtual keys."""

import re
from typing import Any, Final

import msgspec

from doorward.audit import records
from doorward.control.changes import change_record
from doorward.identity import keys
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Store

CREATED: Final = "key:create"
REVOKED: Final = "key:revoke"
# The name becomes the principal's subject, which other parts join with "|" and show in one line.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class KeyUnknown(LookupError):
    """No key has this id."""


class CreatedKey(msgspec.Struct, frozen=True):
    """A new key. `text` is what the caller presents; it can be shown now and never again."""

    record: KeyRecord
    text: str


def create_key(
    store: Store,
    ring: SecretRing,
    *,
    agent: str,
    name: str,
    actor: records.Actor,
    now: float,
    environment: str = "live",
    expires_at: float | None = None,
) -> CreatedKey:
    """A key of `agent`, whose principal's subject is `name`. Times in seconds since 1970.

    Raises ValueError for a name, environment or expiry that cannot be, GatewayError(STORE_UNAVAILABLE).
    """
    if not _NAME.fullmatch(name):
        message = "a key's name has up to 64 letters, digits and . _ @ + -, and begins with a letter or digit"
        raise ValueError(message)
    if not agent:
        raise ValueError("a key belongs to an agent")
    if expires_at is not None and not now < expires_at < float("inf"):
        raise ValueError("a key expires in the future or never")
    key = keys.mint(environment)
    version, pepper = ring.current("pepper")
    digest = keys.digest(pepper, key.secret)
    created_by = actor.subject
    record = KeyRecord(
        id=key.id,
        name=name,
        agent=agent,
        environment=environment,
        digest=digest,
        pepper_version=version,
        created_at=now,
        created_by=created_by,
        expires_at=expires_at,
        revoked_at=None,
    )
    store.add_key(record, _change(CREATED, actor, now, before=None, after=record))
    return CreatedKey(record, key.text)


def list_keys(store: Store) -> list[KeyRecord]:
    """All keys, oldest first, revoked ones included. Raises GatewayError(STORE_UNAVAILABLE)."""
    return store.keys()


def revoke_key(store: Store, key_id: str, *, actor: records.Actor, now: float) -> KeyRecord:
    """The key as it is from now on; one that was revoked before stays as it was.

    `key_id`: the id, or the key itself, whole or cut off after its id: whoever finds a leaked one has that.
    Raises KeyUnknown, GatewayError(STORE_UNAVAILABLE).
    """
    wanted = _id_of(key_id)
    while (before := _find(store, wanted)).revoked_at is None:
        after = msgspec.structs.replace(before, revoked_at=now)
        store.change_key(after, _change(REVOKED, actor, now, before=before, after=after))
    return before


def _id_of(text: str) -> str:
    parts = text.split("_")
    return parts[2] if len(parts) in (3, 4) and parts[0] == "dw" else text


def _find(store: Store, key_id: str) -> KeyRecord:
    by_id = {record.id: record for record in list_keys(store)}
    if key_id not in by_id:
        raise KeyUnknown("there is no key with this id")
    return by_id[key_id]


def _public(record: KeyRecord) -> dict[str, Any]:
    """What may stand in the log: everything but the digest."""
    return {
        name: getattr(record, name)
        for name in ("id", "name", "agent", "environment", "expires_at", "revoked_at")
    }


def _change(
    action: str, actor: records.Actor, now: float, *, before: KeyRecord | None, after: KeyRecord
) -> bytes:
    public = None if before is None else _public(before)
    return change_record(action, f"key:{after.id}", actor, now, public, _public(after))
