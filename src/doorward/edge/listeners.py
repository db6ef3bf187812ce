"""Listening sockets: how they are bound, what accepted ones inherit, and how they close without loss."""

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from doorward.edge.limits import HttpLimits

Make = Callable[[], asyncio.Protocol]
BACKLOG: Final = 1024
_UNSENT: Final = 128 * 1024
"""Bytes that the kernel keeps unsent for a peer that does not read; beyond them a write waits with us, where
it is counted."""
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, probes: a silent peer that is gone without a word is found out within a minute."""


class Listener:
    """One listening socket that accepts."""

    def __init__(self, sock: socket.socket, make: Make, path: Path | None) -> None:
        self._sock = sock
        self._make = make
        self._path = path
        self._inode = path.stat().st_ino if path is not None else 0
        self._server: asyncio.Server | None = None

    @property
    def name(self) -> tuple[str, int]:
        """Address and port that were bound. Raises IndexError for a Unix socket."""
        name = self._sock.getsockname()
        return str(name[0]), int(name[1])

    async def start(self) -> None:
        """Accept from now on."""
        loop, serving = asyncio.get_running_loop(), self._sock.dup()
        serve = loop.create_server if self._path is None else loop.create_unix_server
        self._server = await serve(self._make, sock=serving, backlog=BACKLOG)

    async def stop(self) -> None:
        """Accept no more, except those whom the kernel has let in already: closing would reset them."""
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        with self._sock as waiting:
            waiting.setblocking(False)
            for _ in range(BACKLOG):
                try:
                    accepted, _ = waiting.accept()
                except OSError:  # nobody waits any more
                    break
                await loop.connect_accepted_socket(self._make, accepted)
        if self._path is not None and _inode(self._path) == self._inode:
            self._path.unlink(missing_ok=True)


async def bind_tcp(host: str, port: int, limits: HttpLimits) -> list[socket.socket]:
    """A socket for each address of `host`, all on one port (0: any free one). Raises OSError."""
    loop = asyncio.get_running_loop()
    bound: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in dict.fromkeys(found):
            chosen = bound[0].getsockname()[1] if bound else address[1]
            sock = socket.socket(family, kind, number)
            bound.append(sock)
            _prepare(sock, limits)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], chosen, *address[2:]))
            sock.listen(BACKLOG)
    except OSError as error:
        for sock in bound:
            sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


def bind_unix(path: Path) -> socket.socket:
    """A socket that only this user may connect to. One that was left behind is replaced.

    Raises OSError where something else is in the way, such as another process that still listens there.
    """
    if path.is_socket():
        if _answers(path):
            raise OSError(errno.EADDRINUSE, f"cannot listen on unix:{path}: another process listens there")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)  # before listen: nobody can have connected yet
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        missing = None if path.parent.is_dir() else f"there is no directory {path.parent}"
        why = missing or error.strerror or error
        raise OSError(error.errno, f"cannot listen on unix:{path}: {why}") from error
    return sock


def _prepare(sock: socket.socket, limits: HttpLimits) -> None:
    """What accepted sockets inherit, so that none of it costs a system call per connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    unacknowledged = int(limits.write_timeout * 2000)  # milliseconds
    wanted = {**_KEEPALIVE, "TCP_NOTSENT_LOWAT": _UNSENT, "TCP_USER_TIMEOUT": unacknowledged}
    for name, value in wanted.items():
        option = getattr(socket, name, None)
        if option is not None:  # not every system has every one of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # a full backlog, no permission: somebody's
    return True


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
