"""What `doorward audit prune|hold|release` works on."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doorward.app.log import lifecycle, open_log, say_recovered
from doorward.app.outbox import opened
from doorward.app.retention import Retainer, retention
from doorward.app.state import paths
from doorward.app.terminal import operator
from doorward.audit.keep import PRUNED, Due, due
from doorward.audit.records import Actor, clip
from doorward.backends.files.checkpoints import Checkpoints
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.hold import Held, Hold
from doorward.backends.files.inventory import Inventory
from doorward.backends.files.lock import Holder, StateLock, holder
from doorward.backends.files.prune import Pruned
from doorward.backends.files.ring import FileRing
from doorward.config.load import Loaded
from doorward.control import holds
from doorward.model.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Row:
    """A segment that has something to lose."""

    segment: str
    """File stem."""
    since: int
    """When it begins; milliseconds since 1970."""
    until: int
    """When the next one begins."""
    records: int
    """That it once had."""
    bytes: int
    """Of its file now."""
    classes: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What there was to do, and what was done."""

    due: list[Row]
    done: list[dict[str, Any]]
    """Details of the records `segment_pruned`."""
    troubles: list[str]
    held: Held | None
    gateway: str | None
    """Who does it instead: the process that writes the log."""


def prune(loaded: Loaded, *, dry_run: bool, now: float | None = None) -> Outcome:
    """Take out of the log what `audit.keep` does not keep any more, unless a gateway runs, which does so.

    `now`: seconds since 1970. Raises OSError, GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE).
    """
    where = paths(loaded.settings)
    inventory, keep = Inventory(where.audit), retention(loaded.settings.audit.keep)
    if not where.audit.is_dir():
        return Outcome([], [], [], None, None)
    _exhaust(inventory.look())
    newest = Checkpoints(where.audit, OsFiles()).newest()
    covered = 0 if newest is None else newest.checkpoint.size
    todo = due(inventory.spans(covered), keep, time.time() if now is None else now)
    rows = [_row(inventory, each, covered) for each in todo]
    held, running = Hold(where.audit).read(), holder(where.lock)
    if dry_run or not todo or held is not None or running is not None:
        return Outcome(rows, [], [], held, None if running is None else str(running))
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with StateLock(where.lock, Holder(0, "audit prune", started)):
        done, troubles = asyncio.run(_prune(loaded, inventory, todo, covered))
    return Outcome(rows, [each.detail() for each in done], troubles, None, None)


async def _prune(
    loaded: Loaded, inventory: Inventory, todo: list[Due], covered: int
) -> tuple[list[Pruned], list[str]]:
    where = paths(loaded.settings)
    log, _ = open_log(where, FileRing(where.ring), loaded.settings.audit.anchor)

    async def announce(detail: dict[str, Any]) -> None:
        await log.append(lifecycle(PRUNED, detail))

    async def sealed() -> bool:
        await log.close()  # which seals everything; the lock of the state directory is still ours
        return True

    async def run(steps: Iterator[Any]) -> bool:
        return _exhaust(steps)

    retainer = Retainer(
        where.audit, OsFiles(), steps=run, announce=announce, sealed=sealed, at_once=len(todo)
    )
    try:
        await say_recovered(log)
        return await retainer.prune(inventory, todo, covered)
    finally:
        await log.close()


def hold(loaded: Loaded, reason: str, now: float | None = None) -> None:
    """Nothing of the log is pruned from here on. The hold comes first, and its record after it.

    Raises OSError, GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE).
    """
    at, by = time.time() if now is None else now, operator()
    with opened(loaded, "audit hold") as (store, _):
        Hold(paths(loaded.settings).audit).place(Held(int(at * 1000), by, clip(reason)))
        holds.record_hold(store, reason=reason, actor=Actor(by, "cli"), now=at)


def release(loaded: Loaded, reason: str, now: float | None = None) -> Held | None:
    """What was held; None when nothing was. The record comes first, and what it releases after it.

    Raises OSError, GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE).
    """
    own, at = Hold(paths(loaded.settings).audit), time.time() if now is None else now
    if not own.placed:
        return None
    try:
        held = own.read()
    except GatewayError:  # damaged: that holds too, and somebody has to be able to end it
        held = Held(0, "", "")
    with opened(loaded, "audit release") as (store, _):
        holds.record_release(store, reason=reason, actor=Actor(operator(), "cli"), now=at)
    own.lift()
    return held


def _row(inventory: Inventory, each: Due, covered: int) -> Row:
    segment, following = next(row for row in inventory.closed(covered) if row[0].number == each.number)
    opening = inventory.opening(each.number)
    return Row(
        f"{each.number:08d}",
        opening.ts,
        following.ts,
        following.first - opening.first,
        _size(segment.path),
        sorted(each.classes),
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _exhaust(steps: Iterator[Any]) -> bool:
    return True in list(steps)
