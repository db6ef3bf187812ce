"""What `doorward keys` works on: the store of a configuration, opened for one command."""

import asyncio
import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from doorward.app.state import open_ring, paths
from doorward.audit.records import Actor
from doorward.backends.files.lock import Holder, StateLock, holder
from doorward.backends.files.segments import SegmentLog
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import Loaded
from doorward.control import keys, outbox
from doorward.model.errors import GatewayError
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Store

PATIENCE_S: Final = 1.0
LOOK_S: Final = 0.02


class KeyService:
    """The use cases of `control.keys` for the person at this terminal."""

    def __init__(self, store: Store, ring: SecretRing) -> None:
        self._store = store
        self._ring = ring
        self._actor = Actor(_who(), "cli")

    def create(
        self, agent: str, name: str, environment: str, expires_at: float | None
    ) -> tuple[KeyRecord, str]:
        """Raises ValueError, GatewayError(STORE_UNAVAILABLE)."""
        made = keys.create_key(
            self._store,
            self._ring,
            agent=agent,
            name=name,
            actor=self._actor,
            now=time.time(),
            environment=environment,
            expires_at=expires_at,
        )
        return made.record, made.text

    def list(self) -> list[KeyRecord]:
        """Oldest first."""
        return keys.list_keys(self._store)

    def revoke(self, key_id: str) -> bool:
        """False when no live key has this id."""
        now = time.time()
        try:
            return keys.revoke_key(self._store, key_id, actor=self._actor, now=now).revoked_at == now
        except keys.KeyUnknown:
            return False


@contextmanager
def open_keys(loaded: Loaded) -> Iterator[KeyService]:
    """Straight to the store (WAL). A running gateway notices within a quarter of a second, and is waited for;
    without one, the change records are moved into the log here, under the lock that a gateway would hold."""
    where = paths(loaded.settings)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store = open_sqlite(where.database)
    try:
        yield KeyService(store, open_ring(where, store))
        if holder(where.lock) is None:
            _drain(store, loaded, now)
        else:
            _wait_for_gateway(store)
    finally:
        store.close()


def _wait_for_gateway(store: Store) -> None:
    """A key that was just printed should work, and a revoked one not. The gateway applies what it has taken
    out of the outbox; one that cannot write its log does neither, and says so in its status."""
    end = time.monotonic() + PATIENCE_S
    if not store.outbox(0, 1):
        return
    while store.outbox(0, 1) and time.monotonic() < end:
        time.sleep(LOOK_S)
    time.sleep(LOOK_S)


def _drain(store: Store, loaded: Loaded, now: str) -> None:
    where = paths(loaded.settings)
    try:
        lock = StateLock(where.lock, Holder(0, "keys", now))
    except GatewayError:
        return  # a gateway started this very moment: it drains the outbox itself
    with lock:
        asyncio.run(_drained(store, SegmentLog(where.audit)))


async def _drained(store: Store, log: SegmentLog) -> None:
    try:
        await outbox.drain(store, log)
    finally:
        await log.close()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
