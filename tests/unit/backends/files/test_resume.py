"""A log that was left alone is gone on with, one that was changed is refused, and the place is named."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from doorward.audit.notes import Checkpoint, Note, sign, verifier_key
from tests.unit.backends.files.logs import (
    MemoryRing,
    Writer,
    faults,
    files_of,
    judged,
    lines_of,
    note,
    refusal,
    segments_of,
    written,
)

pytestmark = pytest.mark.asyncio
RECORDS = 300
SEGMENT = 20_000
Change = Callable[[Path], None]


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


@pytest_asyncio.fixture
async def directory(tmp_path: Path, ring: MemoryRing) -> Path:
    """A log of several segments, closed."""
    directory = tmp_path / "audit"
    for _ in range(3):
        await written(directory, ring, RECORDS // 3, segment_bytes=SEGMENT)
    return directory


async def test_what_was_left_alone_is_gone_on_with(directory: Path, ring: MemoryRing) -> None:
    await written(directory, ring, 10)
    assert (faults(directory), judged(directory).sealed) == ([], len(lines_of(directory)))


def edited(number: int) -> Change:
    """One digit of a record's text."""

    def change(directory: Path) -> None:
        for path in sorted(directory.glob("*.jsonl")):
            lines = path.read_bytes().split(b"\n")
            for at, line in enumerate(lines):
                if line == note(number):
                    lines[at] = line.replace(b"noted", b"wrote")
                    path.write_bytes(b"\n".join(lines))
                    return
        raise AssertionError("there is no such record")

    return change


def last(directory: Path) -> Path:
    return max(directory.glob("*.jsonl"))


def without_line(at: int) -> Change:
    def change(directory: Path) -> None:
        lines = last(directory).read_bytes().split(b"\n")
        del lines[at]
        last(directory).write_bytes(b"\n".join(lines))

    return change


def swapped(directory: Path) -> None:
    lines = last(directory).read_bytes().split(b"\n")
    lines[-3], lines[-2] = lines[-2], lines[-3]
    last(directory).write_bytes(b"\n".join(lines))


def without(name: str) -> Change:
    def change(directory: Path) -> None:
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def first_form(directory: Path) -> None:
    """As logs were before they had evidence."""
    for name in ("checkpoint", "checkpoints", "tile"):
        without(name)(directory)
    for path in directory.glob("*.jsonl"):
        path.unlink()
    (directory / "00000001.jsonl").write_bytes(note(0) + b"\n")


def checkpoints_of(directory: Path) -> Path:
    return max((directory / "checkpoints").iterdir())


def unsaid(directory: Path) -> None:
    """The newest checkpoint is taken out of the history."""
    path = checkpoints_of(directory)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def resigned(directory: Path) -> None:
    """By somebody who has no key of ours."""
    path = checkpoints_of(directory)
    lines = path.read_bytes().splitlines()
    issued = json.loads(lines[-1])
    origin, size, root, *_ = issued["note"].split("\n")
    text = f"{origin}\n{size}\n{root}\n"
    issued["note"] = str(Note(text, (sign(text, origin, b"\x77" * 32),)))
    path.write_bytes(b"\n".join([*lines[:-1], json.dumps(issued).encode()]) + b"\n")
    (directory / "checkpoint").write_text(issued["note"])


def garbled(name: str, text: bytes) -> Change:
    def change(directory: Path) -> None:
        path = directory / name if name else checkpoints_of(directory)
        path.write_bytes(text)

    return change


def no_segments(directory: Path) -> None:
    for path in directory.glob("*.jsonl"):
        path.unlink()


def more_keys(directory: Path) -> None:
    origin = (directory / "keys").read_text().partition("+")[0]
    with (directory / "keys").open("a") as file:
        file.write(verifier_key(origin, b"\x77" * 32).text + "\n")


def other_origin(directory: Path) -> None:
    key = verifier_key("doorward.dev/log/ffffffffffffffff", b"\x01" * 32)
    (directory / "keys").write_text(key.text + "\n")


CHANGES: dict[str, tuple[Change, str]] = {
    "a record of the last tile is edited": (edited(RECORDS), r"record 3\d\d \(.*jsonl:\d+\) is not what"),
    "the last record is gone": (without_line(-2), r"ends before record \d+, and a checkpoint covers \d+"),
    "a record before it is gone": (without_line(-4), r"record \d+ \(.*jsonl:\d+\) is not what"),
    "two records are swapped": (swapped, r"record \d+ \(.*jsonl:\d+\) is not what"),
    "the last segment is gone": (lambda directory: last(directory).unlink(), "ends before record"),
    "all segments are gone": (no_segments, "ends before record 0"),
    "the last segment lost its first record": (without_line(0), "does not begin with its own record"),
    "the newest checkpoint is taken back": (unsaid, "is not the newest of the checkpoints that are kept"),
    "the newest checkpoint is somebody else's": (resigned, "cannot be believed"),
    "a checkpoint is garbled": (garbled("", b"{}\n"), "jsonl is damaged"),
    "a checkpoint is no note": (garbled("", b'{"at":1,"note":"no"}\n'), "jsonl is damaged"),
    "the keys are gone": (without("keys"), "records and no file `keys`"),
    "the keys are garbled": (garbled("keys", b"none\n"), "keys is damaged"),
    "the keys are not text": (garbled("keys", b"\xff\n"), "keys is damaged"),
    "another key stands with the keys": (more_keys, "no record has brought it in"),
    "the keys are those of another log": (other_origin, "one of another log"),
    "the history is gone": (without("checkpoints"), "is not the newest of the checkpoints that are kept"),
    "the log is one of the first form": (first_form, "an earlier version of Doorward wrote none"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
async def test_a_log_that_was_changed_is_refused(directory: Path, ring: MemoryRing, name: str) -> None:
    change, words = CHANGES[name]
    change(directory)
    before = {path: (directory / path).read_bytes() for path in files_of(directory)}
    message = refusal(directory, ring)
    assert re.search(words, message), message
    assert "the audit log was changed: `doorward audit verify` says more" in message
    assert {path: (directory / path).read_bytes() for path in files_of(directory)} == before


async def test_a_ring_that_was_made_anew_does_not_know_the_log(directory: Path) -> None:
    ring = MemoryRing()
    ring.keys["checkpoints"] = [b"\x55" * 32]
    assert "the key ring has none of the keys in" in refusal(directory, ring)


@pytest.mark.parametrize("part", ["tile", "tile/0", "tile/1", "tile/0/000"])
async def test_tiles_that_are_lost_are_made_again(directory: Path, ring: MemoryRing, part: str) -> None:
    before = {
        path: (directory / path).read_bytes() for path in files_of(directory) if path.startswith("tile")
    }
    without(part)(directory)
    await Writer(directory, ring).log.close()
    if part != "tile/0/000":  # a full tile left of the edge is needed by proofs only, and not looked at
        assert {path: (directory / path).read_bytes() for path in before} == before
        assert faults(directory) == []


async def test_tiles_that_do_not_fit_are_made_again(directory: Path, ring: MemoryRing) -> None:
    tiles = [path for path in files_of(directory) if path.startswith("tile")]
    before = {path: (directory / path).read_bytes() for path in tiles}
    for path in tiles:
        (directory / path).write_bytes(bytes(len(before[path])))
    await Writer(directory, ring).log.close()
    assert {path: (directory / path).read_bytes() for path in tiles} == before
    assert faults(directory) == []


async def test_a_copy_of_the_checkpoint_that_is_behind_or_gone_is_made_again(
    directory: Path, ring: MemoryRing
) -> None:
    newest = (directory / "checkpoint").read_text()
    origin = newest.partition("\n")[0]
    text = Checkpoint(origin, 3, bytes(32)).text
    for left in (None, "", "garbage", str(Note(text, (sign(text, origin, b"\x01" * 32),)))):
        (directory / "checkpoint").unlink()
        if left is not None:
            (directory / "checkpoint").write_text(left)
        Writer(directory, ring).kill()
        assert (directory / "checkpoint").read_text() == newest


async def test_an_anchor_knows_of_records_that_the_log_has_lost(
    directory: Path, ring: MemoryRing, tmp_path: Path
) -> None:
    """A whole log of yesterday is sound by itself: only what lies elsewhere tells."""
    anchor, yesterday = tmp_path / "anchor", tmp_path / "yesterday"
    anchor.mkdir()
    await written(directory, ring, 5, anchor=anchor)
    shutil.copytree(directory, yesterday)
    await written(directory, ring, 5, anchor=anchor)
    Writer(yesterday, ring).kill()
    assert "has a checkpoint of" in refusal(yesterday, ring, anchor)
    await written(directory, ring, 5, anchor=anchor)
    assert faults(directory, sorted(anchor.iterdir())) == []


async def test_an_anchor_of_another_history_is_not_believed(
    directory: Path, ring: MemoryRing, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor"
    anchor.mkdir()
    await written(directory, ring, 5, anchor=anchor)
    [path] = anchor.iterdir()
    issued = json.loads(path.read_bytes().splitlines()[-1])
    issued["note"] = issued["note"].replace("doorward.dev", "doorward.net")
    path.write_text(json.dumps(issued) + "\n")
    assert "cannot be believed" in refusal(directory, ring, anchor)


async def test_an_anchor_that_cannot_be_read_keeps_nobody_from_serving(
    directory: Path, ring: MemoryRing, tmp_path: Path
) -> None:
    writer = Writer(directory, ring, anchor=tmp_path / "not-mounted")
    await writer.append(note(0))
    await writer.log.close()
    assert "cannot be anchored" in str(writer.sealer.trouble)
    assert faults(directory) == []


async def test_a_segment_without_any_record_is_none(directory: Path, ring: MemoryRing) -> None:
    """Its maker died between making and writing it."""
    number = int(last(directory).stem) + 1
    (directory / f"{number:08d}.jsonl").touch(mode=0o600)
    await written(directory, ring, 3)
    assert len(last(directory).read_bytes().splitlines()) == 4
    assert faults(directory) == []


async def test_only_what_is_needed_is_read(directory: Path, ring: MemoryRing) -> None:
    """A start does not get slower with the age of a log."""
    for path in segments_of(directory)[:-2]:
        path.write_bytes(b"not looked at\n")
    Writer(directory, ring).kill()
