"""One sweeping timer for all deadlines: a timer per call costs more than parsing its reply (perf-lab 5.9)."""

import asyncio
from typing import Protocol

SWEEP_S = 0.1


class Expiring(Protocol):
    """Something in flight."""

    deadline: float
    """In `loop.time()` seconds."""

    def expire(self) -> None:
        """Its time is over. Called once, in the event loop."""


class Deadlines:
    """Sweeps only while something is in flight; a deadline is kept to within SWEEP_S."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Expiring] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, expiring: Expiring) -> None:
        self._watched.add(expiring)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def forget(self, expiring: Expiring) -> None:
        self._watched.discard(expiring)

    def close(self) -> None:
        """Stop the timer. What is still watched never expires."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        for expiring in [one for one in self._watched if one.deadline <= now]:
            self._watched.discard(expiring)
            expiring.expire()
        if self._watched and self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)
