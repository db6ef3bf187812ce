"""Decisions and outcomes: room that is promised, a disk that is waited for, disks that fail anywhere."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.read import read_records
from doorward.backends.files.segments import SegmentLog
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.audit import OUTCOME_BYTES, Pressure, Role


def decision(number: int) -> bytes:
    return b'{"kind":"decision","n":%d}' % number


def outcome(number: int) -> bytes:
    return b'{"kind":"outcome","n":%d}' % number


class Failing(OsDisk):
    """Fails call number `at` and the `times` after it; keeps what was synced."""

    def __init__(self, at: int = -1, times: int = 1, code: int = errno.EIO, *, torn: bool = False) -> None:
        self.calls = 0
        self.synced = 0
        self._bad = range(at, at + times)
        self._code = code
        self._torn = torn

    def _step(self) -> None:
        self.calls += 1
        if self.calls - 1 in self._bad:
            raise OSError(self._code, os.strerror(self._code))

    def write(self, fd: int, data: bytes, offset: int) -> int:
        try:
            self._step()
        except OSError:
            if self._torn:
                os.pwrite(fd, data[: len(data) // 2], offset)
            raise
        return super().write(fd, data, offset)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        self._step()
        super().allocate(fd, offset, size)

    def truncate(self, fd: int, size: int) -> None:
        self._step()
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)
        self.synced += 1


async def calls(log: SegmentLog, numbers: Sequence[int], role: Role = Role.DECISION) -> dict[int, str]:
    """What became of each call: refused, done, or unrecorded (sent, and its outcome is not in the log)."""

    async def call(number: int) -> str:
        try:
            await log.append(decision(number), None, role, role is Role.DURABLE)
        except GatewayError:
            return "refused"
        await asyncio.sleep(0)
        try:
            await log.append(outcome(number), None, Role.OUTCOME)
        except GatewayError:
            return "unrecorded"
        return "done"

    results = await asyncio.gather(*map(call, numbers))
    return dict(zip(numbers, results, strict=True))


@pytest.mark.asyncio
async def test_a_durable_decision_waits_for_the_disk_and_another_does_not(tmp_path: Path) -> None:
    disk = Failing()
    log = SegmentLog(tmp_path, disk=disk)
    await log.append(decision(1), None, Role.DECISION)
    assert disk.synced == 0
    await log.append(decision(2), None, Role.DURABLE, True)
    assert disk.synced == 1
    await asyncio.gather(*(log.append(decision(number), None, Role.DURABLE, True) for number in range(50)))
    assert disk.synced <= 3  # one for all of them
    await log.close()


@pytest.mark.asyncio
async def test_a_full_disk_refuses_decisions_and_keeps_every_outcome(tmp_path: Path) -> None:
    class Full(OsDisk):
        full = False

        def allocate(self, fd: int, offset: int, size: int) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().allocate(fd, offset, size)

    disk = Full()
    log = SegmentLog(tmp_path, disk=disk)
    open_calls = list(range(700))  # more room than one step has
    await asyncio.gather(*(log.append(decision(number), None, Role.DECISION) for number in open_calls))
    disk.full = True
    large = outcome(0)[:-1] + b',"pad":"' + b"x" * (OUTCOME_BYTES - 100) + b'"}'
    async with asyncio.TaskGroup() as group:
        for number in open_calls:
            record = large if number % 2 else outcome(number)
            group.create_task(_outcome(log, record))
        refused = group.create_task(_refused(log))
    assert refused.result() is Reason.AUDIT_UNAVAILABLE
    kept = list(read_records(tmp_path))
    assert len(kept) == 2 * len(open_calls)
    await log.close()


async def _outcome(log: SegmentLog, record: bytes) -> None:
    await log.append(record, None, Role.OUTCOME)


async def _refused(log: SegmentLog) -> Reason | None:
    """A decision for which there never is room, however much the outcomes give back: it is too large."""
    try:
        await log.append(b'{"pad":"' + b"x" * 3_000_000 + b'"}', None, Role.DECISION)
    except GatewayError as error:
        return error.reason
    return None


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("role", [Role.DECISION, Role.DURABLE], ids=["buffered", "strict"])
async def test_whichever_call_to_the_disk_fails_no_call_is_sent_without_its_record(
    tmp_path: Path, code: int, torn: bool, role: Role
) -> None:
    at = 0
    while True:
        disk = Failing(at, code=code, torn=torn)
        directory = tmp_path / str(at)
        try:
            log = SegmentLog(directory, segment_bytes=600, disk=disk)
        except GatewayError:
            at += 1
            continue
        became: dict[int, str] = {}
        for start in range(0, 30, 5):
            became |= await calls(log, range(start, start + 5), role)
        try:
            await log.close()
        except GatewayError:
            assert disk.calls - 1 in range(at, at + 2)
        kept = list(read_records(directory))
        for number, what in became.items():
            decided, settled = kept.count(decision(number)), kept.count(outcome(number))
            if what == "refused":
                assert settled == 0
            else:
                assert decided == 1, f"call {number} was sent without a record when call {at} failed"
                assert settled == (what == "done")
        assert sum(what == "refused" for what in became.values()) <= 10, (
            "one fault stopped more than one turn"
        )
        if disk.calls <= at:  # it never came to that one
            return
        at += 1


@pytest.mark.asyncio
async def test_a_disk_that_fills_up_makes_all_calls_wait_then_refuses_changes_then_all(
    tmp_path: Path,
) -> None:
    disk = Failing()
    log = SegmentLog(tmp_path, disk=disk)
    log.pressure = Pressure.ALL_STRICT
    await log.append(decision(1), None, Role.DECISION)
    assert disk.synced == 1
    log.pressure = Pressure.NO_WRITES
    await log.append(decision(2), None, Role.DECISION)
    with pytest.raises(GatewayError) as caught:
        await log.append(decision(3), None, Role.DURABLE, True)
    assert caught.value.reason is Reason.AUDIT_DISK_LOW
    log.pressure = Pressure.NOTHING
    with pytest.raises(GatewayError):
        await log.append(decision(4), None, Role.DECISION)
    await log.append(outcome(1), None, Role.OUTCOME)
    await log.append(b'{"kind":"refusal"}')
    log.pressure = Pressure.NONE
    await log.append(decision(5), None, Role.DECISION)
    await log.close()
    assert len(list(read_records(tmp_path))) == 5


class Lying(OsDisk):
    """Loses what was written until the end of its first sync, says so once, and later that all is well."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        if self.syncs == 1:
            self.begun.set()
            assert self.go_on.wait(20)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)


@pytest.mark.asyncio
async def test_who_writes_while_a_sync_fails_is_not_told_of_the_disk_by_the_next_one(tmp_path: Path) -> None:
    disk = Lying()
    log = SegmentLog(tmp_path, disk=disk)
    early = log.append(decision(1), None, Role.DURABLE)
    await asyncio.to_thread(disk.begun.wait, 20)
    late = log.append(decision(2), None, Role.DURABLE)
    await asyncio.sleep(0.01)
    assert not late.done()  # it is written, and waits for the sync that runs
    disk.go_on.set()
    for refused in (early, late):
        with pytest.raises(GatewayError):
            await refused
    await log.append(decision(3), None, Role.DURABLE)
    await log.close()


@pytest.mark.asyncio
async def test_closing_waits_for_those_who_wait_for_the_disk(tmp_path: Path) -> None:
    disk = Failing()
    log = SegmentLog(tmp_path, disk=disk)
    waiting = [log.append(decision(number), None, Role.DURABLE) for number in range(5)]
    await asyncio.sleep(0)
    assert not disk.synced
    await log.close()
    assert all(each.done() and each.exception() is None for each in waiting)
    assert len(list(read_records(tmp_path))) == 5
