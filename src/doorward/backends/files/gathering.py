"""Decides when a sync begins for those who wait for one: late enough that many share it.

A sync costs a processor 90 to 150 us whatever it makes durable, so what a strict call costs is a matter of
how many share one. To begin it while the event loop still has records to take in gains nobody anything: the
calls of these records hold the loop, and the thread that syncs would have to wrest the interpreter from it.
So it begins in the first turn of the loop that brings no record; a call that is alone waits for an empty one.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from doorward.ports.waits import Waiter

LONGEST: Final = 0.002
"""Seconds that a sync is put off at most: a loop that never rests must keep nobody from the disk."""
ENOUGH: Final = 32
"""Calls that share a sync whatever the loop has to do: it is 3 to 5 us for each of them."""


class Gathering:
    """Belongs to one event loop."""

    def __init__(self, pending: Callable[[], list[bytes]], sync: Callable[[], None]) -> None:
        """`pending`: the records that this turn has brought, in a list of its own for each turn that brings
        any. `sync`: called in the event loop; it calls `take`."""
        self.waiting: list[Waiter] = []
        """Their records are written."""
        self._pending = pending
        self._sync = sync
        self._seen: list[bytes] | None = None
        """What was pending at the last look; None while nobody looks."""
        self._until = 0.0

    def begin(self) -> None:
        """Somebody is waiting, and no sync runs. Safe to call twice."""
        if self._seen is None:
            loop = asyncio.get_running_loop()
            self._until = loop.time() + LONGEST
            self._seen = self._pending()
            loop.call_soon(self._look, loop)

    def take(self) -> list[Waiter]:
        """Those for whom the sync that begins now is."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        pending, seen = self._pending(), self._seen
        rests = pending is seen and not pending
        if rests or not self.waiting or len(self.waiting) >= ENOUGH or loop.time() >= self._until:
            self._seen = None
            if self.waiting:
                self._sync()
        else:
            self._seen = pending
            loop.call_soon(self._look, loop)
