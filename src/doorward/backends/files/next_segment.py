"""The segment that follows on the open one, made ready before it is needed.

Making a file, finding room for it and waiting for the disk takes 15 to 30 ms, and the event loop may stand
still for 5. So this runs in threads: `prepare` some megabytes before the open segment is full, under a name
that nobody reads, and `follow` when it is.
"""

import threading
from pathlib import Path

from doorward.backends.files.disk import Disk
from doorward.backends.files.open_segment import OpenSegment


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

    def follow(self, old: int | None) -> OpenSegment:
        """The next segment, empty and under its name.

        `old`: the segment before it, which the disk has from now on; None when it is known that it has not.

        Raises NotKept when `old` cannot be synced: then it is not to be trusted any more.
        """
        with self._one:
            ready = self._prepare()
            if old is not None:
                try:
                    self._disk.sync(old)
                except OSError as error:
                    raise NotKept(error.errno, error.strerror) from error
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

    def _prepare(self) -> OpenSegment:
        if self._ready is None:
            made = OpenSegment(self._directory, self._number, self._disk, hidden=True)
            try:
                made.reserve()
            except OSError:
                made.abandon()
                raise
            self._ready = made
        return self._ready
