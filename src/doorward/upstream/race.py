"""The first of several addresses that accepts a connection (RFC 8305, "Happy Eyeballs")."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from doorward.upstream.names import Endpoint

HEAD_START_S: Final = 0.25
"""How long an attempt is left alone before the next address is tried beside it (RFC 8305 section 5)."""
KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, probes: a peer that is gone is known to be within a minute."""

Connect = Callable[[Endpoint], Coroutine[Any, Any, socket.socket]]


async def first_connected(endpoints: Sequence[Endpoint], connect: Connect) -> socket.socket:
    """Tries them in their order until one is connected; what else was connected meanwhile is closed.

    Raises the OSError of the last attempt when none is.
    """
    waiting = list(reversed(endpoints))
    running: set[asyncio.Task[socket.socket]] = set()
    failed: OSError = ConnectionError("there is no address to connect to")
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(connect(waiting.pop())))
            done, _ = await asyncio.wait(
                running, timeout=HEAD_START_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    running.discard(attempt)
                    return attempt.result()
                running.discard(attempt)
                if not isinstance(error, OSError):
                    raise error
                failed = error
        raise failed
    finally:
        for attempt in running:
            attempt.add_done_callback(_close_late)
            attempt.cancel()


async def connect_tcp(endpoint: Endpoint) -> socket.socket:
    """A connected, non-blocking socket. Raises OSError."""
    sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _stay_alert(sock)
        await asyncio.get_running_loop().sock_connect(sock, endpoint.address)
    except OSError as error:
        sock.close()
        if error.errno is None:
            raise
        host, port = endpoint.address[:2]
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"{os.strerror(error.errno)} ({where})") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _stay_alert(sock: socket.socket) -> None:
    """A stream that is only listened to says nothing for hours: a peer that vanished without a word, or a NAT
    that forgot the connection, would never be noticed by us (RFC 9293 section 3.8.4)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:  # not every system has every one of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _close_late(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
