"""What outlives the process: keys, and the outbox that ties every change to its record."""

from typing import Protocol

import msgspec


class KeyRecord(msgspec.Struct, frozen=True):
    """A virtual key at rest. The secret itself is never stored (DESIGN section 6)."""

    id: str
    """12 base62 characters, public."""
    name: str
    agent: str
    environment: str
    """"live" or "test"."""
    digest: bytes
    """HMAC-SHA-256 of the secret under the ring's pepper."""
    pepper_version: int
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None


class OutboxEntry(msgspec.Struct, frozen=True):
    """One change record waiting for the audit log; `seq` gives the order."""

    seq: int
    record: bytes


class Store(Protocol):
    """Each verb is one transaction; a state change and its change record are the same one."""

    def add_key(self, key: KeyRecord, change: bytes) -> None:
        """Raises GatewayError(STORE_UNAVAILABLE); ValueError when the id exists."""
        ...

    def revoke_key(self, key_id: str, at: float, change: bytes) -> bool:
        """False when there is no such live key; then nothing is written."""
        ...

    def add_change(self, change: bytes) -> None:
        """Of something that is not in this store: its change record alone."""
        ...

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first, revoked ones included."""
        ...

    def epoch(self) -> int:
        """Moves with every change, whichever process made it."""
        ...

    def outbox(self, after: int, limit: int) -> list[OutboxEntry]:
        """Entries with seq > after, oldest first."""
        ...

    def outbox_done(self, seq: int) -> None:
        """Forget entries up to and including seq: they are in the log."""
        ...
