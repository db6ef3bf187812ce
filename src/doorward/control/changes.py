"""The record of what an operator changes, for the store's outbox."""

from typing import Any

from doorward.audit import records
from doorward.audit.ids import uuid7


def change_record(  # noqa: PLR0917 - what, to what, by whom and when: a record is read in this order
    action: str,
    changed: str,
    actor: records.Actor,
    now: float,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> bytes:
    """One line of the log. `changed`: what the action was done to. `now`: seconds since 1970."""
    return records.encode(
        records.Change(
            v=records.VERSION,
            id=uuid7(),
            ts=int(now * 1000),
            tenant=records.TENANT,
            action=action,
            actor=actor,
            object=changed,
            before=before,
            after=after,
        )
    )
