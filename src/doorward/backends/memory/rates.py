"""Buckets in the memory of one process (port: Rates). A restart fills them.

Whole numbers only: a unit is worth `per_ns` and a nanosecond drains `count`, so that nothing is ever lost or
won by rounding, however often it is added.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from doorward.model.bounds import Rate
from doorward.ports.rates import Demand, Exhausted

SWEEP_AT: Final = 1024
"""Buckets, before the first look for those that are full again and need not be kept."""


class _Bucket:
    """What is missing from being full, as of a moment."""

    __slots__ = ("at", "count", "missing", "per_ns", "rate")

    def __init__(self, rate: Rate, now: int) -> None:
        self.missing = 0
        self.at = now
        self._set(rate)

    def _set(self, rate: Rate) -> None:
        self.rate = rate
        self.count = rate.count
        self.per_ns = max(1, round(rate.per_s * 1e9))

    def drain(self, now: int) -> None:
        """Refill what the time since the last look gives back. A clock that goes backwards gives nothing."""
        if now > self.at:
            self.missing = max(0, self.missing - (now - self.at) * self.count)
            self.at = now

    def follow(self, rate: Rate) -> None:
        """Go on with another rate: as many units are missing as before, or all of fewer."""
        units = self.missing / self.per_ns
        self._set(rate)
        self.missing = min(round(units * self.per_ns), self.count * self.per_ns)

    def lacks(self) -> int:
        """Nanoseconds until there is a whole unit; 0 when there is one."""
        short = self.missing + self.per_ns - self.count * self.per_ns
        return -(-short // self.count) if short > 0 else 0


class MemoryRates:
    """Belongs to one thread. Its size is that of those who called lately and have a rate."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._sweep_at = SWEEP_AT

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, demands: Sequence[Demand]) -> Exhausted | None:
        """See ports/rates.py."""
        now = self._clock()
        if len(self._buckets) >= self._sweep_at:
            self._sweep(now)
        found = [self._bucket(demand, now) for demand in demands]
        waits = [bucket.lacks() for bucket in found]
        longest = max(waits, default=0)
        if longest:
            return Exhausted(demands[waits.index(longest)], longest / 1e9)
        for bucket in found:
            bucket.missing += bucket.per_ns
        return None

    def _bucket(self, demand: Demand, now: int) -> _Bucket:
        bucket = self._buckets.get(demand.bucket)
        if bucket is None:
            bucket = self._buckets[demand.bucket] = _Bucket(demand.rate, now)
            return bucket
        bucket.drain(now)
        if bucket.rate is not demand.rate and bucket.rate != demand.rate:
            bucket.follow(demand.rate)
        return bucket

    def _sweep(self, now: int) -> None:
        """A full bucket is like one that was never used."""
        for bucket in self._buckets.values():
            bucket.drain(now)
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if bucket.missing}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._buckets))
