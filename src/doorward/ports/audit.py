"""No record, no effect."""

from collections.abc import Awaitable
from enum import IntEnum
from typing import Final, Protocol

from doorward.ports.waits import Waiter

OUTCOME_BYTES: Final = 2048
"""Most that the record of an outcome takes, its line feed included: so much room comes with each decision."""


class Role(IntEnum):
    """What a record is to the log."""

    OTHER = 0
    OUTCOME = 1
    """Of a call whose decision is in the log; at most OUTCOME_BYTES long. One for each decision."""
    DECISION = 2
    """Of a call that may be sent: room for its outcome comes with it."""
    DURABLE = 3
    """A decision whose call waits until the disk has it."""


class Pressure(IntEnum):
    """How full the log's disk is, by what it means for calls (DESIGN section 9)."""

    NONE = 0
    ALL_STRICT = 1
    """Every decision is durable."""
    NO_WRITES = 2
    """And calls that change something are refused."""
    NOTHING = 3
    """All calls are."""


class AuditLog(Protocol):
    """Append-only, single writer. A record is *written* when the kernel has it (DESIGN section 9)."""

    def append(
        self, record: bytes, waiter: Waiter | None = None, role: Role = Role.OTHER, changing: bool = False
    ) -> Awaitable[None]:
        """To be awaited: done once `record` (one JSON object without newline) was handed to the kernel by
        write(2), and a durable one to the disk. By `waiter` at once, if it is given.

        `changing`: it decides a call that changes something; such calls are the first to be refused when the
        disk fills up. Records appended in one turn of the event loop share one write.
        Raises GatewayError: AUDIT_UNAVAILABLE, and AUDIT_DISK_LOW for a decision.
        """
        ...

    def forsake(self) -> None:
        """The outcome of one decision will not come: its room is free. For those whose record failed."""
        ...
