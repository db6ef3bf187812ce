"""The segment that is being written: whole records, and behind them room that is promised to others.

The room is allocated before it is promised, so a disk that fills up refuses new promises and breaks none.
It shows as NUL bytes behind the last record until the segment is closed (docs/reference/audit-log.md).
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from doorward.backends.files.ahead import Ahead
from doorward.backends.files.disk import Disk
from doorward.backends.files.private import sync_directory
from doorward.backends.files.recover import segment_path

STEP: Final = 1024 * 1024
"""Bytes that are allocated at a time."""


class OpenSegment:
    """One file, written by nobody else."""

    __slots__ = ("_ahead", "_allocated", "_disk", "_torn", "fd", "number", "path", "size")

    def __init__(
        self, directory: Path, number: int, disk: Disk, *, new: bool = False, hidden: bool = False
    ) -> None:
        """`hidden`: new, and under another name until `publish`.

        Raises OSError; then a new one does not exist.
        """
        self.path = segment_path(directory, number)
        self.number = number
        self._disk = disk
        self._torn = 0
        self._ahead: Ahead | None = None
        flags = os.O_WRONLY | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if new else 0)
        if hidden:  # one that a crash has left there is made anew
            self.path = self.path.with_name(f".{self.path.name}.new")
            flags |= os.O_CREAT | os.O_TRUNC
        self.fd = os.open(self.path, flags, 0o600)
        self.size = self._allocated = os.fstat(self.fd).st_size
        if new:
            try:
                sync_directory(directory)
            except OSError:
                self.abandon()
                raise

    def reserve(self, promised: int) -> None:
        """Room of so many bytes behind the last record. Raises OSError."""
        self._make_room(self.size + promised)

    def publish(self) -> None:
        """Give a hidden one its name, durably. Raises OSError."""
        path = segment_path(self.path.parent, self.number)
        if path.exists():  # renaming would replace it
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self.path.rename(path)
        self.path = path
        sync_directory(path.parent)

    def write(self, data: bytes, promised: int = 0) -> None:
        """All of it or none, with room for `promised` further bytes behind it. Raises OSError."""
        self._mend()
        self._make_room(self.size + len(data) + promised)
        self._put(data)

    def write_promised(self, data: bytes) -> None:
        """Into room that was promised before; makes some only where there is none. Raises OSError."""
        self._mend()
        self._make_room(self.size + len(data))
        self._put(data)

    def believe(self, data: bytes) -> None:
        """Make the last write, of `data`, durable, or take it back. Raises OSError."""
        try:
            self._disk.sync(self.fd)
        except OSError:
            self.size -= len(data)
            self._torn = len(data)
            with suppress(OSError):
                self._mend()
            raise

    def look_ahead(self) -> Ahead | None:
        """The next step of room, to be worked on in a thread, if it is time for that."""
        if self._ahead is not None or self._allocated - self.size > STEP // 2:
            return None
        self._ahead = Ahead(self._disk, self.fd, self._allocated, STEP)
        return self._ahead

    def give_back(self) -> None:
        """The room that is left. Raises OSError."""
        self._stop_ahead()
        if self._allocated > self.size:
            self._disk.truncate(self.fd, self.size)
            self._allocated, self._torn = self.size, 0

    def finish(self) -> None:
        """Give back the room that is left, and make the records durable. Raises OSError."""
        self.give_back()
        self._disk.sync(self.fd)

    def close(self) -> None:
        """Let go of the file as it is."""
        self._stop_ahead()
        os.close(self.fd)

    def abandon(self) -> None:
        """It shall not have existed."""
        os.close(self.fd)
        self.path.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        try:
            taken = self._disk.write(self.fd, data, self.size)
            if taken != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._torn = len(data)
            with suppress(
                OSError
            ):  # at once, because others read beside us; if not now, before the next write
                self._mend()
            raise
        self.size += len(data)

    def _mend(self) -> None:
        """Wipe what a failed write may have left. While that fails nothing is written: it would follow a torn
        record. Wiped and not cut off, because the room behind it is promised. Raises OSError."""
        if self._torn:
            zeros = bytes(self._torn)
            if self._disk.write(self.fd, zeros, self.size) != len(zeros):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._torn = 0

    def _make_room(self, end: int) -> None:
        if end > self._allocated:
            self._stop_ahead()
        short = end - self._allocated
        if short > 0:
            more = -(-short // STEP) * STEP
            try:
                self._disk.allocate(self.fd, self._allocated, more)
            except OSError:
                if more == short:
                    raise
                more = short  # a disk that is nearly full still has what is needed now
                self._disk.allocate(self.fd, self._allocated, more)
            self._allocated += more

    def _stop_ahead(self) -> None:
        """From here on the room behind `_allocated` is nobody else's."""
        if self._ahead is not None:
            self._allocated = self._ahead.stop()
            self._ahead = None
