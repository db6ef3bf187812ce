"""A gateway keeps its closed segments in the background: small, and without what retention lets go of."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from doorward.app.housekeeping import Housekeeping, Pace
from doorward.audit.keep import PRUNED, class_of
from doorward.backends.files.hold import Held, Hold
from doorward.backends.files.read import read_records
from doorward.backends.files.segment_lines import segment_files
from doorward.config.audit import Keep
from doorward.model.errors import GatewayError
from tests.unit.backends.files.keeping import kept_log, kinds
from tests.unit.backends.files.logs import (
    NOW,
    Dead,
    FaultyFiles,
    MemoryRing,
    Writer,
    faults,
    line,
    record,
    until,
)

pytestmark = pytest.mark.asyncio
DAY = 86_400.0
QUICK = Pace(every_s=0.01, settle_s=0.0, sealed_s=20.0, look_s=0.005, rest=0.0)


def kept(decisions: str, changes: str) -> Keep:
    return Keep.model_validate({"decisions": decisions, "changes": changes})


class House:
    """The housekeeping of one log, on a day of our choice."""

    def __init__(self, writer: Writer, *, days: float = 0.0, files: FaultyFiles | None = None) -> None:
        self.writer = writer
        self.now = NOW + days * DAY
        self.keep = kept("400d", "2000d")
        self.announced: list[dict[str, Any]] = []
        self.housekeeping = Housekeeping(
            writer.directory,
            writer.log,
            writer.sealer,
            keep=lambda: self.keep,
            announce=self.announce,
            files=files,
            clock=lambda: self.now,
            pace=QUICK,
        )

    async def announce(self, detail: dict[str, Any]) -> None:
        self.announced.append(detail)
        await self.writer.append(line(record("lifecycle", 0, event=PRUNED, detail=detail)))

    async def sealed(self) -> bool:
        """Of a process that can die meanwhile."""
        await self.writer.settled()
        return True

    def forms(self) -> list[str]:
        return [each.form for each in segment_files(self.writer.directory)]


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


async def test_closed_segments_are_compressed(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring))
    await house.housekeeping.round()
    assert house.forms() == ["jsonl.gz", "jsonl.gz", "jsonl"]
    assert (house.announced, house.housekeeping.trouble) == ([], None)
    await house.writer.log.close()
    assert faults(tmp_path) == []


async def test_each_class_goes_when_its_time_has_come(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=399)
    await house.housekeeping.round()
    assert house.announced == []
    house.now += 2 * DAY
    await house.housekeeping.round()
    assert [each["segment"] for each in house.announced][:2] == ["00000001", "00000002"]
    assert {tuple(each["classes"]) for each in house.announced} == {("decisions",)}
    assert house.forms()[:2] == ["kept.jsonl"] * 2
    said = len(house.announced)
    await house.housekeeping.round()
    assert len(house.announced) == said
    house.now = NOW + 2001 * DAY
    await house.housekeeping.round()
    assert {tuple(each["classes"]) for each in house.announced[said:][:2]} == {("changes",)}
    assert house.housekeeping.trouble is None
    await house.writer.log.close()
    assert faults(tmp_path) == []


async def test_nothing_is_pruned_that_is_kept_for_ever_or_held(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=401)
    Hold(tmp_path).place(Held(0, "me"))
    await house.housekeeping.round()
    assert "kept.jsonl" not in house.forms()
    assert house.forms()[0] == "jsonl.gz"  # nothing is lost by that
    Hold(tmp_path).lift()
    house.keep = kept("forever", "forever")
    await house.housekeeping.round()
    assert "kept.jsonl" not in house.forms()
    assert house.announced == []
    await house.writer.log.close()


async def test_an_old_segment_is_closed_so_that_its_records_can_go(tmp_path: Path, ring: MemoryRing) -> None:
    writer = Writer(tmp_path, ring)
    house = House(writer)
    await writer.append(line(record("lifecycle", 0, event="started", detail={})), *kinds(20))
    await writer.settled()
    await house.housekeeping.round()
    assert len(house.forms()) == 1
    house.now += 32 * DAY
    await house.housekeeping.round()
    await writer.settled()
    assert len(house.forms()) == 2
    await house.housekeeping.round()
    assert house.forms() == ["jsonl.gz", "jsonl"]  # the new one has nothing but its own record
    house.now += 400 * DAY
    await house.housekeeping.round()
    assert house.forms()[0] == "kept.jsonl"
    await writer.log.close()
    assert faults(tmp_path) == []


async def test_nothing_goes_before_a_checkpoint_covers_it(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=401)
    covered = segment_files(tmp_path)[1].begins()
    assert covered is not None
    behind = House(house.writer, days=401)
    behind.housekeeping._sealer = type(  # a checkpoint that lags
        "Lagging", (), {"size": 10**6, "checkpoint": covered.first, "figures": lambda _: {"records": 0}}
    )()
    await behind.housekeeping.round()
    assert behind.forms()[:3] == ["kept.jsonl", "jsonl", "jsonl"]
    await house.writer.log.close()


async def test_what_was_not_sealed_in_time_is_gone_on_with_later(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=401)
    house.housekeeping._pace = QUICK._replace(sealed_s=0.0)
    real = house.writer.sealer.figures
    house.writer.sealer.figures = lambda: {"records": 1 << 40}  # type: ignore[method-assign]
    await house.housekeeping.round()
    assert "kept.jsonl" not in house.forms()
    said = [each["segment"] for each in house.announced]
    assert said == ["00000001", "00000002"]
    for name in said:  # the disk's clock is not the log's here
        os.utime(tmp_path / f".{name}.kept.jsonl.new", (NOW, NOW))
    house.writer.sealer.figures = real  # type: ignore[method-assign]
    house.housekeeping._pace = QUICK
    await house.housekeeping.round()
    assert house.forms()[:2] == ["kept.jsonl"] * 2
    assert [each["segment"] for each in house.announced] == [*said, "00000003"]  # the others were on record
    await house.writer.log.close()
    assert faults(tmp_path) == []


async def test_one_bad_segment_keeps_nothing_from_the_others(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=401)
    path = tmp_path / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"call_id":"c"', b'"call_id":"d"', 1))
    await house.housekeeping.round()
    assert house.forms()[:2] == ["jsonl", "kept.jsonl"]
    assert "does not fit the records" in (house.housekeeping.trouble or "")
    await house.writer.log.close()


async def test_a_disk_that_fails_is_said_and_tried_again(tmp_path: Path, ring: MemoryRing) -> None:
    files = FaultyFiles(fails=range(3))
    house = House(await kept_log(tmp_path, ring), files=files)
    await house.housekeeping.round()
    assert house.forms() == ["jsonl"] * 3
    assert "cannot be compressed or pruned: Input/output error" in (house.housekeeping.trouble or "")
    files.fails = frozenset()
    await house.housekeeping.round()
    assert (house.forms()[:2], house.housekeeping.trouble) == (["jsonl.gz"] * 2, None)
    await house.writer.log.close()
    assert faults(tmp_path) == []


async def test_a_directory_that_has_gone_is_said(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path / "audit", ring))
    (tmp_path / "audit").rename(tmp_path / "elsewhere")
    await house.housekeeping.round()
    assert "No such file or directory" in (house.housekeeping.trouble or "")
    (tmp_path / "elsewhere").rename(tmp_path / "audit")
    await house.writer.log.close()


async def test_it_runs_by_itself_and_prunes_once_it_has_settled(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring), days=401)
    house.housekeeping._pace = QUICK._replace(settle_s=1e6)
    running = asyncio.create_task(house.housekeeping.run())
    await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.wait([running])
    assert house.announced == []
    house.housekeeping._pace = QUICK
    running = asyncio.create_task(house.housekeeping.run())
    await until(lambda: house.forms()[:2] == ["kept.jsonl"] * 2)
    running.cancel()
    await asyncio.wait([running])
    await house.writer.log.close()
    assert faults(tmp_path) == []


async def test_who_ends_it_waits_for_the_step_that_is_being_done(tmp_path: Path, ring: MemoryRing) -> None:
    house = House(await kept_log(tmp_path, ring))
    ended: list[float] = []

    def steps() -> Iterator[None]:
        time.sleep(0.1)
        ended.append(time.monotonic())
        yield

    running = asyncio.create_task(house.housekeeping._run(steps()))
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert ended
    await house.writer.log.close()


async def test_calls_go_on_meanwhile(tmp_path: Path, ring: MemoryRing) -> None:
    """No step holds the event loop for longer than a slice of the interpreter."""
    house = House(await kept_log(tmp_path, ring, count=2000), days=401)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await house.housekeeping.round()
    other.cancel()
    assert turns > 200
    assert house.forms()[:3] == ["kept.jsonl"] * 3
    await house.writer.log.close()


@pytest.mark.parametrize("torn", [False, True])
async def test_a_death_at_any_step_of_a_round_costs_nothing(
    tmp_path: Path, ring: MemoryRing, torn: bool
) -> None:
    """Of the gateway as a whole: its housekeeping, and who seals what that puts on record."""
    dies_at = 0
    while True:
        directory = tmp_path / str(dies_at)
        writer = await kept_log(directory, ring, count=300, segment_bytes=24_000, rotates=False)
        before = set(read_records(directory))
        house = House(writer, days=401, files=writer.files)
        house.housekeeping._retainer._sealed = house.sealed
        writer.files._dies_at, writer.files._torn = len(writer.files.steps) + dies_at, torn
        with suppress(Dead, GatewayError):
            await house.housekeeping.round()
        died = writer.files.dead
        writer.kill()
        assert faults(directory) == []
        left = set(read_records(directory))
        assert {each for each in before - left if class_of(each) != "decisions"} == set()
        again = House(Writer(directory, ring, segment_bytes=24_000), days=401)
        await again.writer.append(line(record("lifecycle", 0, event="log_recovered")))
        await again.writer.settled()
        await again.housekeeping.round()
        assert again.forms()[:2] == ["kept.jsonl"] * 2
        assert again.housekeeping.trouble is None
        await again.writer.log.close()
        assert faults(directory) == []
        if not died:
            break
        dies_at += 1
    assert dies_at > 10
