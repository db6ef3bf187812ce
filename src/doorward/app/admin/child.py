"""One admin process: how it is started, and how it ends with us, whatever becomes of us.

Its standard input is a pipe that only we hold open: a thread of it waits for its end and then ends the
process, however busy or stuck the rest of it is. Where the system has it, a parent-death signal does the same
(upstream/warden.py). It gets two descriptors, the listening socket and its end of the channel, and of our
environment only what every child gets: no secret of a configuration.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from doorward.upstream.launch import environment

MODULE: Final = "doorward.app.admin"
END_S: Final = 3.0


class Child:
    """Running from the moment it is made. Raises OSError when it cannot be started."""

    def __init__(self, listening: socket.socket, far_end: socket.socket, prefix: Sequence[str]) -> None:
        """`prefix`: words before the command that give it a parent-death signal."""
        given = (listening.fileno(), far_end.fileno())
        path = os.environ.get("PYTHONPATH")
        self._process = subprocess.Popen(
            # -P: a module in the directory that we happen to run in is none of ours.
            (*prefix, sys.executable, "-P", "-m", MODULE, *map(str, given)),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**environment(os.environ), **({"PYTHONPATH": path} if path else {})},
            pass_fds=given,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def stop(self) -> None:
        """Let it answer what it has begun, then end; kill it when that takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
        await self._wait()

    async def ended(self) -> int:
        """Its exit status (negative: the signal that ended it), once its channel is gone: no reason to live
        is left to it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._wait()

    async def _wait(self) -> int:
        try:
            return await asyncio.to_thread(self._process.wait, END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)
