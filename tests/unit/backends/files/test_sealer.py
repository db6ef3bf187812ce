"""What a log and its sealer leave behind, judged by the verifier, who knows nothing of either."""

import asyncio
import base64
import json
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from doorward.audit.merkle import leaf_hash, root_of
from doorward.audit.notes import parse_checkpoint, parse_note, signers
from doorward.backends.files.checkpoints import Checkpoints
from doorward.backends.files.sealer import SLICE_BYTES, SLICE_RECORDS, Pace
from doorward.model.errors import GatewayError
from tests.unit.backends.files.logs import (
    QUICK,
    Dead,
    FaultyFiles,
    MemoryRing,
    Writer,
    content,
    empty_directories,
    faults,
    files_of,
    judged,
    lines_of,
    note,
    notes,
    segments_of,
    until,
)

pytestmark = pytest.mark.asyncio
SLOW = Pace(seal_s=0.0, checkpoint_s=60.0, checkpoint_records=10**9, least_s=0.0, issue_s=0.0, retry_s=60.0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


async def test_a_log_is_sealed_when_it_is_closed(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    await writer.append(*notes(600))
    await writer.log.close()
    report = judged(directory)
    assert (faults(directory), report.records, report.sealed) == ([], 601, 601)
    newest = parse_checkpoint(parse_note(content(directory / "checkpoint")).text)
    assert newest.root == root_of(map(leaf_hash, lines_of(directory)))
    assert files_of(directory) == [
        "00000001.jsonl", "checkpoint", "checkpoints/00000001.jsonl", "keys",
        "tile/0/000", "tile/0/001", "tile/0/002.p/89", "tile/1/000.p/2",
    ]  # fmt: skip


async def test_the_first_record_of_a_log_and_of_each_further_segment(
    directory: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring, segment_bytes=4000)
    for number in range(60):
        await writer.append(note(number))
    await writer.log.close()
    first = [json.loads(content(path).split(b"\n")[0]) for path in segments_of(directory)]
    assert len(first) > 2
    assert [each["kind"] for each in first] == ["segment"] * len(first)
    assert [each["number"] for each in first] == list(range(1, len(first) + 1))
    assert [each.get("previous") for each in first[:2]] == [None, "00000001"]
    assert {each["gateway"] for each in first} == {"here"}
    everything = lines_of(directory)
    for each in first:
        root = root_of(map(leaf_hash, everything[: each["first"]]))
        assert each["root"] == base64.b64encode(root).decode()
        assert json.loads(everything[each["first"]]) == each
    # Each closed segment ends with a checkpoint of its own, issued while it was the open one.
    for each in first[1:]:
        issued = content(directory / "checkpoints" / f"{each['previous']}.jsonl").splitlines()
        assert (
            parse_checkpoint(parse_note(json.loads(issued[-1])["note"].encode()).text).size == each["first"]
        )
    assert faults(directory) == []


async def test_a_log_goes_on_where_it_ended(directory: Path, ring: MemoryRing) -> None:
    for _ in range(4):
        writer = Writer(directory, ring, segment_bytes=20_000)
        await writer.append(*notes(70, start=len(lines_of(directory))))
        await writer.log.close()
    assert (faults(directory), judged(directory).sealed) == ([], len(lines_of(directory)))
    assert len(writer.keys()) == 1


async def test_what_was_not_sealed_is_sealed_by_the_next_one(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    await writer.append(*notes(500))
    writer.kill()
    assert "checkpoint" not in files_of(directory)
    after = Writer(directory, ring, pace=SLOW)
    assert (after.sealer.size, after.sealer.checkpoint) == (501, 0)
    await after.log.close()
    assert (faults(directory), judged(directory).sealed) == ([], 501)


async def test_records_are_sealed_soon_after_they_were_written(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=Pace())
    started = time.monotonic()
    await writer.append(note(0))
    await until(lambda: writer.sealer.size == 2)
    assert time.monotonic() - started < 0.5  # promised: 0.05; the rest is the machine's
    await writer.log.close()


async def test_a_crowd_of_records_is_hashed_in_slices(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(seal_s=0.05))
    big = b'{"n":"' + b"x" * 50_000 + b'"}'
    await writer.append(*notes(1000), *([big] * 20))
    sizes = [0]
    while writer.sealer.size < 1021:
        await asyncio.sleep(0)
        sizes.append(writer.sealer.size)
    steps = [after - before for before, after in pairwise(sizes)]
    assert max(steps) <= SLICE_RECORDS
    assert max(steps[-4:]) <= SLICE_BYTES // len(big)
    await writer.log.close()


async def test_a_checkpoint_every_so_many_records(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(checkpoint_records=100))
    await writer.append(*notes(98))
    await until(lambda: writer.sealer.size == 99)
    assert writer.sealer.checkpoint == 0
    await writer.append(note(98))
    await writer.settled()
    assert writer.sealer.checkpoint == 100
    await writer.log.close()


async def test_a_checkpoint_after_so_long_and_none_of_an_idle_log(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(checkpoint_s=0.02))
    await writer.append(note(0))
    await writer.settled()
    issued = writer.sealer.figures()["checkpoints_issued"]
    await asyncio.sleep(0.1)
    assert writer.sealer.figures()["checkpoints_issued"] == issued == 1
    assert writer.sealer.figures()["signing_us"] > 0
    await writer.log.close()
    assert writer.sealer.figures()["checkpoints_issued"] == 1


async def test_a_changed_key_is_shown_by_a_checkpoint_of_both(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    await writer.append(*notes(3))
    await writer.rotate()
    await writer.settled()
    await writer.append(*notes(3))
    await writer.log.close()
    keys = writer.keys()
    signed = [signers(found.note, keys) for found in Checkpoints(directory, FaultyFiles()).history()]
    assert signed == [keys, keys[1:]]
    assert faults(directory) == []


async def test_keys_changed_twice_before_a_checkpoint(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(seal_s=60.0))
    await writer.append(note(0))
    before = writer.keys()[-1]
    await writer.rotate()
    ring.rotate("checkpoints")  # one that died before it was announced never signs
    await writer.log.close()
    assert len(writer.keys()) == 2
    assert faults(directory) == []
    after = Writer(directory, ring, pace=SLOW)
    await after.append(note(1))
    await after.log.close()
    newest = Checkpoints(directory, FaultyFiles()).newest()
    assert newest is not None
    assert signers(newest.note, [before, *after.keys()]) == after.keys()[1:]


async def test_a_rotation_that_a_crash_has_cut_short_is_finished(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    await writer.append(note(0))
    await writer.rotate()
    writer.kill()
    after = Writer(directory, ring, pace=SLOW)
    await after.log.close()
    assert len(after.keys()) == 2
    assert faults(directory) == []


async def test_a_key_that_the_ring_does_not_have_signs_nothing_and_is_said(
    directory: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring)
    await writer.append(note(0))
    await writer.settled()
    await writer.rotate()
    ring.keys["checkpoints"].pop()
    await until(lambda: writer.sealer.trouble is not None)
    assert "does not have the key that signs the audit log" in str(writer.sealer.trouble)
    ring.rotate("checkpoints")
    await writer.settled()
    assert writer.sealer.trouble is None
    await writer.log.close()
    assert faults(directory) == []


async def test_a_disk_that_fails_is_said_and_tried_again(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring)
    await writer.append(*notes(5))
    await writer.settled()
    for part in ("tile/0", "checkpoints/", "/checkpoint"):
        writer.files.broken = part
        await writer.append(*notes(300))
        await until(lambda: writer.sealer.trouble is not None)
        assert "Input/output error" in str(writer.sealer.trouble)
        assert str(directory) in str(writer.sealer.trouble)
        await writer.append(*notes(300))  # which calls do not feel
        writer.files.broken = None
        await writer.settled()
        assert writer.sealer.trouble is None
    await writer.log.close()
    assert faults(directory) == []


async def test_what_cannot_be_sealed_at_the_end_is_said_and_sealed_later(
    directory: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    await writer.append(*notes(5))
    writer.files.broken = "tile"
    with pytest.raises(GatewayError, match="cannot be sealed"):
        await writer.log.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer.log._guard)
    await Writer(directory, ring).log.close()
    assert (faults(directory), judged(directory).sealed) == ([], 6)


async def test_closing_does_not_wait_for_the_next_attempt(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(checkpoint_records=1))
    writer.files.broken = "tile"
    await writer.append(note(0))
    await until(lambda: writer.sealer.trouble is not None)
    writer.files.broken = None
    async with asyncio.timeout(10):
        await writer.log.close()
    assert faults(directory) == []


async def test_heads_that_wait_for_a_slow_disk_become_one_for_each_segment(
    directory: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring, segment_bytes=40_000, pace=SLOW._replace(checkpoint_records=10))
    writer.files.broken = "tile"
    for number in range(60):
        await writer.append(*notes(10, start=number * 10))
        await asyncio.sleep(0)
    writer.files.broken = None
    await writer.log.close()
    segments = len(segments_of(directory))
    history = list(Checkpoints(directory, FaultyFiles()).history())
    assert segments > 2
    assert segments <= len(history) <= segments + 2
    assert (faults(directory), judged(directory).sealed) == ([], len(lines_of(directory)))


async def test_a_busy_log_has_a_checkpoint_for_each_thousand_and_writes_them_in_rounds(
    directory: Path, ring: MemoryRing
) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(checkpoint_records=50, issue_s=60.0))
    await writer.append(*notes(60))
    await until(lambda: writer.sealer.checkpoint == 61)
    for number in range(10):
        await writer.append(*notes(60, start=number))
        await until(lambda: writer.sealer.size == writer.sealer.figures()["records"])
    assert writer.sealer.checkpoint == 61
    steps = len(writer.files.steps)
    await writer.log.close()
    assert len(writer.files.steps) - steps <= 16
    assert len(list(Checkpoints(directory, FaultyFiles()).history())) == 11
    assert (faults(directory), judged(directory).sealed) == ([], 661)


async def test_records_bring_no_more_checkpoints_than_are_of_use(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring, pace=SLOW._replace(checkpoint_records=50, least_s=3600.0))
    for number in range(5):
        await writer.append(*notes(60, start=number))
        await until(lambda: writer.sealer.size == writer.sealer.figures()["records"])
    await until(lambda: writer.sealer.checkpoint == 61)
    await writer.log.close()
    history = Checkpoints(directory, FaultyFiles()).history()
    assert [found.checkpoint.size for found in history] == [61, 301]


async def test_only_the_newest_partial_tiles_stay(directory: Path, ring: MemoryRing) -> None:
    writer = Writer(directory, ring)
    for number in range(60):
        await writer.append(*notes(10, start=number * 10))
        await writer.settled()
    await writer.log.close()
    assert [path for path in files_of(directory) if ".p/" in path] == ["tile/0/002.p/89", "tile/1/000.p/2"]
    assert empty_directories(directory) == []


async def test_a_bug_in_sealing_is_not_silent(directory: Path, ring: MemoryRing) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    writer = Writer(directory, ring, files=FaultyFiles(dies_at=3))
    await writer.append(note(0))
    await until(lambda: writer.sealer.trouble is not None)
    assert isinstance(told[0], Dead)
    assert str(writer.sealer.trouble).startswith("the audit log is not sealed")
    writer.kill()


@pytest.mark.parametrize("steps", [0, 1, 7])
async def test_a_log_that_dies_before_its_first_checkpoint(
    directory: Path, ring: MemoryRing, steps: int
) -> None:
    writer = Writer(directory, ring, pace=SLOW)
    if steps:
        await writer.append(*notes(steps))
    writer.kill()
    await Writer(directory, ring, pace=QUICK).log.close()
    assert (faults(directory), judged(directory).sealed) == ([], steps + 1)


async def test_a_head_that_comes_just_as_the_work_has_ended_is_sealed(
    tmp_path: Path, ring: MemoryRing
) -> None:
    """The work is done, and nobody has been told yet."""

    async def nothing() -> None:
        return

    writer = Writer(tmp_path, ring)
    await writer.append(*notes(5))
    await writer.settled()
    sealer = writer.sealer
    for close in (False, True):
        ended = asyncio.create_task(nothing())
        await ended
        sealer._work = ended
        ended.add_done_callback(sealer._worked_off)
        sealer._extend(notes(1, start=5))
        sealer._head()
        if close:
            await sealer.close()
        else:
            # The thread says how far it is before the work that waits for it has ended.
            await until(lambda: sealer.checkpoint == sealer.size and sealer._work is None)
        assert sealer.checkpoint == sealer.size
    writer.kill()
