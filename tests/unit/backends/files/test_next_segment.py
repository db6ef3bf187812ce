"""The next segment is made beforehand and in threads: the loop goes on, calls wait for the disk alone."""

import asyncio
import errno
import os
import threading
import time
from pathlib import Path

import pytest

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.next_segment import NextSegment, NotKept
from doorward.backends.files.open_segment import STEP, OpenSegment
from doorward.backends.files.read import read_records
from doorward.backends.files.recover import segments
from doorward.backends.files.segments import SegmentLog
from doorward.ports.audit import Role
from tests.unit.backends.files.logs import QUICK, MemoryRing, Writer, faults, notes

SLOW_S = 0.1


class WatchedDisk(OsDisk):
    """Knows which thread it was used from."""

    def __init__(self) -> None:
        self.allocated_by: list[str] = []
        self.synced_by: list[str] = []
        self.full = False
        self.lost = False
        self.slow = False

    def allocate(self, fd: int, offset: int, size: int) -> None:
        self.allocated_by.append(threading.current_thread().name)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().allocate(fd, offset, size)

    def sync(self, fd: int) -> None:
        self.synced_by.append(threading.current_thread().name)
        if self.lost:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.slow:
            time.sleep(SLOW_S)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def pads(count: int) -> list[bytes]:
    return [b'{"n":%d,"pad":"%s"}' % (number, b"x" * 80) for number in range(count)]


def test_it_is_hidden_until_it_follows(tmp_path: Path) -> None:
    following = NextSegment(tmp_path, 2, OsDisk())
    following.prepare()
    following.prepare()
    assert names(tmp_path) == [".00000002.jsonl.new"]
    assert (tmp_path / ".00000002.jsonl.new").stat().st_size == STEP
    assert segments(tmp_path) == []
    segment = following.follow(None)
    assert names(tmp_path) == ["00000002.jsonl"]
    assert (segment.number, segment.size, segment.path) == (2, 0, tmp_path / "00000002.jsonl")
    segment.write(b"{}\n")
    segment.finish()
    segment.close()
    assert (tmp_path / "00000002.jsonl").read_bytes() == b"{}\n"


def test_what_a_crash_has_left_is_made_anew_and_what_is_not_needed_goes(tmp_path: Path) -> None:
    left = tmp_path / ".00000002.jsonl.new"
    left.write_bytes(b"something")
    following = NextSegment(tmp_path, 2, OsDisk())
    following.prepare()
    assert left.read_bytes() == bytes(STEP)
    following.drop()
    following.drop()
    assert names(tmp_path) == []


def test_a_segment_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "00000002.jsonl").write_bytes(b"{}\n")
    with pytest.raises(FileExistsError):
        NextSegment(tmp_path, 2, OsDisk()).follow(None)
    assert names(tmp_path) == ["00000002.jsonl"]
    assert (tmp_path / "00000002.jsonl").read_bytes() == b"{}\n"


def test_without_room_it_does_not_exist_and_is_tried_again(tmp_path: Path) -> None:
    disk = WatchedDisk()
    following = NextSegment(tmp_path, 2, disk)
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        following.prepare()
    assert names(tmp_path) == []
    disk.full = False
    following.follow(None).close()
    assert names(tmp_path) == ["00000002.jsonl"]


def test_it_does_not_follow_on_one_that_the_disk_has_lost(tmp_path: Path) -> None:
    disk = WatchedDisk()
    old = OpenSegment(tmp_path, 1, disk, new=True)
    following = NextSegment(tmp_path, 2, disk)
    disk.lost = True
    with pytest.raises(NotKept):
        following.follow(old)
    assert segments(tmp_path) == [1]
    following.follow(None).close()  # nothing of the old one is believed: no reason to wait
    assert segments(tmp_path) == [1, 2]
    old.close()


@pytest.mark.asyncio
async def test_the_loop_goes_on_while_records_wait_for_the_change(tmp_path: Path) -> None:
    disk = WatchedDisk()
    log = SegmentLog(tmp_path, disk=disk, segment_bytes=1000)
    lines = pads(10)
    for line in lines:  # 970 bytes: one more is too many, and the next segment is being made
        await log.append(line)
    disk.slow = True
    began, written = time.monotonic(), log.append(pads(11)[-1])
    assert isinstance(written, asyncio.Future)
    turns = 0
    async with asyncio.timeout(20):
        while not written.done():
            await asyncio.sleep(0)
            turns += log._changing is not None
    assert turns > 10
    assert time.monotonic() - began >= SLOW_S
    disk.slow = False
    assert segments(tmp_path) == [1, 2]
    main = threading.main_thread().name
    assert disk.allocated_by.count(main) == 1  # for the first segment
    assert main not in disk.synced_by
    await log.close()
    assert list(read_records(tmp_path)) == pads(11)
    assert names(tmp_path) == ["00000001.jsonl", "00000002.jsonl"]


@pytest.mark.asyncio
async def test_where_there_is_no_room_for_another_one_the_open_one_grows(tmp_path: Path) -> None:
    disk = WatchedDisk()
    log = SegmentLog(tmp_path, disk=disk, segment_bytes=1000)
    lines = pads(60)
    await log.append(lines[0])
    disk.full = True
    for line in lines[1:40]:
        await log.append(line)
    assert segments(tmp_path) == [1]
    disk.full = False
    for line in lines[40:]:
        await log.append(line)
    await log.close()
    assert len(segments(tmp_path)) > 1
    assert list(read_records(tmp_path)) == lines


@pytest.mark.asyncio
async def test_a_segment_of_which_something_was_lost_at_its_end_is_left_and_the_next_one_has_to_prove_itself(
    tmp_path: Path,
) -> None:
    disk = WatchedDisk()
    log = SegmentLog(tmp_path, disk=disk, segment_bytes=1000)
    for line in pads(10):
        await log.append(line)
    disk.lost = True
    refused = await asyncio.gather(*map(log.append, pads(11)[-1:]), return_exceptions=True)
    assert [type(each).__name__ for each in refused] == ["GatewayError"]
    disk.lost = False
    await log.append(pads(11)[-1])
    assert segments(tmp_path)[-1] > 1
    await log.close()
    assert list(read_records(tmp_path)) == pads(11)


@pytest.mark.asyncio
async def test_closing_waits_for_a_change_and_writes_what_waited(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, disk=WatchedDisk(), segment_bytes=1000)
    for line in pads(10):
        await log.append(line)
    last = log.append(pads(11)[-1])
    await log.close()
    await last
    assert list(read_records(tmp_path)) == pads(11)


@pytest.mark.asyncio
async def test_records_larger_than_a_segment_have_one_each(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, segment_bytes=50)
    await asyncio.gather(*map(log.append, pads(3)))
    await asyncio.gather(*map(log.append, pads(3)))
    await log.close()
    assert segments(tmp_path) == [1, 2]
    assert list(read_records(tmp_path)) == pads(3) * 2


@pytest.mark.asyncio
@pytest.mark.parametrize("lost", [False, True])
async def test_who_waits_for_the_disk_at_a_change_is_told_what_became_of_his_segment(
    tmp_path: Path, lost: bool
) -> None:
    disk = WatchedDisk()
    log = SegmentLog(tmp_path, disk=disk, segment_bytes=1000)
    for line in pads(10):
        await log.append(line)
    durable = log.append(b'{"durable":1}', None, Role.DURABLE)
    await asyncio.sleep(0)  # it is written, and waits for a sync
    disk.slow, disk.lost = not lost, lost
    told, _ = await asyncio.gather(durable, log.turn_over(), return_exceptions=True)
    assert type(told).__name__ == ("GatewayError" if lost else "NoneType")
    disk.slow = disk.lost = False
    await log.append(b'{"last":1}', None, Role.DURABLE)
    await log.close()
    assert list(read_records(tmp_path))[-1] == b'{"last":1}'


def test_room_is_promised_in_the_new_one_before_the_old_one_gives_its_own_back(tmp_path: Path) -> None:
    disk = WatchedDisk()
    old = OpenSegment(tmp_path, 1, disk, new=True)
    old.write(b"{}\n", promised=100)
    following = NextSegment(tmp_path, 2, disk)
    following.prepare()
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        following.follow(old, 2 * STEP)
    assert old.path.stat().st_size == STEP
    disk.full = False
    following.follow(old, 2 * STEP).close()
    assert old.path.read_bytes() == b"{}\n"
    assert (tmp_path / "00000002.jsonl").stat().st_size == 2 * STEP
    old.close()


@pytest.mark.asyncio
async def test_what_was_written_before_a_change_is_hashed_while_it_is_prepared(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit", MemoryRing(), pace=QUICK._replace(seal_s=60.0))
    await writer.append(*notes(300))
    assert writer.sealer.size == 0
    left: list[int] = []
    first_record = writer.sealer.first_record

    def asked(number: int) -> bytes:
        left.append(len(writer.sealer._todo) + sum(map(len, writer.sealer.lines)))
        return first_record(number)

    writer.sealer.first_record = asked  # type: ignore[method-assign]
    await writer.log.turn_over()
    await writer.append(*notes(20, start=300))
    await writer.log.close()
    assert len(left) == 1
    assert left[0] < 300
    assert faults(tmp_path / "audit") == []
