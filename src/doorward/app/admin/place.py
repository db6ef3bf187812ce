"""Where the admin plane listens: bound by the gateway, so that it is there before who serves it."""

import errno
import socket
from pathlib import Path
from typing import Final

from doorward.config.values import Listen
from doorward.edge.listeners import bind_unix

DEFAULT: Final = Listen("127.0.0.1", 7421)
BACKLOG: Final = 128


def bind(wanted: Listen | None) -> socket.socket:
    """A listening socket: at `wanted`, or at the default address, or at any free port of it where that is
    taken. Raises OSError, which says which address."""
    if wanted is not None:
        return bind_unix(wanted.path) if wanted.path is not None else _bind_tcp(wanted)
    try:
        return _bind_tcp(DEFAULT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _bind_tcp(Listen(DEFAULT.host, 0))


def name(listening: socket.socket) -> str:
    """`host:port` or `unix:path`, as bound."""
    bound = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{bound}"
    host, port = bound[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def remove(listening: socket.socket) -> None:
    """Close it; a Unix socket's file goes too."""
    path = Path(listening.getsockname()) if listening.family == socket.AF_UNIX else None
    listening.close()
    if path is not None:
        path.unlink(missing_ok=True)


def _bind_tcp(wanted: Listen) -> socket.socket:
    host, port = wanted.host or "127.0.0.1", wanted.port or 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {wanted} for operators: {error.strerror}") from error
