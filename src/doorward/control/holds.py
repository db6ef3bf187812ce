"""Hold an audit log, and release it: the records of it. What is held is not pruned (`audit.keep`)."""

from typing import Any, Final

from doorward.audit import records
from doorward.audit.ids import uuid7
from doorward.ports.store import Store

TENANT: Final = "default"
HELD: Final = "audit:hold"
RELEASED: Final = "audit:release"
LOG: Final = "log"


def record_hold(store: Store, *, reason: str, actor: records.Actor, now: float) -> None:
    """From `now` on, in seconds since 1970. Raises GatewayError(STORE_UNAVAILABLE)."""
    after = {"held": True, **({"reason": records.clip(reason)} if reason else {})}
    store.add_change(_change(HELD, actor, now, {"held": False}, after))


def record_release(store: Store, *, reason: str, actor: records.Actor, now: float) -> None:
    """From `now` on, in seconds since 1970. Raises GatewayError(STORE_UNAVAILABLE)."""
    after = {"held": False, **({"reason": records.clip(reason)} if reason else {})}
    store.add_change(_change(RELEASED, actor, now, {"held": True}, after))


def _change(
    action: str, actor: records.Actor, now: float, before: dict[str, Any], after: dict[str, Any]
) -> bytes:
    return records.encode(
        records.Change(
            v=records.VERSION,
            id=uuid7(),
            ts=int(now * 1000),
            tenant=TENANT,
            action=action,
            actor=actor,
            object=LOG,
            before=before,
            after=after,
        )
    )
