"""A transport that records what is done to it, and a clock that is moved by hand."""

import asyncio
import errno
from collections.abc import Callable
from typing import Any

from doorward.edge.connection import Connection
from doorward.edge.exchange import Exchange, HeaderFields
from doorward.edge.hub import Hub
from doorward.edge.limits import HttpLimits


class FakeTransport(asyncio.Transport):
    """Everything is sent at once, unless `stuck`."""

    def __init__(self, peername: Any = ("192.0.2.1", 5000), *, tls: bool = False) -> None:
        super().__init__({"peername": peername})
        self.out = b""
        self.writes: list[bytes] = []
        self.did: list[str] = []
        self.stuck = 0
        """Bytes that the peer has not taken."""
        self._tls = tls
        self.gone = False
        """The peer has reset the connection, and nobody was told yet."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.out += bytes(data)
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")

    def is_closing(self) -> bool:
        return "close" in self.did or "abort" in self.did

    def can_write_eof(self) -> bool:
        return not self._tls

    def write_eof(self) -> None:
        if self.gone:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        self.did.append("eof")

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def get_write_buffer_size(self) -> int:
        return self.stuck


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """One server without sockets. `exchanges` are what the handler was given, in order."""

    def __init__(
        self,
        handler: Callable[[Exchange], None] | None = None,
        limits: HttpLimits | None = None,
        reject: Callable[[int, str], tuple[HeaderFields, bytes]] | None = None,
    ) -> None:
        self.clock = Clock()
        self.exchanges: list[Exchange] = []
        self._handler = handler
        self.hub = Hub(self._handle, limits or HttpLimits(), reject, self.clock)

    def _handle(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        if self._handler is not None:
            self._handler(exchange)

    def connect(self, transport: FakeTransport | None = None) -> tuple[Connection, FakeTransport]:
        transport = transport or FakeTransport()
        connection = Connection(self.hub, asyncio.get_running_loop())
        connection.connection_made(transport)
        return connection, transport

    def wait(self, seconds: float) -> None:
        """Let time pass and sweep."""
        self.clock.now += seconds
        self.hub.sweep()


def echo(exchange: Exchange) -> None:
    """A handler that answers at once with method, path and body."""
    request = exchange.request
    exchange.respond(200, (), request.method + b" " + request.path.encode() + b" " + request.body)
