"""Copies of checkpoints in a second place: none is lost, and a place that fails keeps nobody from serving."""

from pathlib import Path

import pytest

from doorward.backends.files.checkpoints import Checkpoints
from tests.unit.backends.files.logs import (
    QUICK,
    FaultyFiles,
    MemoryRing,
    Writer,
    content,
    faults,
    note,
    notes,
    until,
)

pytestmark = pytest.mark.asyncio


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def anchor(tmp_path: Path) -> Path:
    anchor = tmp_path / "anchor"
    anchor.mkdir()
    return anchor


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


def paths_in(anchor: Path) -> list[Path]:
    return list(anchor.iterdir())


def anchored(anchor: Path) -> list[bytes]:
    return [line for path in anchor.iterdir() for line in content(path).splitlines()]


def issued(directory: Path) -> list[bytes]:
    return [
        line for path in sorted((directory / "checkpoints").iterdir()) for line in content(path).splitlines()
    ]


async def test_every_checkpoint_stands_there_in_a_file_of_its_log(
    directory: Path, anchor: Path, ring: MemoryRing
) -> None:
    for _ in range(2):
        writer = Writer(directory, ring, anchor=anchor, segment_bytes=8000)
        for number in range(5):
            await writer.append(*notes(25, start=number * 25))
            await writer.settled()
        await writer.log.close()
    assert anchored(anchor) == issued(directory)
    [path] = paths_in(anchor)
    assert f"doorward.dev/log/{path.stem}" == writer.keys()[0].name
    assert faults(directory, [path]) == []


async def test_what_was_missed_is_made_up_for(directory: Path, anchor: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, anchor=anchor)
    await writer.append(note(0))
    await until(lambda: len(list(anchor.iterdir())) == 1)
    writer.files.broken = str(anchor)
    for number in range(1, 4):
        await writer.append(note(number))
        await until(lambda: writer.sealer.checkpoint == writer.sealer.size == number + 2)  # noqa: B023
    assert "cannot be anchored" in str(writer.sealer.trouble)
    assert len(anchored(anchor)) < len(issued(directory))
    writer.files.broken = None
    await until(lambda: writer.sealer.trouble is None)
    assert anchored(anchor) == issued(directory)
    await writer.log.close()


async def test_a_place_that_is_not_there_is_not_made(
    directory: Path, tmp_path: Path, ring: MemoryRing
) -> None:
    """A volume that is not mounted must not be taken for one that is empty."""
    missing = tmp_path / "not-mounted"
    writer = Writer(directory, ring, anchor=missing)
    await writer.append(note(0))
    await until(lambda: writer.sealer.trouble is not None)
    assert writer.sealer.trouble == (
        f"the audit log cannot be anchored in {missing}: No such file or directory"
    )
    assert not missing.exists()
    missing.mkdir()
    await until(lambda: writer.sealer.trouble is None)
    await writer.log.close()
    assert anchored(missing) == issued(directory)


async def test_another_place_gets_all_that_there_is(
    directory: Path, anchor: Path, tmp_path: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring)
    for number in range(3):
        await writer.append(note(number))
        await writer.settled()
    writer.sealer.place_anchor(anchor)
    await until(lambda: anchored(anchor) == issued(directory))
    writer.sealer.place_anchor(None)
    await writer.append(note(4))
    await writer.settled()
    await writer.log.close()
    assert len(anchored(anchor)) == len(issued(directory)) - 1


async def test_a_place_that_knows_more_than_the_log_is_said(
    directory: Path, anchor: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring)
    await writer.append(note(0))
    await writer.settled()
    [newest] = Checkpoints(directory, FaultyFiles()).history()
    name = newest.checkpoint.origin.rpartition("/")[2]
    more = newest.issued.note.replace("\n2\n", "\n9\n").replace("\n", "\\n")
    (anchor / f"{name}.jsonl").write_text(f'{{"at":1,"note":"{more}"}}\n')
    writer.sealer.place_anchor(anchor)
    await until(lambda: writer.sealer.trouble is not None)
    assert "has checkpoints that the audit log does not have" in str(writer.sealer.trouble)
    await writer.log.close()


async def test_a_damaged_file_is_said_and_not_written(
    directory: Path, anchor: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring, pace=QUICK)
    path = anchor / f"{writer.keys()[0].name.rpartition('/')[2]}.jsonl"
    path.write_bytes(b"none of ours\n")
    writer.sealer.place_anchor(anchor)
    await writer.append(note(0))
    await until(lambda: writer.sealer.trouble is not None)
    assert f"{path} is damaged" in str(writer.sealer.trouble)
    await writer.log.close()
    assert content(path) == b"none of ours\n"
