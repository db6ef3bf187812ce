"""List and rotate the keys of the ring."""

from collections.abc import Callable
from typing import Final

import msgspec

from doorward.audit import records
from doorward.control.changes import change_record
from doorward.ports.secrets import RotatingRing, Version
from doorward.ports.store import Store

ROTATED: Final = "secret:rotate"
CHECKPOINTS: Final = "checkpoints"
ROTATABLE: Final = (CHECKPOINTS,)
"""Others are not replaced by command: what they protect has no record of which version it needs."""
_BATCH: Final = 1000


class Secret(msgspec.Struct, frozen=True):
    """One purpose, and which versions of its key there are. Never a key."""

    purpose: str
    versions: tuple[Version, ...]


def list_secrets(ring: RotatingRing) -> list[Secret]:
    """By purpose. Raises GatewayError(STORE_UNAVAILABLE)."""
    return [Secret(purpose, ring.versions(purpose)) for purpose in ring.purposes()]


def rotate_checkpoints(
    store: Store,
    ring: RotatingRing,
    *,
    public: Callable[[bytes], str],
    in_force: Callable[[], str],
    actor: records.Actor,
    now: float,
) -> tuple[str, str]:
    """Replace the key that signs the audit log; its verifier keys before and after.

    `public`: the verifier key of a private one. `in_force`: the last that the log or its file of keys has.
    The log signs with the new one as soon as it has the record of this change. A rotation that died before
    its record was written leaves a version in the ring that never signs.

    Raises GatewayError(STORE_UNAVAILABLE).
    """
    announced: list[tuple[str, str]] = []

    def announce(key: bytes) -> None:
        before, after = _announced(store, in_force), public(key)
        keys = {"key": before}, {"key": after}
        store.add_change(change_record(ROTATED, CHECKPOINTS, actor, now, *keys))
        announced.append((before, after))

    ring.rotate(CHECKPOINTS, announce)
    return announced[0]


def _announced(store: Store, in_force: Callable[[], str]) -> str:
    """The key that the log will have by the time our record is written: others may wait before it.

    Records move from the outbox to the log, so that one is asked first and none is missed.
    """
    waiting, after = None, 0
    while entries := store.outbox(after, _BATCH):
        for entry in entries:
            waiting = _new_key(entry.record) or waiting
        after = entries[-1].seq
    return in_force() if waiting is None else waiting


def _new_key(record: bytes) -> str | None:
    change = records.decode(record)
    if not isinstance(change, records.Change) or (change.action, change.object) != (ROTATED, CHECKPOINTS):
        return None
    return str((change.after or {})["key"])
