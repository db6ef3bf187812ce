"""The audit log in segment files (port: AuditLog): `<directory>/NNNNNNNN.jsonl`, one record per line.

Guarantees: `append` returns after write(2) took the whole record, so an acknowledged record survives the
death of this process at any moment; a sync to the disk follows within 50 ms. What stands in the files is
whole records and, after a crash, at most one torn tail, which `SegmentLog` cuts off when it opens.
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, Protocol

from doorward.backends.files.private import make_directory, sync_directory
from doorward.backends.files.recover import Recovery, recover, segment_path, segments
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.waits import PARK, Waiter

_LF: Final = 10  # a number, because CPython 3.11 looks for bytes in bytes by raising a TypeError first
SEGMENT_BYTES: Final = 64 * 1024 * 1024
SYNC_AFTER: Final = 0.03
"""Seconds from the first unsynced write to fdatasync; leaves room to keep 50 ms under load."""


class Disk(Protocol):
    """The three calls that can fail while the log runs: a seam for fault tests."""

    def write(self, fd: int, data: bytes) -> int: ...
    def truncate(self, fd: int, size: int) -> None: ...
    def sync(self, fd: int) -> None: ...


class Observer(Protocol):
    """Who makes evidence of what the log has written (`sealer.py`). Calls wait for none of it."""

    lines: list[list[bytes]]
    """The log adds the records of each write that succeeded, in order."""
    idle: bool
    """Whether `wake` has to be called after adding: an attribute, because nearly always it has not."""

    def wake(self) -> None:
        """There are new `lines`. Called in the event loop."""
        ...

    def resume(self) -> None:
        """Catch up with the files, which are whole by now. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        ...

    def first_record(self, number: int) -> bytes:
        """What segment `number` has to begin with, if it follows on all `lines` so far."""
        ...

    def opened(self, number: int) -> None:
        """Segment `number` holds its first record, which comes in `lines` next; the one before is closed."""
        ...

    async def close(self) -> None:
        """All is written. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        ...


class OsDisk:
    """The real one. All raise OSError."""

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        # macOS has no fdatasync.
        getattr(os, "fdatasync", os.fsync)(fd)


class SegmentLog:
    """Single writer, used from one event loop. Opening locks the directory against a second writer."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Raises GatewayError(AUDIT_UNAVAILABLE): no access, another writer, or damage beyond a torn tail."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._disk = disk or OsDisk()
        self._observer = observer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._parked: list[Waiter] = []
        self._syncs: set[asyncio.Task[None]] = set()
        self._sync_due = False
        self._torn = False
        self._suspect = False
        self.failure: str | None = None
        """Why the last write or sync failed; None while all is well."""
        self.recovered: Recovery | None = None
        """What opening had to cut off; None when the log was whole."""
        self._guard = self._fd = -1
        opened = False
        try:
            make_directory(directory)
            self._guard = _lock(directory)
            self._continue()
            opened = True
        except OSError as error:
            raise _unavailable(directory, error) from error
        finally:
            for fd in () if opened else {self._fd, self._guard} - {-1}:
                os.close(fd)  # whoever puts right what is wrong may try again in this process

    def _continue(self) -> None:
        """After the newest segment, if there is one. Raises OSError, GatewayError."""
        last = max(segments(self._directory), default=0)
        if last:
            self.recovered = recover(self._directory, last)
        self._size, self._number = 0, last
        if self._observer is not None:
            self._observer.resume()
        self._open(last) if last else self._rotate()

    def append(self, record: bytes, waiter: Waiter | None = None) -> Awaitable[None]:
        """See ports/audit.py. No coroutine of its own: every call waits here twice."""
        if self._fd < 0:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "the audit log is closed")
        if _LF in record:
            raise ValueError("a record is one line")
        pending = self._pending
        if not pending:
            if self._loop is None:  # kept: CPython 3.11 asks the kernel for the process id to find it
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)
        pending.append(record)
        if waiter is not None:
            self._parked.append(waiter)
            return PARK
        assert self._loop is not None
        written = self._loop.create_future()
        self._waiting.append(written)
        return written

    async def close(self) -> None:
        """Write what is pending, sync, close. Safe to call twice. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        if self._fd < 0:
            return
        self._flush(within=True)
        await asyncio.gather(*self._syncs)
        fd, self._fd = self._fd, -1
        try:
            self._disk.sync(fd)
        except OSError as error:
            raise _unavailable(self._directory, error) from error
        finally:
            os.close(fd)
            try:
                if self._observer is not None:
                    await self._observer.close()
            finally:
                os.close(self._guard)  # last: nobody else may write while ours are not done

    def _flush(self, *, within: bool = False) -> None:
        """One write for everything that this turn of the event loop appended. `within`: a task's own step."""
        pending, waiting, parked = self._pending, self._waiting, self._parked
        if not pending:
            return
        self._pending, self._waiting, self._parked = [], [], []
        data = b"\n".join(pending) + b"\n"
        failure = None
        try:
            self._write(data)
        except OSError as error:
            failure = error
        observer = self._observer
        if observer is not None and failure is None:
            observer.lines.append(pending)
            if observer.idle:
                observer.wake()
        self.failure = None if failure is None else _unavailable(self._directory, failure).message
        for future in waiting:
            if future.done():  # cancelled while it waited
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(_unavailable(self._directory, failure))
        if failure is None and not self._sync_due:
            self._sync_due = True
            sync = asyncio.get_running_loop().create_task(self._sync_soon())
            self._syncs.add(sync)
            sync.add_done_callback(self._syncs.discard)
        if within:
            asyncio.get_running_loop().call_soon(self._wake, parked, failure)
        else:
            self._wake(parked, failure)

    def _wake(self, parked: list[Waiter], failure: OSError | None) -> None:
        """Last, because those who go on may append again."""
        left = iter(parked)
        try:
            for waiter in left:
                if failure is None:
                    waiter.step()
                else:
                    waiter.fail(_unavailable(self._directory, failure))
        except BaseException:  # a bug of one of them, or the end of the process: the others are not to blame
            asyncio.get_running_loop().call_soon(self._wake, list(left), failure)
            raise

    def _write(self, data: bytes) -> None:
        """All of it or none. Raises OSError."""
        if self._torn:
            self._cut()
        if self._size and (self._suspect or self._size + len(data) > self._segment_bytes):
            self._rotate()
        try:
            taken = self._disk.write(self._fd, data)
            if taken != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._suspect:
                # The device lost something once: believe it again only after it has kept something.
                self._disk.sync(self._fd)
                self._suspect = False
        except OSError:
            self._torn = True
            self._cut()
            raise
        self._size += len(data)

    def _cut(self) -> None:
        """Back to the last whole record. While that fails nothing is written: it would follow a torn one."""
        self._disk.truncate(self._fd, self._size)
        self._torn = False

    async def _sync_soon(self) -> None:
        await asyncio.sleep(SYNC_AFTER)
        # From here on a new write starts a new sync: this one may come too early for it.
        self._sync_due = False
        try:
            fd = os.dup(self._fd)
            await asyncio.get_running_loop().run_in_executor(None, self._sync, fd)
        except OSError as error:
            # The kernel reports a lost page once and then forgets it, so this segment is not trusted again.
            self._suspect = True
            self.failure = _unavailable(self._directory, error).message

    def _sync(self, fd: int) -> None:
        """In a thread. Closes `fd`, its own duplicate. Raises OSError."""
        try:
            self._disk.sync(fd)
            if os.fstat(fd).st_nlink == 0:  # the file was deleted under us: what we write nobody can read
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        finally:
            os.close(fd)

    def _open(self, number: int) -> None:
        path = segment_path(self._directory, number)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._size = os.fstat(self._fd).st_size
        self._number = number
        if not self._size:  # whoever made it died before it wrote anything
            self._begin()

    def _rotate(self) -> None:
        """Go on in a new segment; the old one is on the disk before the new one exists. Raises OSError."""
        path = segment_path(self._directory, self._number + 1)
        if self._fd >= 0 and not self._suspect:
            self._disk.sync(self._fd)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        before = self._fd, self._size, self._number
        self._fd, self._size, self._number = fd, 0, self._number + 1
        try:
            sync_directory(self._directory)
            self._begin()
        except OSError:
            self._fd, self._size, self._number = before
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if before[0] >= 0:
            os.close(before[0])

    def _begin(self) -> None:
        """Write the first record of the segment that was just opened. Raises OSError."""
        observer = self._observer
        if observer is None:
            return
        first = observer.first_record(self._number)
        if self._disk.write(self._fd, first + b"\n") != len(first) + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size = len(first) + 1
        observer.opened(self._number)
        observer.lines.append([first])


def _lock(directory: Path) -> int:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        message = f"{directory} is being written by another process"
        raise GatewayError(Reason.AUDIT_UNAVAILABLE, message) from error
    return fd


def _unavailable(directory: Path, error: OSError) -> GatewayError:
    return GatewayError(Reason.AUDIT_UNAVAILABLE, f"{directory} cannot be written: {error.strerror}")
