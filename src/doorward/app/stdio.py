"""`doorward serve --stdio`: the whole gateway for one client over standard input and output.

The client's credential comes from the environment (MCP authorization: stdio has no OAuth): DOORWARD_KEY, or
none with `auth: none`.
"""

import asyncio
import os
import sys

from doorward.app.process import Process
from doorward.edge.pipes import open_pipes
from doorward.edge.stdio import StdioEdge
from doorward.model.call import Credential, Inbound
from doorward.pipeline.read import SESSION_HEADER

KEY_VARIABLE = "DOORWARD_KEY"
MOST_WAITING = 64
"""Notices that wait for a client that reads slowly."""


class StdioClient:
    """One peer: remembers the session that its `initialize` opened; stdio has no header to repeat it in."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._credential = Credential(
            os.environ.get(KEY_VARIABLE) or None, "stdio", local=True, proxied=False
        )
        self._headers: dict[bytes, bytes] = {}
        self.edge: StdioEdge | None = None

    async def emit(self, message: bytes) -> None:
        if self.edge is not None:
            await self.edge.emit(message)

    async def handle(self, line: bytes) -> bytes | None:
        """The answer to one message; None where there is none."""
        answer = await self._process.door.serve(self._inbound(line))
        for name, value in answer.headers:
            if name == SESSION_HEADER:
                self._headers = {SESSION_HEADER: value}
                await self._listen()
        return answer.body or None

    async def _listen(self) -> None:
        """Standard output carries the session's notices too."""
        found = await self._process.door.session(self._inbound(b""))
        if isinstance(found, tuple) and self.edge is not None:
            self._process.streams.adopt(*found, StdioOutlet(self.edge))

    def _inbound(self, line: bytes) -> Inbound:
        return Inbound("stdio", None, self._credential, self._headers, line, self)


class StdioOutlet:
    """Implements edge.streams.Outlet. Bounded: a client that does not read misses notices."""

    def __init__(self, edge: StdioEdge) -> None:
        self._edge = edge
        self._sending: set[asyncio.Task[None]] = set()

    def push(self, message: bytes) -> bool:
        if len(self._sending) >= MOST_WAITING:
            return False
        task = asyncio.get_running_loop().create_task(self._edge.emit(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    def end(self, *, stopping: bool = False) -> None:
        for task in self._sending:
            task.cancel()


async def serve_stdio(process: Process, stopping: asyncio.Event) -> None:
    """Until the input ends or the process is told to stop."""
    client = StdioClient(process)
    async with open_pipes(sys.stdin.buffer, sys.stdout.buffer) as (reader, writer):
        client.edge = StdioEdge(client.handle, reader, writer)
        serving = asyncio.get_running_loop().create_task(client.edge.run())
        told = asyncio.get_running_loop().create_task(stopping.wait())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        process.door.stopping = True
        for task in (serving, told):
            task.cancel()
        await asyncio.wait({serving, told})
