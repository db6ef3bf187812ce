"""Puts on record that the machine slept or that its clock was set: in a log either looks like a silence."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from doorward.audit.recorder import Recorder
from doorward.model.errors import GatewayError

LOOK_S: Final = 1.0
"""The verifier expects the record within 5 s of the first one that was written by the new time."""
JUMP_S: Final = 5.0


class Clocks:
    """What a machine has; seconds."""

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        """Stands still while the machine sleeps."""
        return time.monotonic()

    def awake_or_not(self) -> float:
        """Does not, where there is such a clock (Linux)."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()


class ClockWatch:
    """From the moment it is made."""

    def __init__(
        self, recorder: Callable[[], Recorder], clocks: Clocks | None = None, look_s: float = LOOK_S
    ) -> None:
        self._recorder = recorder
        self._clocks = clocks or Clocks()
        self._look_s = look_s
        self._before = self._read()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            await self.look()

    async def look(self) -> None:
        """A record if the wall clock went on by more or less than the steady one. One that cannot be written
        is tried again with the next look."""
        now = self._read()
        wall, slept = (new - old for new, old in zip(now, self._before, strict=True))
        if abs(wall) > JUMP_S:
            event = "suspended" if slept > JUMP_S else "clock_moved"
            try:
                await self._recorder().lifecycle(event, seconds=round(wall, 3))
            except GatewayError:
                return  # /readyz says so
        self._before = now

    def _read(self) -> tuple[float, float]:
        """How far the wall clock, and a clock that does not sleep, are ahead of the steady one."""
        steady = self._clocks.steady()
        return self._clocks.wall() - steady, self._clocks.awake_or_not() - steady
