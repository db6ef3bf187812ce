"""Standard input and output as asyncio streams, whatever they are connected to."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import BinaryIO, Final, cast

from doorward.edge.stdio import ByteReader, ByteWriter

_FLUSH_S: Final = 2.0


@asynccontextmanager
async def open_pipes(stdin: BinaryIO, stdout: BinaryIO) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
    """Streams for two open files, usually `sys.stdin.buffer` and `sys.stdout.buffer`, which stay open.

    Pipes, sockets and terminals are driven by the event loop, regular files and devices by threads, because
    epoll refuses them. At the end what was written is flushed, within two seconds, and the blocking mode is
    restored: a terminal shares it with the shell.
    """
    descriptors = (stdin.fileno(), stdout.fileno())
    blocking = [os.get_blocking(fd) for fd in descriptors]
    async with AsyncExitStack() as stack:
        for fd, was_blocking in zip(descriptors, blocking, strict=True):
            stack.callback(os.set_blocking, fd, was_blocking)
        yield await _open_reader(stdin, stack), await _open_writer(stdout, stack)


def _is_pollable(file: BinaryIO) -> bool:
    mode = os.fstat(file.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()


async def _open_reader(file: BinaryIO, stack: AsyncExitStack) -> ByteReader:
    if not _is_pollable(file):
        return _FileReader(file.fileno())
    reader = asyncio.StreamReader()
    # A transport closes its file, so it gets one of its own.
    own = os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), own
    )
    stack.push_async_callback(asyncio.sleep, 0)
    stack.callback(transport.close)
    return reader


async def _open_writer(file: BinaryIO, stack: AsyncExitStack) -> ByteWriter:
    if not _is_pollable(file):
        return _FileWriter(file.fileno())
    own = os.fdopen(os.dup(file.fileno()), "wb", buffering=0)
    _, writer = await asyncio.get_running_loop().connect_write_pipe(_PipeWriter, own)
    stack.push_async_callback(writer.close)
    return writer


class _PipeWriter(asyncio.Protocol):
    """Protocol and writer of a pipe in one."""

    def __init__(self) -> None:
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._writable.set()
        self._closed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def write(self, data: bytes, /) -> None:
        if self._transport.is_closing():
            self._lost = True
        else:
            self._transport.write(data)

    async def drain(self) -> None:
        await self._writable.wait()
        if self._lost:
            raise BrokenPipeError("nobody reads standard output")

    async def close(self) -> None:
        """Flush, then close; what a reader has not taken in time is dropped."""
        self._transport.close()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self._closed.wait()
        except TimeoutError:
            self._transport.abort()
            await self._closed.wait()


class _FileReader:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def read(self, n: int, /) -> bytes:
        return await asyncio.to_thread(os.read, self._fd, n)


class _FileWriter:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pending = bytearray()

    def write(self, data: bytes, /) -> None:
        self._pending += data

    async def drain(self) -> None:
        pending, self._pending = bytes(self._pending), bytearray()
        await asyncio.to_thread(_write_all, self._fd, pending)


def _write_all(fd: int, data: bytes) -> None:
    with memoryview(data) as rest:
        done = 0
        while done < len(rest):
            done += os.write(fd, rest[done:])
