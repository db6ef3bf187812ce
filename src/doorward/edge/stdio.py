"""JSON-RPC over standard input and output: one message per line (MCP transports, "stdio").

It promises: one over-long or unreadable message never takes the stream out of step; every line that goes out
is whole; a slow reader slows us down instead of filling memory; the end of input ends it in bounded time.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from doorward.edge.lines import LineReader

MAX_LINE: Final = 4 * 1024 * 1024
_READ: Final = 64 * 1024
_NOTIFICATION: Final = b'"notifications/'
_SMALL: Final = 4096
_HANDSHAKE: Final = re.compile(rb'"method"\s*:\s*"initialize"')
_TOO_LONG: Final = (
    b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"the message is longer than this gateway accepts",'
    b'"data":{"reason":"body_too_large"}}}'
)
_FAILED: Final = (
    b'{"jsonrpc":"2.0","error":{"code":-32603,"message":"the gateway failed on this message",'
    b'"data":{"reason":"internal_error"}}}'
)


class ByteReader(Protocol):
    """The reading half of a pipe; `asyncio.StreamReader` is one."""

    async def read(self, n: int, /) -> bytes:
        """Up to `n` bytes; empty at the end."""
        ...


class ByteWriter(Protocol):
    """The writing half of a pipe; `asyncio.StreamWriter` is one."""

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None:
        """Waits while the reader is slow. Raises OSError when it is gone."""
        ...


class StdioEdge:
    """Hands each line to `handle` in a task of its own and writes what it returns; None writes nothing.

    `concurrency` messages are worked on at a time; the next ones wait, and beyond `backlog` of them (or four
    times `max_line` bytes) reading pauses. Notifications overtake those that wait: one of them may be the
    cancellation that frees a place. With `handshake_first` nothing overtakes the first `initialize`: what a
    client that does not wait for its answer sends next belongs to the session that it opens. `grace` is how
    many seconds running messages get after the end of input.
    """

    def __init__(
        self,
        handle: Callable[[bytes], Awaitable[bytes | None]],
        reader: ByteReader,
        writer: ByteWriter,
        *,
        max_line: int = MAX_LINE,
        concurrency: int = 64,
        backlog: int = 1024,
        handshake_first: bool = True,
        grace: float = 5.0,
    ) -> None:
        self._handle = handle
        self._reader = reader
        self._writer = writer
        self._lines = LineReader(max_line)
        self._backlog = backlog
        self._backlog_bytes = 4 * max_line
        self._held_bytes = 0
        self._grace = grace
        self._places = asyncio.Semaphore(concurrency)
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._shaken = not handshake_first
        self._broken = asyncio.Event()
        """Set when nobody reads our output any more."""

    async def run(self) -> None:
        """Serve until the input ends or nobody reads the output. Raises OSError when the input fails."""
        work = asyncio.create_task(self._work())
        broken = asyncio.create_task(self._broken.wait())
        try:
            await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel([work, broken, *self._tasks])
        if not work.cancelled():
            work.result()

    async def emit(self, message: bytes) -> None:
        """Write one message (a notification of a running call, say); waits while the reader is slow."""
        await self._send(message)

    async def _work(self) -> None:
        while data := await self._reader.read(_READ):
            for line in self._lines.feed(data):
                await self._accept(line)
        last = self._lines.end()
        if last is not None:
            await self._accept(last)
        try:
            async with asyncio.timeout(self._grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            pass

    async def _accept(self, line: bytes | None) -> None:
        if line is None:
            await self._send(_TOO_LONG)
            return
        while self._tasks and (
            len(self._tasks) >= self._backlog or self._held_bytes + len(line) > self._backlog_bytes
        ):
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        self._held_bytes += len(line)
        task = asyncio.create_task(self._serve(line))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if not self._shaken and _HANDSHAKE.search(line, 0, _SMALL):
            self._shaken = True
            await asyncio.wait([task])

    async def _serve(self, line: bytes) -> None:
        try:
            if len(line) <= _SMALL and _NOTIFICATION in line:
                await self._answer(line)
            else:
                async with self._places:
                    await self._answer(line)
        finally:
            self._held_bytes -= len(line)

    async def _answer(self, line: bytes) -> None:
        reply = await self._handle(line)
        if reply is not None:
            await self._send(reply)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bug in the handler costs one message and is reported."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        loop = task.get_loop()
        loop.call_exception_handler({"message": "the stdio handler failed", "exception": error, "task": task})
        apology = loop.create_task(self._send(_FAILED))
        self._tasks.add(apology)
        apology.add_done_callback(self._tasks.discard)

    async def _send(self, message: bytes) -> None:
        if b"\n" in message or b"\r" in message:
            message = message.replace(b"\n", b" ").replace(b"\r", b" ")  # in JSON it can only be white space
        async with self._writing:
            if self._broken.is_set():
                return
            try:
                self._writer.write(message + b"\n")
                await self._writer.drain()
            except OSError:
                self._broken.set()


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
