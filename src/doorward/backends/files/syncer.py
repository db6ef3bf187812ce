"""Makes writes durable, one sync at a time, in a thread of its own.

A thread that is kept and a queue cost a fifth of a hop through an executor, and strict calls pay it. Each
system call of the thread costs more than itself: Python lets go of the interpreter for it, and to get it back
the event loop has to stop. So there is one for each sync, and what else is to be asked is asked on the loop.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from doorward.backends.files.disk import Disk

Done = Callable[[OSError | None], object]
Work = Callable[[], None]


class Syncer:
    """Belongs to one event loop; its thread begins with the first sync and ends with `close`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._jobs: SimpleQueue[tuple[int, Done | None] | Work | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def sync(self, fd: int, done: Done) -> None:
        """Sync everything that was written to `fd` until now; then `done`, in the event loop.

        `done` gets what went wrong, if anything. Until then `fd` stays open: see `let_go`. Raises OSError for
        a file that was deleted under us: what we write nobody can read.
        """
        if os.fstat(fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="audit-sync", daemon=True)
            self._thread.start()
        self._jobs.put((fd, done))

    def afterwards(self, work: Work) -> None:
        """Do it in the thread, after the syncs that were asked for; it raises nothing. There was one."""
        self._jobs.put(work)

    def let_go(self, fd: int) -> None:
        """Close `fd` after the syncs that were asked for."""
        if self._thread is None:
            os.close(fd)
        else:
            self._jobs.put((fd, None))

    def close(self) -> None:
        """After the last `done`."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        assert self._loop is not None
        while (job := self._jobs.get()) is not None:
            if callable(job):
                job()
                continue
            fd, done = job
            if done is None:
                os.close(fd)
                continue
            failure = self._try(fd)
            try:
                self._loop.call_soon_threadsafe(done, failure)
            except RuntimeError:  # the loop is closed: nobody is left to be told
                return

    def _try(self, fd: int) -> OSError | None:
        try:
            self._disk.sync(fd)
        except OSError as error:
            return error
        return None
