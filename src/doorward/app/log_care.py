"""What the log of a running gateway needs beside its records, each in a task of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from doorward.app.clock import ClockWatch
from doorward.app.heartbeat import Heartbeat
from doorward.app.housekeeping import Housekeeping
from doorward.app.log import OpenLog
from doorward.app.revisions import Revisions
from doorward.app.space import Space
from doorward.app.state import StatePaths
from doorward.audit.keep import PRUNED
from doorward.audit.recorder import Recorder
from doorward.config.load import Loaded
from doorward.ports.audit import Pressure


class InForce(Protocol):
    """A configuration with what records under it."""

    loaded: Loaded
    recorder: Recorder


class LogCare:
    """An eye on the disk, housekeeping, heartbeats, the clock, and the configurations that were in force."""

    def __init__(self, log: OpenLog, where: StatePaths, world: Callable[[], InForce]) -> None:
        """`world`: the one in force; asked later than here."""
        self._records, self._sealer = log
        self._world = world
        self._revisions = Revisions(where.revisions)
        self._space = Space(where.audit, self._records, lambda: world().loaded.settings.audit.disk)
        self._keeping = Housekeeping(
            where.audit,
            self._records,
            self._sealer,
            keep=lambda: world().loaded.settings.audit.keep,
            announce=lambda detail: world().recorder.lifecycle(PRUNED, **detail),
        )

    @property
    def blocked(self) -> str | None:
        """Why no call is served, if none is."""
        full = self._records.pressure is Pressure.NOTHING
        return self._records.failure or (self._space.text or "the disk is full" if full else None)

    @property
    def trouble(self) -> str | None:
        """What else an operator has to know, if anything."""
        return self._sealer.trouble or self._space.text or self._keeping.trouble

    async def admit(self, loaded: Loaded) -> None:
        """Before a configuration comes into force. Raises OSError."""
        await asyncio.to_thread(self._revisions.keep, loaded)

    async def look(self) -> None:
        """At the disk, before the first call."""
        await self._space.look()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """To be run until they are cancelled."""

        def recorder() -> Recorder:
            return self._world().recorder

        return [
            self._space.run(),
            self._keeping.run(),
            Heartbeat(self._sealer, recorder).run(),
            ClockWatch(recorder).run(),
        ]
