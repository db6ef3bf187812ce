"""Says when a child process has exited, and leaves its number taken until we let go of it."""

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable


class ExitWatch:
    """`exited` is called once, in the event loop, when the child has exited and before it is reaped.

    Until then its process id cannot become somebody else's, so that its group may still be signalled. By a
    descriptor of the process where the kernel has them (Linux 5.3), else by a thread that waits.
    """

    def __init__(self, child: subprocess.Popen[bytes], exited: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._exited = exited
        self._fd = -1
        if hasattr(os, "pidfd_open"):
            try:
                self._fd = os.pidfd_open(child.pid)
            except OSError:
                self._fd = -1
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._readable)
        else:
            threading.Thread(target=self._wait, args=(child,), daemon=True).start()

    def close(self) -> None:
        """No call comes after this."""
        self._exited = _nobody
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        exited = self._exited
        self.close()
        exited()

    def _tell(self) -> None:
        self._exited()

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):  # somebody reaped it, so it has exited
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        else:
            child.wait()  # macOS: reaped a moment too early
        try:
            self._loop.call_soon_threadsafe(self._tell)
        except RuntimeError:
            return  # the loop is closed


def _nobody() -> None:
    """Instead of whoever does not want to know any more."""
