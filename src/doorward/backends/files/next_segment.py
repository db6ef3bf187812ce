"""The segment that follows on the open one, made ready before it is needed.

Making a file, finding room for it and waiting for the disk takes 15 to 30 ms, and the event loop may stand
still for 5. So this runs in threads: `prepare` some megabytes before the open segment is full, under a name
that nobody reads, and `follow` when it is.
"""

import threading
from contextlib import suppress
from pathlib import Path

from doorward.backends.files.disk import Disk
from doorward.backends.files.open_segment import STEP, OpenSegment


class NotKept(OSError):
    """The disk has lost something of the segment that was to be closed."""


class NextSegment:
    """Each verb may block, and raises OSError; then it can be tried again."""

    def __init__(self, directory: Path, number: int, disk: Disk) -> None:
        """Nothing is done yet."""
        self._directory = directory
        self._number = number
        self._disk = disk
        self._ready: OpenSegment | None = None
        self._one = threading.Lock()
        """The open segment may be full before this one is ready."""

    def prepare(self) -> None:
        """A file with room for its first records. Done already is well too."""
        with self._one:
            self._prepare()

    def follow(self, old: OpenSegment | None, promised: int = 0) -> OpenSegment:
        """The next segment, empty and under its name.

        `old`: the one before it, into which nobody writes meanwhile. Once this one has room for `promised`
        bytes the disk has `old`, without the room behind it. None when the disk has lost it.

        When this raises `old` may be without room too. Raises NotKept when `old` cannot be synced: it is then
        not to be trusted any more.
        """
        with self._one:
            ready = self._prepare()
            ready.reserve(promised)
            if old is not None:
                self._finish(old)
            self._ready = None
            try:
                ready.publish()
            except OSError:
                ready.abandon()
                raise
            return ready

    def drop(self) -> None:
        """It will not be needed."""
        with self._one:
            if self._ready is not None:
                self._ready.abandon()
                self._ready = None

    def _finish(self, old: OpenSegment) -> None:
        with suppress(OSError):  # room that nobody needs any more; `recover` would give it back too
            old.give_back()
        try:
            self._disk.sync(old.fd)
        except OSError as error:
            raise NotKept(error.errno, error.strerror) from error

    def _prepare(self) -> OpenSegment:
        if self._ready is None:
            made = OpenSegment(self._directory, self._number, self._disk, hidden=True)
            try:
                made.reserve(STEP)
            except OSError:
                made.abandon()
                raise
            self._ready = made
        return self._ready
