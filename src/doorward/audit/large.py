"""Records of what is too large to be digested in one turn of the event loop.

Guarantees: such a record is written whatever becomes of whoever waits for it, as any other that was begun.
"""

import asyncio
from collections.abc import Awaitable, Callable

from doorward.audit.digests import Digested, DigestKey
from doorward.ports.shares import Shares

Write = Callable[[DigestKey | Digested], Awaitable[None]]
"""Makes the record with a key that digests what is large, and hands it to the log."""


class LargeRecords:
    """Of one log."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, data: bytes, key: DigestKey, then: Write) -> None:
        """Digests `data` in steps and writes then. Raises what `then` raises.

        A cancelled wait cancels nothing but the wait, and ends no sooner: the call that it belongs to may
        have been executed, and what is recorded of it next must not come first. A record that failed says so
        even then.
        """
        task = asyncio.get_running_loop().create_task(self._work(data, key, then))
        self._writing.add(task)
        task.add_done_callback(self._written)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure from None
            raise

    async def settled(self) -> None:
        """Returns when all that was begun is written, or has failed."""
        if self._writing:
            await asyncio.wait(set(self._writing))

    async def _work(self, data: bytes, key: DigestKey, then: Write) -> None:
        await then(Digested(key, data, await self._shares.run(key.steps(data))))

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # the log itself says that it has failed; nobody may be waiting here any more
