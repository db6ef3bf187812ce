"""Standard input and output as asyncio streams, whatever they are connected to."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO, cast

from doorward.edge.stdio import ByteReader, ByteWriter


@asynccontextmanager
async def open_pipes(stdin: BinaryIO, stdout: BinaryIO) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
    """Streams for two open files, usually `sys.stdin.buffer` and `sys.stdout.buffer`.

    Pipes, sockets and terminals are driven by the event loop, regular files and devices by threads (epoll
    refuses them). The blocking mode is restored at the end: a terminal shares it with the shell.
    """
    descriptors = (stdin.fileno(), stdout.fileno())
    blocking = [os.get_blocking(fd) for fd in descriptors]
    reader, reading = await _open_reader(stdin)
    writer, writing = await _open_writer(stdout)
    try:
        yield reader, writer
    finally:
        # A transport closes its file when it is closed, so the mode goes back before.
        for fd, was_blocking in zip(descriptors, blocking, strict=True):
            os.set_blocking(fd, was_blocking)
        for transport in (reading, writing):
            if transport is not None:
                transport.close()


def _is_pollable(file: BinaryIO) -> bool:
    mode = os.fstat(file.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()


async def _open_reader(file: BinaryIO) -> tuple[ByteReader, asyncio.BaseTransport | None]:
    if not _is_pollable(file):
        return _FileReader(file.fileno()), None
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    return reader, transport


async def _open_writer(file: BinaryIO) -> tuple[ByteWriter, asyncio.BaseTransport | None]:
    if not _is_pollable(file):
        return _FileWriter(file.fileno()), None
    transport, writer = await asyncio.get_running_loop().connect_write_pipe(_PipeWriter, file)
    return writer, transport


class _PipeWriter(asyncio.Protocol):
    """Protocol and writer of a pipe in one."""

    def __init__(self) -> None:
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._writable.set()

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
