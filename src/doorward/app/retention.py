"""Takes out of the log what `audit.keep` no longer keeps: for the gateway in its background, and by command.

`backends/files/prune.py` says in which order, and why. Several segments share the wait for a checkpoint.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from doorward.audit.keep import Due, Retention
from doorward.backends.files.durable import Files
from doorward.backends.files.hold import Hold
from doorward.backends.files.inventory import Inventory
from doorward.backends.files.prune import Pruned, Pruning
from doorward.config.audit import Keep
from doorward.model.errors import GatewayError

Steps = Callable[[Iterator[Any]], Awaitable[bool]]
"""Runs steps of milliseconds to their end, off the event loop; whether one of them was True."""
AT_ONCE: Final = 8
"""Segments that wait for the same checkpoint, so that the first does not wait for all."""


def retention(keep: Keep) -> Retention:
    """What `audit.keep` says."""
    return Retention(keep.decisions, keep.changes)


class Retainer:
    """Of one log that this process writes."""

    def __init__(
        self,
        directory: Path,
        files: Files,
        *,
        steps: Steps,
        announce: Callable[[dict[str, Any]], Awaitable[None]],
        sealed: Callable[[], Awaitable[bool]],
        at_once: int = AT_ONCE,
    ) -> None:
        """`announce`: put the detail of a `segment_pruned` on record. `sealed`: whether a checkpoint covers
        it by now; waits for one. `at_once`: how many segments wait for the same one."""
        self._directory = directory
        self._files = files
        self._steps = steps
        self._announce = announce
        self._sealed = sealed
        self._at_once = at_once

    async def prune(
        self, inventory: Inventory, todo: Sequence[Due], covered: int
    ) -> tuple[list[Pruned], list[str]]:
        """What was removed, and what is wrong with segments that were not touched for that.

        `covered`: records under the newest checkpoint. Raises OSError and GatewayError for what is wrong with
        the log as a whole.
        """
        done: list[Pruned] = []
        troubles: list[str] = []
        for start in range(0, len(todo), self._at_once):
            if Hold(self._directory).placed:
                break
            prepared: list[Pruning] = []
            for due in todo[start : start + self._at_once]:
                try:
                    made = await self._prepare(inventory, due, covered)
                except (OSError, GatewayError) as error:
                    troubles.append(words(error, self._directory))
                else:
                    prepared += [] if made is None else [made]
            done += await self._finish(inventory, prepared)
        return done, troubles

    async def _prepare(self, inventory: Inventory, due: Due, covered: int) -> Pruning | None:
        """Up to its record. None when there is nothing to remove."""
        found = (row for row in inventory.closed(covered) if row[0].number == due.number)
        segment, following = next(found)
        made = Pruning(segment, following, due.classes, self._files)
        await self._steps(made.prepare())
        if made.result is None:
            inventory.without(due.number, due.classes)
            return None
        if not await self._steps(made.announced()):
            await self._announce(made.result.detail())
        return made

    async def _finish(self, inventory: Inventory, prepared: Sequence[Pruning]) -> list[Pruned]:
        done: list[Pruned] = []
        if not prepared or not await self._sealed():
            return done
        for made in prepared:
            if made.result is not None and await asyncio.to_thread(made.finish):
                inventory.without(made.number, frozenset(made.result.classes))
                done.append(made.result)
        return done


def words(error: OSError | GatewayError, directory: Path) -> str:
    """What is wrong, for operators."""
    if isinstance(error, GatewayError):
        return error.message
    return f"{error.filename or directory} cannot be compressed or pruned: {error.strerror or error}"
