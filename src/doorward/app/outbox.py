"""The store and the ring for one command of an operator, whose changes are in the log when it ends."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from doorward.app.log import open_log, say_recovered
from doorward.app.state import StatePaths, open_ring, paths
from doorward.backends.files.lock import Holder, StateLock, holder
from doorward.backends.files.ring import FileRing
from doorward.backends.files.segments import SegmentLog
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import Loaded
from doorward.control import outbox
from doorward.model.errors import GatewayError
from doorward.ports.store import Store

PATIENCE_S: Final = 1.0
LOOK_S: Final = 0.02


@contextmanager
def opened(loaded: Loaded, command: str) -> Iterator[tuple[Store, FileRing]]:
    """Straight to the store (WAL). A running gateway notices within a quarter of a second, and is waited for;
    without one, the change records are moved into the log here, under the lock that a gateway would hold.

    Raises GatewayError(STORE_UNAVAILABLE), and GatewayError(AUDIT_UNAVAILABLE) for a log that takes
    no records; then they stay in the store, for the next gateway or command.
    """
    where = paths(loaded.settings)
    store = open_sqlite(where.database)
    try:
        ring = open_ring(where, store)
        yield store, ring
        if not store.outbox(0, 1):
            return
        if holder(where.lock) is None:
            _drain(store, ring, where, loaded.settings.audit.anchor, command)
        else:
            _wait_for_gateway(store)
    finally:
        store.close()


def begin_log(loaded: Loaded, ring: FileRing, command: str) -> None:
    """Make the audit log of a configuration that has never been served, so that it has an identity.

    Raises GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE).
    """
    where = paths(loaded.settings)
    with StateLock(where.lock, Holder(0, command, _now())):
        asyncio.run(open_log(where, ring, loaded.settings.audit.anchor).records.close())


def _wait_for_gateway(store: Store) -> None:
    """A key that was just printed should work, and a revoked one not. The gateway applies what it has taken
    out of the outbox; one that cannot write its log does neither, and says so in its status."""
    end = time.monotonic() + PATIENCE_S
    while store.outbox(0, 1) and time.monotonic() < end:
        time.sleep(LOOK_S)
    time.sleep(LOOK_S)


def _drain(store: Store, ring: FileRing, where: StatePaths, anchor: Path | None, command: str) -> None:
    try:
        lock = StateLock(where.lock, Holder(0, command, _now()))
    except GatewayError:
        return  # a gateway started this very moment: it drains the outbox itself
    with lock:
        asyncio.run(_drained(store, open_log(where, ring, anchor).records))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def _drained(store: Store, log: SegmentLog) -> None:
    try:
        await say_recovered(log)
        await outbox.drain(store, log)
    finally:
        await log.close()
