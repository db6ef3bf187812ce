"""The data plane's HTTP/1.1 server (docs/adr/0002-own-http-edge.md says why it is our own).

It promises: answers in the order of the requests; whole requests only, within `HttpLimits`; one handler call
at a time per connection; a refusal, never a guess, where framing is doubtful (DESIGN section 4); a disconnect
is told at once; trouble on one connection never reaches another. It knows nothing of MCP.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path

from doorward.edge.connection import Connection
from doorward.edge.exchange import Exchange, HeaderFields, HttpRequest
from doorward.edge.hub import Hub
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal
from doorward.edge.secure import TlsFace, TlsTerms
from doorward.edge.tls import TlsConnection
from doorward.model.certificate import ClientCertificate

__all__ = ["REFUSALS", "Exchange", "H1Server", "HeaderFields", "HttpLimits", "HttpRequest", "Refusal"]


class H1Server:
    """Listens, hands each request to `handler`, and ends well.

    `handler` is called synchronously and may answer later, from a task of its own. `reject` makes headers and
    body of an HTTP-level refusal from its status and reason. `clock` gives seconds, monotonic.
    """

    def __init__(
        self,
        handler: Callable[[Exchange], None],
        limits: HttpLimits,
        *,
        reject: Callable[[int, str], tuple[HeaderFields, bytes]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = Hub(handler, limits, reject, clock)
        self._servers: list[asyncio.Server] = []
        self._sockets: list[Path] = []
        self._faces: list[TlsFace] = []
        self._timer: asyncio.TimerHandle | None = None
        shortest = min(
            limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout,
            limits.linger_timeout, limits.handshake_timeout,
        )  # fmt: skip
        self._sweep_every = min(max(shortest / 4, 0.01), 1.0)

    @property
    def refused(self) -> dict[str, int]:
        """How many requests or connections were refused, by `Refusal`; what never occurred is absent."""
        return self._hub.refused

    @property
    def connections(self) -> int:
        """Open connections now."""
        return len(self._hub.connections)

    @property
    def running(self) -> int:
        """Requests that are with the handler now."""
        return sum(connection.busy for connection in self._hub.connections)

    def tls_face(self, terms: TlsTerms, read: Callable[[bytes], ClientCertificate]) -> TlsFace:
        """What a TLS listener of this server needs; `read` as in TlsFace."""
        face = TlsFace(self._hub, terms, read)
        self._faces.append(face)
        return face

    async def listen_tcp(self, host: str, port: int, tls: TlsFace | None = None) -> tuple[str, int]:
        """Accept on `host`:`port` (0: any free one) and return what was bound. Raises OSError."""
        loop = asyncio.get_running_loop()
        make = self._connection if tls is None else lambda: TlsConnection(tls, self._connection)
        server = await loop.create_server(make, host, port, backlog=1024)
        self._add(server)
        name = server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def listen_unix(self, path: str) -> None:
        """Accept on a Unix socket that only this user may connect to. Raises OSError.

        A socket left behind is replaced: the state directory's lock says that no other gateway owns it.
        """
        listener = _bind_unix(Path(path))
        server = await asyncio.get_running_loop().create_unix_server(
            self._connection, sock=listener, backlog=1024
        )
        self._sockets.append(Path(path))
        self._add(server)

    async def drain(self, timeout: float) -> int:  # noqa: ASYNC109
        """Stop listening, let running exchanges finish for `timeout` seconds, cut the rest.

        Idle connections end at once, busy ones after their answer (which says `connection: close`).
        Returns how many exchanges were cut.
        """
        hub = self._hub
        hub.draining = True
        for server in self._servers:
            server.close()
        for path in self._sockets:
            path.unlink(missing_ok=True)
        for face in self._faces:
            face.close()
        for connection in list(hub.connections):
            connection.drain()
        await self._emptied(timeout)
        cut = self.running
        for connection in list(hub.connections):
            connection.abort()
        await self._emptied(1.0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return cut

    async def _emptied(self, seconds: float) -> None:
        if not self._hub.connections:
            return
        self._hub.empty.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hub.empty.wait()
        except TimeoutError:
            pass

    def _connection(self) -> Connection:
        return Connection(self._hub, asyncio.get_running_loop())

    def _add(self, server: asyncio.Server) -> None:
        self._servers.append(server)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_every, self._on_sweep)

    def _on_sweep(self) -> None:
        """One timer for all connections, whatever they wait for."""
        self._timer = asyncio.get_running_loop().call_later(self._sweep_every, self._on_sweep)
        self._hub.sweep()
        for face in self._faces:
            face.sweep()


def _bind_unix(path: Path) -> socket.socket:
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before listen: nobody can have connected yet
    except OSError:
        listener.close()
        raise
    return listener
