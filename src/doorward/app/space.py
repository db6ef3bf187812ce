"""Watches the disk of the audit log, off the way of calls."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from doorward.audit.pressure import Limits, pressure
from doorward.config.audit import Disk
from doorward.ports.audit import Pressure

LOOK_S: Final = 1.0


class Pressed(Protocol):
    """A log that heeds it."""

    pressure: Pressure


def used(directory: Path) -> float:
    """Per cent of the file system that we could not write to any more. Raises OSError."""
    found = os.statvfs(directory)
    return 100.0 - 100.0 * found.f_bavail / found.f_blocks if found.f_blocks else 0.0


class Space:
    """Sets `pressure` of the log; `text` is what operators are told."""

    def __init__(
        self,
        directory: Path,
        log: Pressed,
        disk: Callable[[], Disk],
        *,
        used: Callable[[Path], float] = used,
        look_s: float = LOOK_S,
    ) -> None:
        """`disk`: the limits in force."""
        self._directory = directory
        self._log = log
        self._disk = disk
        self._used = used
        self._look_s = look_s
        self.text: str | None = None
        """What the disk means for calls; None while it has room."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """A disk that does not say is not full: a write will tell."""
        try:
            per_cent = await asyncio.to_thread(self._used, self._directory)
        except OSError:
            return
        limits = self._disk()
        wanted = Limits(limits.strict_at, limits.refuse_writes_at, limits.refuse_all_at)
        self._log.pressure = pressure(per_cent, wanted, self._log.pressure)
        self.text = _text(self._log.pressure, per_cent)


def _text(now: Pressure, per_cent: float) -> str | None:
    if now is Pressure.NONE:
        return None
    means = {
        Pressure.ALL_STRICT: "every call waits for the disk",
        Pressure.NO_WRITES: "calls that change something are refused",
        Pressure.NOTHING: "all calls are refused",
    }[now]
    return f"the disk of the audit log is {per_cent:.1f} % full: {means}"
