"""The admin process: Starlette under uvicorn, on a socket that the gateway has bound.

It has the store and the key ring, and a channel to the gateway for everything else; it reads no configuration
and writes no log. It is polite: whatever it is asked, calls have the processor first.
"""

import asyncio
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn

from doorward.api.app import Face
from doorward.app.admin import messages
from doorward.app.admin.http import PatientProtocol
from doorward.app.admin.messages import Hello
from doorward.app.admin.remote import RemoteLive
from doorward.app.admin.rests import Rests
from doorward.backends.files.ring import FileRing
from doorward.backends.sql.sqlite import open_sqlite
from doorward.control.plane import Plane

NICENESS: Final = 10
AUTOGROUP: Final = Path("/proc/self/autogroup")
MOST_CONNECTIONS: Final = 200
STOP_S: Final = 2
IDLE_S: Final = 600.0
"""Without a request or a connection; then it ends, and the next connection starts another."""


def main(listening: int, channel: int) -> None:
    """Until the gateway is gone, or says so. The two descriptors are inherited."""
    threading.Thread(target=_end_with_gateway, daemon=True).start()
    _stand_back()
    asyncio.run(_serve(socket.socket(fileno=listening), socket.socket(fileno=channel)))


def _stand_back() -> None:
    """Let calls go first. Linux weighs sessions before it weighs processes (sched(7), autogroup), and this
    one has a session of its own."""
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError):
        AUTOGROUP.write_text(str(NICENESS), encoding="ascii")


def _end_with_gateway() -> None:
    """Standard input ends when the gateway does, however it ends; then nothing here is worth finishing."""
    os.read(0, 1)
    os._exit(0)


async def _serve(listening: socket.socket, channel: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel, limit=messages.MAX_ANSWER)
    hello = messages.hello(await reader.readline())
    live = RemoteLive(asyncio.get_running_loop(), reader, writer.write)
    server = uvicorn.Server(_config(hello, live))
    listening_to_gateway = asyncio.create_task(live.run())
    listening_to_gateway.add_done_callback(lambda _: setattr(server, "should_exit", True))
    resting = asyncio.create_task(_end_when_idle(server))
    await server.serve(sockets=[listening])
    resting.cancel()


async def _end_when_idle(server: uvicorn.Server, idle_s: float = IDLE_S) -> None:
    state, seen = server.server_state, -1
    while state.connections or state.total_requests != seen:
        seen = state.total_requests
        await asyncio.sleep(idle_s)
    server.should_exit = True


def _config(hello: Hello, live: RemoteLive) -> uvicorn.Config:
    store = open_sqlite(Path(hello.database))
    plane = Plane(store, FileRing(Path(hello.ring)), live, "api", rest=Rests())
    return uvicorn.Config(
        Face(plane).application(),
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what anybody can cause by sending nonsense is no line for the operator
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_S,
    )
