import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.backends.files.read import read_records
from doorward.backends.files.recover import Recovery, segments
from doorward.backends.files.segments import OsDisk, SegmentLog
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.waits import PARK


class FaultyDisk(OsDisk):
    """Fails where and as long as it is told to."""

    def __init__(self) -> None:
        self.write_error: int | None = None
        self.short: int | None = None
        self.truncate_error: int | None = None
        self.sync_error: int | None = None
        self.allocate_error: int | None = None
        self.stuck = False
        """Whether nothing can be wiped."""
        self.writes: list[bytes] = []
        self.syncs: list[float] = []

    def write(self, fd: int, data: bytes, offset: int) -> int:
        if self.stuck and not data.strip(b"\0"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.short is not None and data.strip(b"\0"):
            os.pwrite(fd, data[: self.short], offset)
            if self.write_error is None:
                return self.short
        if self.write_error is not None and data.strip(b"\0"):
            raise OSError(self.write_error, os.strerror(self.write_error))
        self.writes.append(data)
        return super().write(fd, data, offset)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        if self.allocate_error is not None:
            raise OSError(self.allocate_error, os.strerror(self.allocate_error))
        super().allocate(fd, offset, size)

    def truncate(self, fd: int, size: int) -> None:
        if self.truncate_error is not None:
            raise OSError(self.truncate_error, os.strerror(self.truncate_error))
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self.syncs.append(time.monotonic())
        if self.sync_error is not None:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().sync(fd)


async def unavailable(log: SegmentLog, record: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await log.append(record)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    return caught.value


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.005)


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def content(directory: Path) -> bytes:
    """Of the first segment, without the room behind its records."""
    return (directory / "00000001.jsonl").read_bytes().rstrip(b"\0")


def records(directory: Path) -> list[bytes]:
    return list(read_records(directory))


@pytest.mark.asyncio
async def test_a_record_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    await log.append(b'{"n":1}')
    assert content(tmp_path) == b'{"n":1}\n'
    await log.close()


@pytest.mark.asyncio
async def test_one_turn_of_the_loop_is_one_write(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    await asyncio.gather(*(log.append(b'{"n":%d}' % number) for number in range(50)))
    assert len(disk.writes) == 1
    assert records(tmp_path) == [b'{"n":%d}' % number for number in range(50)]
    await log.append(b"{}")
    assert len(disk.writes) == 2
    await log.close()


@pytest.mark.asyncio
async def test_appending_again_continues_the_log(tmp_path: Path) -> None:
    for number in range(3):
        log = SegmentLog(tmp_path)
        assert log.recovered is None
        await log.append(b'{"n":%d}' % number)
        await log.close()
    assert records(tmp_path) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert segments(tmp_path) == [1]


@pytest.mark.asyncio
async def test_files_are_private_under_a_lax_umask(tmp_path: Path) -> None:
    lax = os.umask(0)
    try:
        log = SegmentLog(tmp_path / "state" / "audit")
    finally:
        os.umask(lax)
    assert stat.S_IMODE((tmp_path / "state" / "audit").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "audit" / "00000001.jsonl").stat().st_mode) == 0o600
    await log.close()


@pytest.mark.asyncio
async def test_rotates_by_size_and_keeps_order(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, segment_bytes=100)
    for number in range(40):
        await log.append(b'{"n":%d}' % number)
    await log.close()
    assert len(segments(tmp_path)) > 3
    assert all(len(segment.read_bytes()) <= 100 for segment in files(tmp_path))
    assert records(tmp_path) == [b'{"n":%d}' % number for number in range(40)]


@pytest.mark.asyncio
async def test_a_record_larger_than_a_segment_is_written_whole(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, segment_bytes=10)
    large = b'{"pad":"%s"}' % (b"x" * 1000)
    await log.append(large)
    await log.append(large)
    await log.close()
    assert records(tmp_path) == [large, large]


@pytest.mark.asyncio
async def test_syncs_within_50_ms_of_a_write(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    written = time.monotonic()
    await log.append(b"{}")
    assert disk.syncs == []
    await until(lambda: disk.syncs)
    # The schedule itself is 30 ms; the rest is slack for a busy test machine.
    assert disk.syncs[0] - written < 0.5
    await log.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
async def test_a_failed_write_fails_every_waiter_and_leaves_no_trace(tmp_path: Path, code: int) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    await log.append(b'{"n":1}')
    disk.write_error, disk.short = code, 5
    failed = await asyncio.gather(*(log.append(b'{"n":2}') for _ in range(3)), return_exceptions=True)
    assert all(isinstance(error, GatewayError) for error in failed)
    assert os.strerror(code) in (log.failure or "")
    assert content(tmp_path) == b'{"n":1}\n'
    disk.write_error = disk.short = None
    await log.append(b'{"n":3}')
    assert log.failure is None
    assert records(tmp_path) == [b'{"n":1}', b'{"n":3}']
    await log.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("taken", [0, 1, 7, 8, 12])
async def test_a_short_write_is_taken_back(tmp_path: Path, taken: int) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    disk.short = taken
    results = await asyncio.gather(log.append(b'{"n":1}'), log.append(b'{"n":2}'), return_exceptions=True)
    assert [type(result) for result in results] == [GatewayError, GatewayError]
    assert content(tmp_path) == b""
    await log.close()


@pytest.mark.asyncio
async def test_nothing_is_written_after_a_torn_record_that_cannot_be_cut(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    await log.append(b'{"n":1}')
    disk.short, disk.stuck = 3, True
    await unavailable(log, b'{"n":2}')
    disk.short = None
    await unavailable(log, b'{"n":3}')
    assert content(tmp_path) == b'{"n":1}\n{"n'
    disk.stuck = False
    await log.append(b'{"n":4}')
    assert records(tmp_path) == [b'{"n":1}', b'{"n":4}']
    await log.close()


@pytest.mark.asyncio
async def test_a_failed_sync_refuses_until_a_new_segment_has_kept_something(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    await log.append(b'{"n":1}')
    disk.sync_error = errno.EIO
    await until(lambda: log.failure)
    for _ in range(3):
        await unavailable(log, b'{"n":2}')
    disk.sync_error = None
    await log.append(b'{"n":3}')
    assert log.failure is None
    assert segments(tmp_path) == [1, 2]
    assert records(tmp_path) == [b'{"n":1}', b'{"n":3}']
    await log.close()


@pytest.mark.asyncio
async def test_a_deleted_segment_is_noticed(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "audit")
    (tmp_path / "audit" / "00000001.jsonl").unlink()
    await log.append(b'{"n":1}')
    await until(lambda: log.failure)
    await log.append(b'{"n":2}')
    assert log.failure is None
    assert segments(tmp_path / "audit") == [2]
    assert records(tmp_path / "audit") == [b'{"n":2}']
    await log.close()


@pytest.mark.asyncio
async def test_a_cancelled_waiter_disturbs_nobody(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    cancelled = log.append(b'{"n":1}')
    stays = log.append(b'{"n":2}')
    cancelled.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert b'{"n":2}' in records(tmp_path)
    await log.close()


@pytest.mark.asyncio
async def test_close_writes_what_is_pending_and_then_refuses(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    pending = log.append(b"{}")
    await log.close()
    await pending
    assert records(tmp_path) == [b"{}"]
    await unavailable(log, b"{}")
    await log.close()


@pytest.mark.asyncio
async def test_a_record_is_one_line(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    with pytest.raises(ValueError, match="one line"):
        await log.append(b"{}\n{}")
    await log.close()
    assert records(tmp_path) == []


@pytest.mark.asyncio
async def test_there_is_one_writer(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    with pytest.raises(GatewayError, match="another process"):
        SegmentLog(tmp_path)
    await log.close()
    again = SegmentLog(tmp_path)
    await again.close()


@pytest.mark.parametrize(
    "tail", [b'{"n":', b"{", b"\0" * 4096, b'{"n":2}', b"garbage\n", b'"text"\n', b"\n\n"]
)
@pytest.mark.asyncio
async def test_opening_cuts_off_a_torn_tail(tmp_path: Path, tail: bytes) -> None:
    whole = b'{"n":0}\n{"n":1}\n'
    (tmp_path / "00000001.jsonl").write_bytes(whole + tail)
    log = SegmentLog(tmp_path)
    assert log.recovered == Recovery("00000001.jsonl", len(tail.rstrip(b"\0")))
    assert content(tmp_path) == whole
    await log.append(b'{"n":9}')
    await log.close()
    assert records(tmp_path)[-1] == b'{"n":9}'


@given(cut=st.integers(min_value=0, max_value=80))
def test_recovery_keeps_exactly_the_whole_records(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    directory = tmp_path_factory.mktemp("audit")
    lines = [b'{"n":%d,"s":"a\\nb"}\n' % number for number in range(4)]
    content = b"".join(lines)[:cut]
    (directory / "00000001.jsonl").write_bytes(content)

    async def reopen() -> None:
        await SegmentLog(directory).close()

    asyncio.run(reopen())
    whole = [line[:-1] for index, line in enumerate(lines) if len(b"".join(lines[: index + 1])) <= cut]
    assert records(directory) == whole


@pytest.mark.asyncio
async def test_damage_beyond_a_torn_tail_is_refused_and_untouched(tmp_path: Path) -> None:
    damaged = b'{"n":1}\n' + b"x" * (5 * 1024 * 1024)
    (tmp_path / "00000001.jsonl").write_bytes(damaged)
    with pytest.raises(GatewayError, match="damaged"):
        SegmentLog(tmp_path)
    assert (tmp_path / "00000001.jsonl").stat().st_size == len(damaged)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(GatewayError) as caught:
        SegmentLog(tmp_path / "audit")
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE


class Steps:
    """A waiter that keeps what it was told; `then` is what it does when it is stepped."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.said: list[str] = []
        self._then = then

    def step(self) -> None:
        self.said.append("step")
        self._then()

    def pace(self) -> None:
        raise NotImplementedError

    def fail(self, failure: Exception) -> None:
        self.said.append(str(failure))


@pytest.mark.asyncio
async def test_waiters_are_stepped_in_their_order_once_the_record_is_written(tmp_path: Path) -> None:
    disk, order = FaultyDisk(), []
    log = SegmentLog(tmp_path / "log", disk=disk)
    first, second = (Steps(lambda name=name: order.append((name, len(disk.writes)))) for name in "ab")
    assert log.append(b"{}", first) is PARK
    assert log.append(b"{}", second) is PARK
    assert not order
    await asyncio.sleep(0)

    assert order == [("a", 1), ("b", 1)]
    await log.close()


@pytest.mark.asyncio
async def test_a_waiter_may_append_again_when_it_is_stepped(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "log")
    second = Steps()
    log.append(b"{}", Steps(lambda: log.append(b"[]", second)))
    assert not second.said
    await log.append(b"{}")
    await log.append(b"{}")

    assert second.said == ["step"]
    await log.close()


@pytest.mark.asyncio
async def test_waiters_are_told_of_a_full_disk_and_closing_wakes_them_too(tmp_path: Path) -> None:
    disk, told, closed = FaultyDisk(), Steps(), Steps()
    log = SegmentLog(tmp_path / "log", disk=disk)
    disk.write_error = errno.ENOSPC
    log.append(b"{}", told)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(told.said) == 1
    assert "cannot be written" in told.said[0]
    disk.write_error = None
    log.append(b"{}", closed)
    await log.close()
    await asyncio.sleep(0)

    assert closed.said == ["step"]


@pytest.mark.asyncio
async def test_a_waiter_that_meets_a_bug_hurts_no_other(tmp_path: Path) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    log = SegmentLog(tmp_path / "log")
    other = Steps()
    log.append(b"{}", Steps(bug))
    log.append(b"{}", other)
    await log.append(b"{}")
    await asyncio.sleep(0)

    assert other.said == ["step"]
    assert [type(error) for error in reported] == [ZeroDivisionError]
    await log.close()


@pytest.mark.asyncio
async def test_an_open_segment_is_closed_on_request(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = SegmentLog(tmp_path, disk=disk)
    await log.append(b'{"n":1}')
    await log.turn_over()
    waiting = log.append(b'{"n":2}')
    await log.turn_over()  # with a record that waits for the end of this turn
    await waiting
    assert segments(tmp_path) == [1, 2, 3]
    disk.allocate_error = errno.ENOSPC
    with pytest.raises(GatewayError, match="cannot be written"):
        await log.turn_over()
    disk.allocate_error = None
    await log.append(b'{"n":3}')
    await log.close()
    await log.turn_over()  # nobody writes it any more
    assert list(read_records(tmp_path)) == [b'{"n":1}', b'{"n":2}', b'{"n":3}']


def test_a_log_whose_newest_segment_is_none_that_can_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_bytes(b"{}\n")
    (tmp_path / "00000002.jsonl.gz").write_bytes(b"")
    with pytest.raises(GatewayError, match="has no segment behind 00000002, which was closed") as caught:
        SegmentLog(tmp_path)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
