"""Change records on their way from the store to the log."""

from typing import Final

from doorward.ports.audit import AuditLog
from doorward.ports.store import OutboxEntry, Store

BATCH: Final = 100


async def drain(store: Store, log: AuditLog) -> int:
    """Write every waiting change record, in order, and forget each batch once it is written; their number.

    A crash between the two writes a batch again: readers drop the second record of an id. For a command that
    owns the log and may block; a gateway uses `StoreWatch`. Raises GatewayError.
    """
    drained = 0
    while entries := store.outbox(0, BATCH):
        await write(entries, log)
        store.outbox_done(entries[-1].seq)
        drained += len(entries)
    return drained


async def write(entries: list[OutboxEntry], log: AuditLog) -> None:
    """One after the other, to keep their order. Raises GatewayError(AUDIT_UNAVAILABLE)."""
    for entry in entries:
        await log.append(entry.record)
