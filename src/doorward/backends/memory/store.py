"""Keys and outbox in memory (port: Store): for tests, and for a gateway that shall forget everything."""

import threading

from msgspec.structs import replace

from doorward.ports.store import KeyRecord, OutboxEntry


class MemoryStore:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, KeyRecord] = {}
        self._outbox: list[OutboxEntry] = []
        self._epoch = 0
        self._seq = 0

    def add_key(self, key: KeyRecord, change: bytes) -> None:
        """See ports/store.py."""
        with self._lock:
            if key.id in self._keys:
                raise ValueError(f"key {key.id} exists")
            self._keys[key.id] = key
            self._changed(change)

    def revoke_key(self, key_id: str, at: float, change: bytes) -> bool:
        """See ports/store.py."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None or key.revoked_at is not None:
                return False
            self._keys[key_id] = replace(key, revoked_at=at)
            self._changed(change)
            return True

    def add_change(self, change: bytes) -> None:
        """See ports/store.py."""
        with self._lock:
            self._changed(change)

    def keys(self) -> list[KeyRecord]:
        """See ports/store.py."""
        with self._lock:
            return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def epoch(self) -> int:
        """See ports/store.py."""
        with self._lock:
            return self._epoch

    def outbox(self, after: int, limit: int) -> list[OutboxEntry]:
        """See ports/store.py."""
        with self._lock:
            return [entry for entry in self._outbox if entry.seq > after][:limit]

    def outbox_done(self, seq: int) -> None:
        """See ports/store.py."""
        with self._lock:
            self._outbox = [entry for entry in self._outbox if entry.seq > seq]

    def _changed(self, change: bytes) -> None:
        self._epoch += 1
        self._seq += 1
        self._outbox.append(OutboxEntry(self._seq, change))
