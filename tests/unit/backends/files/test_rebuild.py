"""The tree from the records alone, and the first bad place when it does not fit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.unit.backends.files.logs import (
    MemoryRing,
    Writer,
    files_of,
    refusal,
    segments_of,
    written,
)

pytestmark = pytest.mark.asyncio


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


@pytest_asyncio.fixture
async def directory(tmp_path: Path, ring: MemoryRing) -> Path:
    directory = tmp_path / "audit"
    for _ in range(3):
        await written(directory, ring, 250, segment_bytes=30_000)
    return directory


def edit(directory: Path, number: int) -> str:
    """Change one record; where it stands."""
    at = number
    for path in segments_of(directory):
        lines = path.read_bytes().split(b"\n")
        if at < len(lines) - 1:
            lines[at] = lines[at].replace(b"noted", b"wrote")
            path.write_bytes(b"\n".join(lines))
            return f"record {number} ({path}:{at + 1})"
        at -= len(lines) - 1
    raise AssertionError("there is no such record")


def prune(directory: Path) -> None:
    """The first segments keep their first record only, as retention leaves them."""
    at = 0
    for path in segments_of(directory)[:-2]:
        lines = path.read_bytes().splitlines()
        kept = msgspec.json.encode({"n": at, "record": lines[0].decode()}) + b"\n"
        path.with_name(f"{path.stem}.kept.jsonl").write_bytes(kept)
        path.unlink()
        at += len(lines)


def without_tiles(directory: Path) -> None:
    shutil.rmtree(directory / "tile")


def without_partial_tiles(directory: Path) -> None:
    for path in list(directory.rglob("*.p")):
        shutil.rmtree(path)


def zeroed(directory: Path) -> None:
    for path in files_of(directory):
        if path.startswith("tile"):
            (directory / path).write_bytes(bytes((directory / path).stat().st_size))


@pytest.mark.parametrize("number", [2, 200, 700])
async def test_a_changed_record_is_named_by_its_tile(directory: Path, ring: MemoryRing, number: int) -> None:
    place = edit(directory, number)
    without_partial_tiles(directory)
    if number < 512:
        assert f"{place} is not what was sealed" in refusal(directory, ring)
    else:  # its hash was in a partial tile, and that is gone
        message = refusal(directory, ring)
        assert message.startswith("between record ")
        assert "is something that was not sealed" in message


@pytest.mark.parametrize("damage", [without_tiles, zeroed])
async def test_without_tiles_the_checkpoints_say_between_which(
    directory: Path, ring: MemoryRing, damage: Callable[[Path], None]
) -> None:
    edit(directory, 300)
    damage(directory)
    message = refusal(directory, ring)
    if damage is zeroed:  # then every record differs from its tile, and the first of the range is named
        assert "is not what was sealed" in message
    else:
        assert message.startswith("between record 2")
    assert not (directory / "tile").exists() or damage is zeroed


async def test_nothing_is_written_for_a_log_that_is_refused(directory: Path, ring: MemoryRing) -> None:
    edit(directory, 300)
    without_partial_tiles(directory)
    before = files_of(directory)
    refusal(directory, ring)
    assert files_of(directory) == before


async def test_pruned_segments_give_the_hashes_that_their_tiles_have(
    directory: Path, ring: MemoryRing
) -> None:
    before = {path: (directory / path).read_bytes() for path in files_of(directory) if ".p/" in path}
    prune(directory)
    without_partial_tiles(directory)
    await Writer(directory, ring).log.close()
    assert {path: (directory / path).read_bytes() for path in before} == before


async def test_hashes_of_pruned_records_that_are_gone_cannot_be_made_again(
    directory: Path, ring: MemoryRing
) -> None:
    prune(directory)
    without_tiles(directory)
    assert "the hashes of pruned records are missing: tile/0/000" in refusal(directory, ring)


async def test_records_that_are_missing_are_counted(directory: Path, ring: MemoryRing) -> None:
    without_partial_tiles(directory)
    last = segments_of(directory)[-1]
    last.write_bytes(b"\n".join(last.read_bytes().split(b"\n")[:3]) + b"\n")
    assert "ends before record" in refusal(directory, ring)


async def test_a_segment_that_is_missing_in_the_middle(directory: Path, ring: MemoryRing) -> None:
    without_partial_tiles(directory)
    segments_of(directory)[1].unlink()
    assert "00000003.jsonl begins with record" in refusal(directory, ring)
