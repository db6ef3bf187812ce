"""When something ends by itself: the moments at which somebody has to look, without a timer for each."""

import heapq
import math
from typing import Final

PER_S: Final = 4
"""How exact a moment is: it is taken for the next quarter of a second."""
MOST: Final = 100_000
"""Moments that are kept: of a day of tokens, each of which ends at another."""


class Expiries:
    """Bounded: of more moments than `MOST` the later ones are not noted, and whoever relies on them has to
    look now and then anyway. Times in seconds since 1970."""

    __slots__ = ("_heap", "_known")

    def __init__(self) -> None:
        self._heap: list[float] = []
        self._known: set[float] = set()

    def note(self, at: float) -> None:
        """Something ends then. Never, for what is infinite."""
        moment = math.ceil(at * PER_S) / PER_S if at < math.inf else at
        if moment in self._known or moment == math.inf or len(self._known) >= MOST:
            return
        self._known.add(moment)
        heapq.heappush(self._heap, moment)

    def due(self, now: float) -> bool:
        """Whether a moment has come since this was last asked."""
        came = False
        while self._heap and self._heap[0] <= now:
            self._known.discard(heapq.heappop(self._heap))
            came = True
        return came

    def __len__(self) -> int:
        return len(self._heap)
