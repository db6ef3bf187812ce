"""One sweeping timer for all deadlines: a timer per call costs more than parsing its reply (perf-lab 5.9)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

SWEEP_S = 0.1


class Expiring(Protocol):
    """Something in flight."""

    deadline: float
    """In `loop.time()` seconds."""

    def expire(self) -> None:
        """Its time is over. Called once, in the event loop."""


class Overseen(Expiring, Protocol):
    """Something that is used for one thing after the other, such as a connection."""

    @property
    def in_flight(self) -> bool:
        """Whether there is something now that the deadline is for."""
        ...


class Deadlines:
    """Sweeps only while something is in flight; a deadline is kept to within SWEEP_S."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Expiring] = set()
        self._sources: list[Callable[[], Iterable[Overseen]]] = []
        self.timer: asyncio.TimerHandle | None = None
        """None while it is asleep: nothing was in flight when it last looked."""

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, expiring: Expiring) -> None:
        self._watched.add(expiring)
        self.rouse()

    def oversee(self, source: Callable[[], Iterable[Overseen]]) -> None:
        """Look at all that `source` names, at each sweep, instead of being told of each at every turn.

        Whoever puts something in flight there calls `rouse` if there is no `timer`.
        """
        self._sources.append(source)

    def rouse(self) -> None:
        """Something is in flight: look at it until nothing is."""
        if self.timer is None:
            self.timer = self._loop.call_later(SWEEP_S, self._sweep)

    def forget(self, expiring: Expiring) -> None:
        self._watched.discard(expiring)

    def close(self) -> None:
        """Stop the timer. What is still watched never expires."""
        self._watched.clear()
        self._sources.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _sweep(self) -> None:
        self.timer = None
        now = self._loop.time()
        for expiring in [one for one in self._watched if one.deadline <= now]:
            self._watched.discard(expiring)
            expiring.expire()
        busy = [one for source in self._sources for one in source() if one.in_flight]
        for overseen in busy:
            if overseen.deadline <= now:
                overseen.expire()
        if self._watched or busy:
            self.rouse()
