"""The writer dies at each step of its evidence, or a step fails: what it had taken is there, and proven."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from doorward.model.errors import GatewayError
from tests.unit.backends.files.logs import (
    QUICK,
    Dead,
    FaultyFiles,
    MemoryRing,
    Writer,
    faults,
    judged,
    lines_of,
    notes,
    segments_of,
)

SEGMENT = 18_000
BATCHES = 6
STEPS = 54
"""More than the script below has."""


AT_ONCE = QUICK._replace(checkpoint_records=1)


def open_log(directory: Path, ring: MemoryRing, files: FaultyFiles, anchor: Path) -> Writer:
    return Writer(directory, ring, files=files, anchor=anchor, segment_bytes=SEGMENT, pace=AT_ONCE)


async def script(writer: Writer, start: int = 0) -> None:
    """Three segments, two tiles, one changed key; the same steps each time."""
    for number in range(BATCHES):
        await writer.append(*notes(45, start=start + number * 45))
        await writer.settled()
        if number == BATCHES // 2:
            await writer.rotate()
            await writer.settled()
    await writer.log.close()


@pytest.fixture
def anchor(tmp_path: Path) -> Path:
    anchor = tmp_path / "anchor"
    anchor.mkdir()
    return anchor


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is durable is counted by FaultyFiles; waiting for the real disk would take minutes."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(f"os.{name}", lambda _: None)


def sound(directory: Path, anchor: Path) -> None:
    assert faults(directory, sorted(anchor.iterdir())) == []
    assert judged(directory).sealed == len(lines_of(directory))


def test_the_script_has_as_many_steps_as_are_tried(tmp_path: Path, anchor: Path) -> None:
    writer = open_log(tmp_path / "audit", MemoryRing(), FaultyFiles(), anchor)
    asyncio.run(script(writer))
    assert STEPS * 0.8 < len(writer.files.steps) <= STEPS
    assert set(writer.files.steps) == {"put", "append", "sync", "remove"}
    assert len(segments_of(tmp_path / "audit")) >= 3
    sound(tmp_path / "audit", anchor)


@pytest.mark.parametrize(("torn", "power"), [(False, False), (True, True)], ids=["killed", "without power"])
@pytest.mark.parametrize("step", range(STEPS))
def test_death_at_every_step(tmp_path: Path, anchor: Path, step: int, torn: bool, power: bool) -> None:
    directory, ring = tmp_path / "audit", MemoryRing()
    files = FaultyFiles(dies_at=step, torn=torn)
    acknowledged = asyncio.run(_until_death(directory, ring, files, anchor))
    if power:
        _lose_power(directory, files)
    else:
        assert set(acknowledged) <= set(lines_of(directory))
    asyncio.run(script(open_log(directory, ring, FaultyFiles(), anchor), start=1000))
    sound(directory, anchor)


async def _until_death(directory: Path, ring: MemoryRing, files: FaultyFiles, anchor: Path) -> list[bytes]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    try:
        writer = open_log(directory, ring, files, anchor)
    except Dead:
        return []
    with suppress(Dead):
        await script(writer)
    writer.kill()
    return writer.records


def _lose_power(directory: Path, files: FaultyFiles) -> None:
    """Of the open segment only what was synced before a checkpoint is left: less it cannot be."""
    if segments_of(directory):
        newest = segments_of(directory)[-1]
        status = newest.stat()
        with newest.open("r+b") as file:
            file.truncate(files.synced.get(status.st_ino, 0))


@pytest.mark.parametrize("step", range(0, STEPS, 2))
def test_failure_of_any_step_is_made_up_for(tmp_path: Path, anchor: Path, step: int) -> None:
    directory = tmp_path / "audit"
    files = FaultyFiles(fails={step, step + 1, step + 3})
    asyncio.run(_with_failures(directory, files, anchor))
    sound(directory, anchor)


async def _with_failures(directory: Path, files: FaultyFiles, anchor: Path) -> None:
    ring = MemoryRing()
    writer = None
    while writer is None:
        with suppress(GatewayError):
            writer = open_log(directory, ring, files, anchor)
    await script(writer)
    assert writer.sealer.trouble is None
