"""A small log as the gateway itself writes it: several segments, a replaced key, sealed to its end."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from doorward.app.state import StatePaths, paths
from doorward.audit import records
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.backends.files.ring import FileRing
from doorward.backends.files.sealer import Sealer
from doorward.backends.files.segments import SegmentLog
from doorward.config.load import Loaded, load
from doorward.pipeline.shares import Shares

START: Final = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
CONFIG: Final = """\
version: 1
gateway: {state: state}
servers:
  files: {url: "https://files.example/mcp"}
agents:
  bot: {grants: []}
"""


def configured(root: Path) -> Loaded:
    file = root / "doorward.yaml"
    file.write_text(CONFIG, "utf-8")
    return load(file)


class Clock:
    """Goes on by a day at each look."""

    def __init__(self, start: float = START) -> None:
        self.now = start

    def __call__(self) -> float:
        self.now += 86_400.0
        return self.now


def written(loaded: Loaded, count: int = 150) -> list[str]:
    """Ids of `count` decisions, one a day from July 2026 on."""
    return asyncio.run(_written(paths(loaded.settings), loaded.digest, count))


async def _written(where: StatePaths, revision: str, count: int) -> list[str]:
    ring, clock = FileRing(where.ring), Clock()
    sealer = Sealer(where.audit, ring, gateway="here", anchor=None, clock=lambda: clock.now)
    log = SegmentLog(where.audit, segment_bytes=12_000, observer=sealer)
    recorder = Recorder(
        log, ring, gateway="here", revision=revision, modes={}, large=LargeRecords(Shares()), clock=clock
    )
    await recorder.lifecycle("started", config=revision)
    ids = [uuid7() for _ in range(count)]
    for each in ids:
        await log.append(records.encode(_decision(each, clock(), revision)))
    await recorder.lifecycle("stopped")
    await log.close()
    return ids


def _decision(call_id: str, now: float, revision: str) -> records.Decision:
    return records.Decision(
        v=records.VERSION,
        id=call_id,
        ts=int(now * 1000),
        tenant="default",
        gateway="here",
        call_id=call_id,
        actor=records.Actor("bot", "key", "bot"),
        peer="203.0.113.0/24",
        decision=records.Ruling("permit", revision),
    )
