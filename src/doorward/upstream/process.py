"""One child process: lines out, lines in, its last words kept, and its whole group gone in the end.

Promises: `on_end` comes once, with the reason; its group is killed before its number can belong to somebody
else; no way of leaving us, a `kill -9` included, leaves it running (see warden.py).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.exits import ExitWatch
from doorward.upstream.failure import failure
from doorward.upstream.launch import launch
from doorward.upstream.output import Lines, Tail
from doorward.upstream.settings import ServerSettings
from doorward.upstream.warden import Warden

CROWDED: Final = 256 * 1024
"""Bytes that a child may leave unread in its stdin before calls to it wait."""
MAX_UNREAD: Final = 1024 * 1024
"""The same for what waits for nobody: answers to it, cancellations."""
SILENT_S: Final = 0.2
"""A child that closed a pipe usually exits at once, and its exit status says more than the closed pipe."""
KILLED_S: Final = 2.0
"""How long a SIGKILL is waited for: the kernel does not end a process that hangs in a driver."""


class Process:
    """Started by `start`. `on_line` gets each line of stdout and says whether it was asked for; `on_end` is
    told, once, why no more will come."""

    def __init__(
        self,
        settings: ServerSettings,
        on_line: Callable[[bytes], bool],
        on_end: Callable[[UpstreamError], None],
        warden: Warden | None,
    ) -> None:
        """Starts it. Raises OSError, ValueError."""
        self._server = settings.name
        self._limit = settings.max_reply_bytes
        self._on_end = on_end
        self._warden = warden
        self._loop = asyncio.get_running_loop()
        self._child, self._mark = launch(settings, warden)
        self._exit = ExitWatch(self._child, self._exited)
        self._lines = Lines(self._limit, on_line, self._too_long, self._quiet)
        self._tail = Tail()
        self._pipes = {self._child.stdin, self._child.stdout, self._child.stderr}
        """Those that no transport has taken over yet."""
        self._stdin: asyncio.WriteTransport | None = None
        self._queued: list[bytes] = []
        self._unread = 0
        self._gone = asyncio.Event()
        self._has_exited = False
        self._is_quiet = False
        self._over = False
        self._stopping = False

    @classmethod
    async def start(
        cls,
        settings: ServerSettings,
        on_line: Callable[[bytes], bool],
        on_end: Callable[[UpstreamError], None],
        warden: Warden | None = None,
    ) -> "Process":
        """Raises UpstreamError(UPSTREAM_UNREACHABLE) when the command cannot be run."""
        assert settings.command is not None
        if warden is not None:
            await warden.ready()
        try:
            process = cls(settings, on_line, on_end, warden)
        except (OSError, ValueError) as error:
            text = f"cannot be started: {settings.command[0]}: {getattr(error, 'strerror', None) or error}"
            raise failure(Reason.UPSTREAM_UNREACHABLE, settings.name, text) from error
        try:
            await process._connect()
        except BaseException:
            process._finish()
            raise
        return process

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Neither ended nor on its way out."""
        return not self._over and not self._stopping

    @property
    def last_words(self) -> str:
        """The end of its stderr."""
        return self._tail.text

    @property
    def unread(self) -> int:
        """Bytes that neither it nor the pipe had taken when something was last written."""
        return self._unread

    def spoke(self) -> bool:
        """Whether it has written anything since this was asked last."""
        spoke, self._lines.spoke = self._lines.spoke, False
        return spoke

    def look(self) -> int:
        """`unread` as it is now."""
        if self._stdin is not None and not self._queued:
            self._unread = self._stdin.get_write_buffer_size()
        return self._unread

    def write(self, line: bytes) -> None:
        """Queue one message without its newline. Raises UpstreamError; then nothing of it was written.

        What is queued in one turn of the event loop is one write: uvloop writes to a pipe at once, and each
        write wakes the child.
        """
        if self._over or self._stdin is None:
            text = "is not running" if self._over else "has closed its standard input"
            raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, text)
        if not self._queued:
            self._loop.call_soon(self._flush)
        self._queued += (line, b"\n")
        self._unread += len(line)

    def _flush(self) -> None:
        stdin, queued = self._stdin, self._queued
        if stdin is not None and queued and not stdin.is_closing():
            stdin.write(b"".join(queued))
            self._unread = stdin.get_write_buffer_size()
        queued.clear()

    async def stop(self, within: float) -> None:
        """The order of MCP's stdio shutdown: close stdin, wait, SIGTERM, SIGKILL. Returns when it is gone."""
        self._stopping = True
        self._flush()
        if self._stdin is not None:
            self._stdin.close()
        try:
            if not await self._waited(within / 2):
                self._signal(signal.SIGTERM)
                await self._waited(within / 2)
        finally:
            # Also when the child has gone: grandchildren of its group must not survive it.
            self._signal(signal.SIGKILL)
        await self._waited(KILLED_S)
        self._finish()

    def give_up(self, text: str) -> None:
        """It is of no use any more, for the reason that `text` gives: calls in flight end with it."""
        self._end(Reason.UPSTREAM_CONNECTION_LOST, text)
        self.kill()

    def kill(self) -> None:
        """At once, with its group."""
        self._signal(signal.SIGKILL)

    async def _connect(self) -> None:
        """Transports take over the pipes, and close them."""
        stdin, stdout, stderr = self._child.stdin, self._child.stdout, self._child.stderr
        self._pipes.discard(stdout)
        await self._loop.connect_read_pipe(lambda: self._lines, stdout)
        self._pipes.discard(stderr)
        await self._loop.connect_read_pipe(lambda: self._tail, stderr)
        self._pipes.discard(stdin)
        self._stdin, _ = await self._loop.connect_write_pipe(lambda: _Input(self._deaf), stdin)

    async def _waited(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._child.returncode is None:  # not reaped: the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    def _end(self, reason: Reason, text: str) -> None:
        if self._over:
            return
        self._over = True
        self._on_end(failure(reason, self._server, text))

    def _too_long(self) -> None:
        self._end(Reason.UPSTREAM_REPLY_TOO_LARGE, f"wrote a line of more than {self._limit} bytes")
        self.kill()

    def _quiet(self) -> None:
        """Its stdout has ended. It can answer nothing more; it exits soon or is of no use."""
        self._is_quiet = True
        if self._has_exited:
            self._left()
        else:
            self._loop.call_later(SILENT_S, self._useless, "closed its standard output")

    def _deaf(self) -> None:
        """It has closed its stdin, or we have."""
        self._stdin = None
        if not self._stopping:
            self._loop.call_later(SILENT_S, self._useless, "closed its standard input")

    def _useless(self, text: str) -> None:
        if not self._has_exited:
            self.give_up(text)

    def _exited(self) -> None:
        self._has_exited = True
        # What it had written may still lie in the pipe; grandchildren may hold the pipe open for ever.
        if self._is_quiet or self._over:
            self._left()
        else:
            self._loop.call_later(SILENT_S, self._left)

    def _left(self) -> None:
        self._signal(signal.SIGKILL)
        code = self._child.poll()
        self._lines.flush()
        self._end(
            Reason.UPSTREAM_CONNECTION_LOST, "stopped" if self._stopping else f"ended with {_exit(code)}"
        )
        self._finish()

    def _finish(self) -> None:
        """Nothing of it is left with us. Once is enough, more is harmless."""
        self._over = True
        self._signal(signal.SIGKILL)
        if self._child.poll() is None and not self._has_exited:
            return  # reaped when its exit is told
        self._exit.close()
        self._lines.close()
        self._tail.close()
        if self._stdin is not None:
            if not self._stdin.is_closing() or self._stdin.get_write_buffer_size():
                self._stdin.abort()  # asyncio's trips over a second one
            self._stdin = None
        for pipe in self._pipes:
            if pipe is not None:
                pipe.close()
        if self._warden is not None:
            self._warden.ended(self._mark)
        self._gone.set()


class _Input(asyncio.BaseProtocol):
    """The writing end: only its loss is of interest."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()


def _exit(code: int | None) -> str:
    if code is None:
        return "an unknown status"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"
