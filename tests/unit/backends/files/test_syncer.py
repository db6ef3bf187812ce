"""Syncs one after the other, in a thread, told in the event loop."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.syncer import Syncer


class Slow(OsDisk):
    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.threads: set[str] = set()
        self.error: int | None = None

    def sync(self, fd: int) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.threads.add(threading.current_thread().name)
        super().sync(fd)
        self.running -= 1
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))


@pytest.mark.asyncio
async def test_one_at_a_time_and_each_is_told(tmp_path: Path) -> None:
    disk, told = Slow(), list[OSError | None]()
    syncer = Syncer(disk)
    with (tmp_path / "file").open("wb") as file:
        for _ in range(5):
            syncer.sync(file.fileno(), told.append)
        async with asyncio.timeout(10):
            while len(told) < 5:  # noqa: ASYNC110 - it happens in a thread
                await asyncio.sleep(0.001)
    assert told == [None] * 5
    assert disk.most == 1
    assert disk.threads == {"audit-sync"}
    syncer.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "audit-sync"]


@pytest.mark.asyncio
async def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    disk, told = Slow(), list[OSError | None]()
    syncer = Syncer(disk)
    with (tmp_path / "file").open("wb") as file:
        disk.error = errno.EIO
        syncer.sync(file.fileno(), told.append)
        async with asyncio.timeout(10):
            while not told:  # noqa: ASYNC110 - it happens in a thread
                await asyncio.sleep(0.001)
    assert told[0] is not None
    assert told[0].errno == errno.EIO
    syncer.close()


@pytest.mark.asyncio
async def test_a_file_that_was_deleted_is_not_synced(tmp_path: Path) -> None:
    syncer = Syncer(Slow())
    with (tmp_path / "file").open("wb") as file:
        (tmp_path / "file").unlink()
        with pytest.raises(FileNotFoundError):
            syncer.sync(file.fileno(), lambda _: None)
    syncer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("synced", [True, False])
async def test_a_file_is_let_go_after_its_syncs(tmp_path: Path, synced: bool) -> None:
    disk, told = Slow(), list[OSError | None]()
    syncer = Syncer(disk)
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    if synced:
        for _ in range(3):
            syncer.sync(fd, told.append)
    syncer.let_go(fd)
    syncer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    await asyncio.sleep(0)
    assert told == [None] * 3 * synced


@pytest.mark.asyncio
async def test_work_is_done_in_the_thread_after_the_syncs_and_hinders_none(tmp_path: Path) -> None:
    disk, done = Slow(), list[object]()
    syncer = Syncer(disk)
    with (tmp_path / "file").open("wb") as file:
        syncer.sync(file.fileno(), lambda _: done.append("told"))
        syncer.afterwards(lambda: done.append((threading.current_thread().name, len(disk.threads))))
        syncer.sync(file.fileno(), lambda _: done.append("told"))
        async with asyncio.timeout(10):
            while len(done) < 3:  # noqa: ASYNC110 - it happens in a thread
                await asyncio.sleep(0.001)
    assert ("audit-sync", 1) in done
    assert done.count("told") == 2
    syncer.close()
