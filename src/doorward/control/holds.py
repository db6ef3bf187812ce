"""Hold an audit log, and release it: the records of it. What is held is not pruned (`audit.keep`)."""

from typing import Final

from doorward.audit import records
from doorward.control.changes import change_record
from doorward.ports.store import Store

HELD: Final = "audit:hold"
RELEASED: Final = "audit:release"
LOG: Final = "log"


def record_hold(store: Store, *, reason: str, actor: records.Actor, now: float) -> None:
    """From `now` on, in seconds since 1970. Raises GatewayError(STORE_UNAVAILABLE)."""
    after = {"held": True, **({"reason": records.clip(reason)} if reason else {})}
    store.add_change(change_record(HELD, LOG, actor, now, {"held": False}, after))


def record_release(store: Store, *, reason: str, actor: records.Actor, now: float) -> None:
    """From `now` on, in seconds since 1970. Raises GatewayError(STORE_UNAVAILABLE)."""
    after = {"held": False, **({"reason": records.clip(reason)} if reason else {})}
    store.add_change(change_record(RELEASED, LOG, actor, now, {"held": True}, after))
