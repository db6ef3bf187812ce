"""One child process: lines out, lines in, its last words kept, and its whole group gone in the end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final, cast

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.settings import ServerSettings

INHERITED: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
)
"""What a child gets of our environment. The rest may hold secrets that are none of its business."""
STDERR_TAIL: Final = 64 * 1024
MAX_UNREAD: Final = 8 * 1024 * 1024
"""Bytes that a child may leave unread in its stdin before calls to it are refused."""


class Process(asyncio.SubprocessProtocol):
    """Started by `start`. `on_line` gets each line of stdout; `on_end`, once, why no more will come."""

    def __init__(
        self,
        settings: ServerSettings,
        on_line: Callable[[bytes], None],
        on_end: Callable[[UpstreamError], None],
    ) -> None:
        self._server = settings.name
        self._limit = settings.max_reply_bytes
        self._on_line = on_line
        self._on_end = on_end
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._rest = bytearray()
        self._stderr = bytearray()
        self._exited = asyncio.Event()
        self._open_pipes = {1, 2}
        self._pid = 0
        self._group_gone = False
        self._over = False
        self._stopping = False

    @classmethod
    async def start(
        cls,
        settings: ServerSettings,
        on_line: Callable[[bytes], None],
        on_end: Callable[[UpstreamError], None],
    ) -> "Process":
        """Raises UpstreamError(UPSTREAM_UNREACHABLE) when the command cannot be run."""
        assert settings.command is not None
        loop = asyncio.get_running_loop()
        try:
            _, process = await loop.subprocess_exec(
                lambda: cls(settings, on_line, on_end),
                *settings.command,
                env={**{k: os.environ[k] for k in INHERITED if k in os.environ}, **settings.env},
                cwd=settings.cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            text = f"cannot be started: {settings.command[0]}: {getattr(error, 'strerror', None) or error}"
            raise failure(Reason.UPSTREAM_UNREACHABLE, settings.name, text) from error
        return process

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def alive(self) -> bool:
        return not self._over

    @property
    def last_words(self) -> str:
        """The end of its stderr."""
        return self._stderr.decode("utf-8", "replace").strip()

    def write(self, line: bytes) -> None:
        """Queue one message without its newline. Raises UpstreamError; then nothing of it was written."""
        if self._over or self._stdin is None or self._stdin.is_closing():
            raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, "is not running")
        if self._stdin.get_write_buffer_size() > MAX_UNREAD:
            raise failure(Reason.UPSTREAM_OVERLOADED, self._server, "does not read its input")
        self._stdin.write(line + b"\n")

    async def stop(self, within: float) -> None:
        """The order of MCP's stdio shutdown: close stdin, wait, SIGTERM, SIGKILL. Returns when it is gone."""
        self._stopping = True
        if self._stdin is not None:
            self._stdin.close()
        try:
            if not await self._gone(within / 2):
                self._signal(signal.SIGTERM)
                await self._gone(within / 2)
        finally:
            # Also when the child has gone: grandchildren of its group must not survive it.
            self._signal(signal.SIGKILL)
            if self._transport is not None:
                self._transport.close()
        await self._exited.wait()

    def kill(self) -> None:
        """At once, with its group."""
        self._signal(signal.SIGKILL)

    async def _gone(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._exited.wait()
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._group_gone:
            return  # the number may belong to somebody else by now
        self._group_gone = number == signal.SIGKILL and self._exited.is_set()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _end(self, reason: Reason, text: str) -> None:
        if self._over:
            return
        self._over = True
        self._on_end(failure(reason, self._server, text))

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._pid = self._transport.get_pid()
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr += data
            del self._stderr[:-STDERR_TAIL]
        elif not self._over:
            self._read(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes.discard(fd)
        if fd == 1 and not self._exited.is_set():
            # A child that closed its stdout can answer nothing more; it exits soon or is of no use.
            asyncio.get_running_loop().call_later(0.2, self._silent)

    def process_exited(self) -> None:
        self._exited.set()
        # What it had written may still lie in the pipe; grandchildren may hold the pipe open for ever.
        asyncio.get_running_loop().call_later(0.05 if self._open_pipes else 0.0, self._left)

    def _silent(self) -> None:
        if not self._exited.is_set():
            self._end(Reason.UPSTREAM_CONNECTION_LOST, "closed its standard output")
            self.kill()

    def _left(self) -> None:
        assert self._transport is not None
        code = self._transport.get_returncode()
        how = "stopped" if self._stopping else f"ended with {_exit(code)}"
        self._end(Reason.UPSTREAM_CONNECTION_LOST, how)
        self.kill()
        self._transport.close()

    def _read(self, data: bytes) -> None:
        rest = self._rest
        if b"\n" not in data:
            rest += data
        else:
            lines = (bytes(rest) + data).split(b"\n") if rest else data.split(b"\n")
            self._rest = rest = bytearray(lines.pop())
            for line in lines:
                if line:
                    self._on_line(line)
        if len(rest) > self._limit:
            rest.clear()
            self._end(Reason.UPSTREAM_REPLY_TOO_LARGE, f"wrote a line of more than {self._limit} bytes")
            self.kill()


def _exit(code: int | None) -> str:
    if code is None:
        return "an unknown status"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"
