"""Zeros ahead of the records, by a thread: never where a record may already stand."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorward.backends.files.ahead import Ahead
from doorward.backends.files.disk import OsDisk
from doorward.backends.files.open_segment import STEP, OpenSegment

PIECE = 256 * 1024


class Watched(OsDisk):
    """Keeps who was called. Before write number `waits_at` it waits; write number `fails_at` fails, or takes
    only `takes` bytes."""

    def __init__(self, *, waits_at: int = -1, fails_at: int = -1, takes: int | None = None) -> None:
        self.calls: list[str] = []
        self.writes = 0
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._waits_at, self._fails_at, self._takes = waits_at, fails_at, takes

    def allocate(self, fd: int, offset: int, size: int) -> None:
        self.calls.append("allocate")
        super().allocate(fd, offset, size)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        self.calls.append("write")
        number, self.writes = self.writes, self.writes + 1
        if number == self._waits_at:
            self.reached.set()
            assert self.go_on.wait(20)
        if number == self._fails_at:
            if self._takes is None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            data = data[: self._takes]
        return super().write(fd, data, offset)


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def test_room_is_allocated_first_and_then_written_to_its_end(fd: int) -> None:
    os.pwrite(fd, b"record\n", 0)
    disk = Watched()
    ahead = Ahead(disk, fd, 7, STEP)
    ahead.work()
    assert ahead.stop() == 7 + STEP
    assert os.pread(fd, 2 * STEP, 0) == b"record\n" + bytes(STEP)
    assert disk.calls == ["allocate"] + ["write"] * (STEP // PIECE)


def test_once_it_is_stopped_nothing_happens_any_more(fd: int) -> None:
    disk = Watched()
    ahead = Ahead(disk, fd, 0, STEP)
    assert ahead.stop() == 0
    ahead.work()
    assert disk.calls == []
    assert os.fstat(fd).st_size == 0


def test_stopping_waits_for_the_write_that_is_being_done_and_for_no_other(fd: int) -> None:
    disk = Watched(waits_at=1)
    ahead = Ahead(disk, fd, 0, STEP)
    worker, ends = threading.Thread(target=ahead.work), list[int]()
    stopper = threading.Thread(target=lambda: ends.append(ahead.stop()))
    worker.start()
    assert disk.reached.wait(20)
    stopper.start()
    stopper.join(0.05)
    assert not ends
    disk.go_on.set()
    stopper.join()
    worker.join()
    assert ends[0] in range(2 * PIECE, STEP + 1)
    assert disk.writes * PIECE == ends[0]


@pytest.mark.parametrize("takes", [None, 1000], ids=["error", "short"])
def test_what_a_disk_did_not_take_is_no_room(fd: int, takes: int | None) -> None:
    disk = Watched(fails_at=2, takes=takes)
    ahead = Ahead(disk, fd, 0, STEP)
    ahead.work()
    assert ahead.stop() == 2 * PIECE + (takes or 0)
    assert disk.writes == 3


def test_a_segment_looks_ahead_when_half_a_step_is_left_and_once(tmp_path: Path) -> None:
    disk = Watched()
    segment = OpenSegment(tmp_path, 1, disk, new=True)
    segment.write(b"{}\n")
    assert segment.look_ahead() is None
    segment.write(b"x" * (STEP // 2))
    ahead = segment.look_ahead()
    assert ahead is not None
    assert segment.look_ahead() is None
    ahead.work()
    disk.calls.clear()
    segment.write(b"y" * STEP)  # into what was written ahead: nothing is allocated
    assert disk.calls == ["write"]
    segment.finish()
    segment.close()
    assert segment.path.read_bytes() == b"{}\n" + b"x" * (STEP // 2) + b"y" * STEP


@pytest.mark.parametrize("worked", [True, False])
def test_a_segment_that_needs_room_before_it_is_ready_makes_it_itself(tmp_path: Path, worked: bool) -> None:
    segment = OpenSegment(tmp_path, 1, OsDisk(), new=True)
    segment.write(b"x" * (STEP - 10))
    ahead = segment.look_ahead()
    assert ahead is not None
    if worked:
        ahead.work()
    segment.write(b"y" * (3 * STEP))
    ahead.work()  # a thread that was late: it must not wipe a record
    content = segment.path.read_bytes()
    assert content.rstrip(b"\0") == b"x" * (STEP - 10) + b"y" * (3 * STEP)
    segment.finish()
    segment.close()


def test_a_segment_that_is_closed_does_not_grow_any_more(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, OsDisk(), new=True)
    segment.write(b"x" * (STEP - 10))
    ahead = segment.look_ahead()
    assert ahead is not None
    segment.give_back()
    ahead.work()
    assert segment.path.stat().st_size == STEP - 10
    segment.close()
