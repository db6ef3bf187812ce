"""No record, no effect."""

from collections.abc import Awaitable
from typing import Protocol

from doorward.ports.waits import Waiter


class AuditLog(Protocol):
    """Append-only, single writer. A record is *written* when the kernel has it (DESIGN section 9)."""

    def append(self, record: bytes, waiter: Waiter | None = None) -> Awaitable[None]:
        """To be awaited: done once `record` (one JSON object without newline) was handed to the kernel by
        write(2). By `waiter` at once, if it is given.

        Records appended in one turn of the event loop share one write.
        Raises GatewayError(AUDIT_UNAVAILABLE).
        """
        ...
