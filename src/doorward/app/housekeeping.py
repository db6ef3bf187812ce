"""Keeps the closed segments of a running gateway's log: compressed, and pruned as `audit.keep` says.

Nothing here is urgent, so it is done in steps of milliseconds in a thread, with rests that are four times as
long: calls have the processor and the interpreter whenever they want them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from doorward.app.retention import Retainer, retention, words
from doorward.audit.keep import Retention, due
from doorward.backends.files.compress import compress
from doorward.backends.files.durable import Files, OsFiles
from doorward.backends.files.hold import Hold
from doorward.backends.files.inventory import Inventory
from doorward.config.audit import Keep
from doorward.model.errors import GatewayError

_DONE: Final = object()


class Pace(NamedTuple):
    """When things are done; seconds."""

    every_s: float = 60.0
    """From the end of one round to the next."""
    settle_s: float = 300.0
    """From the start until something may be pruned: a clock that was wrong at boot is right by then."""
    sealed_s: float = 60.0
    """How long a record is waited for to be sealed; what was begun is gone on with in the next round."""
    look_s: float = 0.25
    rest: float = 4.0
    """Rests are that many times as long as the steps before them."""


PACE: Final = Pace()


class TurnedOver(Protocol):
    """A log that can close its open segment."""

    async def turn_over(self) -> None: ...


class Sealed(Protocol):
    """Who seals it."""

    @property
    def size(self) -> int: ...
    @property
    def checkpoint(self) -> int: ...
    def figures(self) -> dict[str, Any]: ...


class Housekeeping:
    """Of one log that this process writes."""

    def __init__(
        self,
        directory: Path,
        log: TurnedOver,
        sealer: Sealed,
        *,
        keep: Callable[[], Keep],
        announce: Callable[[dict[str, Any]], Awaitable[None]],
        files: Files | None = None,
        clock: Callable[[], float] = time.time,
        pace: Pace = PACE,
    ) -> None:
        """`keep`: what is in force. `announce`: see Retainer."""
        self._log = log
        self._sealer = sealer
        self._keep = keep
        self._files = files or OsFiles()
        self._clock = clock
        self._pace = pace
        self._inventory = Inventory(directory)
        self._directory = directory
        self._retainer = Retainer(
            directory, self._files, steps=self._run, announce=announce, sealed=self._covered
        )
        self.trouble: str | None = None
        """What an operator has to know, if anything."""

    async def run(self) -> None:
        """Until cancelled."""
        settled = asyncio.get_running_loop().time() + self._pace.settle_s
        while True:
            await self.round(prune=asyncio.get_running_loop().time() >= settled)
            await asyncio.sleep(self._pace.every_s)

    async def round(self, *, prune: bool = True) -> None:
        """Whatever is due now. What is wrong with one segment keeps nothing from the others."""
        troubles: list[str] = []
        try:
            await self._run(self._inventory.look())
            keep, now = retention(self._keep()), self._clock()
            await self._turn_over(keep, now)
            covered = self._sealer.checkpoint
            todo = due(self._inventory.spans(covered), keep, now) if prune else []
            _, troubles = await self._retainer.prune(self._inventory, todo, covered)
            troubles += await self._compress(covered, self._leaving(covered, keep, now))
        except (OSError, GatewayError) as error:
            troubles.append(words(error, self._directory))
        self.trouble = troubles[0] if troubles else None

    async def _turn_over(self, keep: Retention, now: float) -> None:
        """Records of an open segment cannot be pruned, however old they are."""
        if not self._inventory.files:
            return
        opening = self._inventory.opening(self._inventory.files[-1].number)
        if now - opening.ts / 1000 > keep.open_for and self._sealer.size > opening.first + 1:
            await self._log.turn_over()

    def _leaving(self, covered: int, keep: Retention, now: float) -> set[int]:
        """Segments that are about to be pruned, sooner or later."""
        if Hold(self._directory).placed:
            return set()
        return {each.number for each in due(self._inventory.spans(covered), keep, now)}

    async def _compress(self, covered: int, leaving: set[int]) -> list[str]:
        """All but `leaving`."""
        troubles: list[str] = []
        for segment, _ in self._inventory.closed(covered):
            if segment.form == "jsonl" and segment.number not in leaving and segment.path.exists():
                try:
                    await self._run(compress(segment, self._files))
                except (OSError, GatewayError) as error:
                    troubles.append(words(error, self._directory))
        return troubles

    async def _covered(self) -> bool:
        """Whether a checkpoint covers all that is written; waits for one, but not for ever."""
        wanted, loop = int(self._sealer.figures()["records"]), asyncio.get_running_loop()
        until = loop.time() + self._pace.sealed_s
        while self._sealer.checkpoint < wanted and loop.time() < until:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(self._pace.look_s)
        return self._sealer.checkpoint >= wanted

    async def _run(self, steps: Iterator[Any]) -> bool:
        """See retention.Steps."""
        loop, hit = asyncio.get_running_loop(), False
        while True:
            began = loop.time()
            step = loop.run_in_executor(None, next, steps, _DONE)
            try:
                said = await asyncio.shield(step)
            except asyncio.CancelledError:
                await asyncio.wait([step])  # whoever takes the log over must find nobody at it
                raise
            if said is _DONE:
                return hit
            hit = hit or said is True
            await asyncio.sleep(self._pace.rest * (loop.time() - began))
