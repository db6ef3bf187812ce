"""Room of the open segment that is written with zeros before any record needs it.

Room that is only allocated is an extent that the file system holds for unwritten: each sync of records in it
has to wait for its journal as well, which takes half as long again, and as much more of a processor. Whoever
syncs for every call pays that each time; whoever syncs every 30 ms hardly does, and writing all of a log
twice would cost more. So it is done for strict calls, one step ahead of them, in the thread that syncs.
"""

import threading
from typing import Final

from doorward.backends.files.disk import Disk

_ZEROS: Final = bytes(256 * 1024)


class Ahead:
    """One step of room. `work` runs in a thread; nothing of it happens once `stop` has returned."""

    def __init__(self, disk: Disk, fd: int, start: int, size: int) -> None:
        self._disk = disk
        self._fd = fd
        self._start = start
        self._size = size
        self._lock = threading.Lock()
        self._end = start
        self._stopped = False

    def work(self) -> None:
        """As far as it goes: why it goes no further meets whoever needs the room, in the event loop."""
        end = self._start + self._size
        try:
            self._reserve()
            while self._end < end and not self._stopped:
                self._put(_ZEROS[: end - self._end])
        except OSError:
            self.stop()

    def stop(self) -> int:
        """Up to where zeros stand, without a gap. It waits for a write that is being done, not for a sync."""
        with self._lock:
            self._stopped = True
            return self._end

    def _reserve(self) -> None:
        """Zeros alone promise no room on a file system that finds blocks only when it writes them out."""
        with self._lock:
            if not self._stopped:
                self._disk.allocate(self._fd, self._start, self._size)

    def _put(self, zeros: bytes) -> None:
        with self._lock:
            if not self._stopped:
                taken = self._disk.write(self._fd, zeros, self._end)
                self._stopped = taken != len(zeros)
                self._end += taken
