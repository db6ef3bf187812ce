"""Logs of decisions and changes in several closed segments, for compressing and pruning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doorward.audit.records import Segment
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.prune import Pruned, Pruning
from doorward.backends.files.segment_lines import SegmentFile, segment_files
from tests.unit.backends.files.logs import MemoryRing, Writer, line, record


def kinds(count: int, start: int = 0) -> list[bytes]:
    """Seven decisions, an outcome, a heartbeat and a change, over and over."""
    found = []
    for number in range(start, start + count):
        match number % 10:
            case 7:
                found.append(line(record("outcome", number, call_id="c", result={"outcome": "success"})))
            case 8:
                found.append(line(record("heartbeat", number, records=1, size=1, checkpoint=1)))
            case 9:
                members = {"action": "key:create", "object": "k", "actor": {"subject": "me", "method": "cli"}}
                found.append(line(record("change", number, **members)))
            case _:
                found.append(line(record("decision", number, call_id="c", asked='\u2603 "quoted"')))
    return found


async def kept_log(
    directory: Path, ring: MemoryRing, *, count: int = 900, rotates: bool = True, segment_bytes: int = 60_000
) -> Writer:
    """Still open, sealed to its end: two closed segments of some 350 records, and one more."""
    writer = Writer(directory, ring, segment_bytes=segment_bytes)
    await writer.append(line(record("lifecycle", 0, event="started", detail={})))
    for start in range(0, count, 50):
        await writer.append(*kinds(50, start))
        if rotates and start == 100:
            await writer.rotate()
    await writer.settled()
    return writer


def closed(directory: Path, number: int) -> tuple[SegmentFile, Segment]:
    """One segment, and how the next one begins."""
    found = segment_files(directory)
    at = next(at for at, each in enumerate(found) if each.number == number)
    opening = found[at + 1].begins()
    assert opening is not None
    return found[at], opening


def pruning(directory: Path, number: int, *classes: Any, files: OsFiles | None = None) -> Pruning:
    segment, following = closed(directory, number)
    return Pruning(segment, following, frozenset(classes or ("decisions",)), files or OsFiles())


def run(steps: Iterator[Any], stop_after: int | None = None) -> list[Any]:
    """What the steps yield; the rest is not done."""
    found = []
    for each in steps:
        found.append(each)
        if stop_after is not None and len(found) >= stop_after:
            break
    return found


async def announce(writer: Writer, pruned: Pruned) -> None:
    """On record, and sealed."""
    await writer.append(line(record("lifecycle", 0, event="segment_pruned", detail=pruned.detail())))
    await writer.settled()


async def prune(writer: Writer, number: int, *classes: Any, files: OsFiles | None = None) -> Pruned | None:
    """All of it."""
    made = pruning(writer.directory, number, *classes, files=files)
    run(made.prepare())
    if made.result is None:
        return None
    if True not in run(made.announced()):
        await announce(writer, made.result)
    assert made.finish()
    return made.result
