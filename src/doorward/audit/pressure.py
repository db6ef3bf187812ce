"""What a disk that fills up means for calls (DESIGN section 9)."""

from typing import Final, NamedTuple

from doorward.ports.audit import Pressure

SLACK: Final = 0.5
"""Per cent that have to become free below a limit before it is lifted, so that it does not flap."""


class Limits(NamedTuple):
    """Per cent in use from which on each pressure holds; ascending."""

    all_strict: float
    no_writes: float
    nothing: float


def pressure(used: float, limits: Limits, before: Pressure = Pressure.NONE) -> Pressure:
    """`used`: per cent of the disk. `before`: what held until now."""
    now = _reached(used, limits)
    return now if now >= before else min(before, _reached(used + SLACK, limits))


def _reached(used: float, limits: Limits) -> Pressure:
    return Pressure(sum(used >= limit for limit in limits))
