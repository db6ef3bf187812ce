"""What outlives the process: keys, operators, blocks, and the outbox that ties every change to its record."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Previous(msgspec.Struct, frozen=True):
    """The secret that a rotation has replaced and that still works for a while."""

    digest: bytes
    pepper_version: int
    until: float
    """Seconds since 1970; from then on it is worth nothing."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
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
    """Name of the operator, for people to read; `creator_id` is what counts."""
    expires_at: float | None
    revoked_at: float | None
    creator_id: str | None = None
    """The operator whose limits hold for it too; None for a key older than operators."""
    servers: tuple[str, ...] | None = None
    """Globs; None does not narrow, () leaves nothing. As of `model.bounds.Narrowing`, like the next two."""
    tools: tuple[str, ...] | None = None
    read_only: bool = False
    rate: str | None = None
    """As it was given, such as "100/min"."""
    networks: tuple[str, ...] | None = None
    """CIDR networks that it may be presented from; None: any."""
    previous: Previous | None = None
    last_used_at: float | None = None
    """About: a gateway tells the store twice a minute."""
    revision: int = 0
    """Counts its changes: see `Store.change_key`."""


class OperatorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may administer, at rest."""

    id: str
    """"op_" and 12 base62 characters, public."""
    name: str
    role: str
    digest: bytes
    """HMAC-SHA-256 of the token's secret under the ring's pepper."""
    pepper_version: int
    created_at: float
    created_by: str
    agents: tuple[str, ...] | None = None
    """Globs over the agents for which this operator may hand out keys; None: all."""
    servers: tuple[str, ...] | None = None
    """Globs over the servers that those keys may reach; None: all."""
    expires_at: float | None = None
    removed_at: float | None = None
    last_used_at: float | None = None
    revision: int = 0


class BlockRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something that nobody gets through to, or that gets through to nobody, for now."""

    id: str
    """"bl_" and 12 base62 characters."""
    kind: str
    """"server", "agent", "key", "user", "client", "jti" or "sid"."""
    value: str
    reason: str
    created_at: float
    created_by: str
    issuer: str | None = None
    """Whose user, client, jti or sid it is; None: any issuer's."""
    expires_at: float | None = None
    lifted_at: float | None = None
    revision: int = 0


class OutboxEntry(msgspec.Struct, frozen=True):
    """One change record waiting for the audit log; `seq` gives the order."""

    seq: int
    record: bytes


class StoreFacts(msgspec.Struct, frozen=True):
    """All that decides who may do what, as it was at one moment. Each list is oldest first and complete:
    revoked, removed, lifted and expired ones are in it."""

    epoch: int
    keys: tuple[KeyRecord, ...] = ()
    operators: tuple[OperatorRecord, ...] = ()
    blocks: tuple[BlockRecord, ...] = ()


class Store(Protocol):
    """Each verb is one transaction; a state change and its change record are the same one.

    Each raises GatewayError(STORE_UNAVAILABLE). `add_*` raises ValueError when the id exists. `change_*`
    puts a record in the place of the one that it was made from, whose `revision` it still has, and counts
    that up; False, and nothing is written, when there is none of this id or somebody else was quicker. When
    it was created and last used stays as it is.
    """

    def add_key(self, key: KeyRecord, change: bytes) -> None: ...

    def change_key(self, key: KeyRecord, change: bytes) -> bool: ...

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first, revoked ones included."""
        ...

    def add_operator(self, operator: OperatorRecord, change: bytes) -> None:
        """Raises ValueError also when an operator who was not removed has this name."""
        ...

    def change_operator(self, operator: OperatorRecord, change: bytes) -> bool:
        """Raises ValueError as `add_operator` does."""
        ...

    def operators(self) -> list[OperatorRecord]:
        """All operators, oldest first, removed ones included."""
        ...

    def add_block(self, block: BlockRecord, change: bytes) -> None: ...

    def change_block(self, block: BlockRecord, change: bytes) -> bool: ...

    def blocks(self) -> list[BlockRecord]:
        """All blocks, oldest first, lifted and expired ones included."""
        ...

    def facts(self) -> StoreFacts:
        """Keys, operators, blocks and epoch as of one moment."""
        ...

    def touch(self, last_used: Mapping[str, float]) -> None:
        """When keys and operators, by their ids, were last used: seconds since 1970. Never goes back, is no
        change (no record, no epoch), and passes over ids that are unknown."""
        ...

    def add_change(self, change: bytes) -> None:
        """Of something that is not in this store: its change record alone."""
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
