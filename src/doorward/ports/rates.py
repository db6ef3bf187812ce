"""How often somebody may do something, counted where it is decided."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from doorward.model.bounds import Rate


class Demand(msgspec.Struct, frozen=True, gc=False):
    """One unit out of one bucket."""

    bucket: str
    """Whose it is: of one name there is one bucket, whatever its rate is now."""
    rate: Rate


class Exhausted(msgspec.Struct, frozen=True, gc=False):
    """Nothing was taken."""

    demand: Demand
    """The bucket that takes longest."""
    retry_after_s: float
    """Until all that were asked for have a unit, if nobody else takes one; more than 0."""


class Rates(Protocol):
    """Buckets of `rate.count` units that are full at first and refilled evenly, `rate.count` in every
    `rate.per_s` seconds (GCRA, ITU-T I.371 annex A). So nobody who stays below a rate is ever refused, and
    nobody gets more than `count + t / per_s * count` units in any t seconds."""

    def take(self, demands: Sequence[Demand]) -> Exhausted | None:
        """A unit from every bucket, or from none of them; no bucket is named twice. Atomic; never waits."""
        ...
