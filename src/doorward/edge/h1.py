"""The data plane's HTTP/1.1 server (docs/adr/0002-own-http-edge.md says why it is our own).

It promises: answers in the order of the requests; whole requests only, within `HttpLimits`; one handler call
at a time per connection; a refusal, never a guess, where framing is doubtful (DESIGN section 4); a disconnect
is told at once; trouble on one connection never reaches another. It knows nothing of MCP.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from doorward.edge.connection import Connection
from doorward.edge.exchange import Exchange, HeaderFields, HttpRequest
from doorward.edge.hub import Hub, Screen
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal
from doorward.edge.listeners import Listener, Make, bind_tcp, bind_unix
from doorward.edge.peers import Networks
from doorward.edge.preface import Preface
from doorward.edge.secure import TlsFace, TlsTerms
from doorward.edge.tls import TlsConnection
from doorward.model.certificate import ClientCertificate

__all__ = ["REFUSALS", "Exchange", "H1Server", "HeaderFields", "HttpLimits", "HttpRequest", "Refusal"]

NOBODY: Final = Networks()
LAST_CALL_S: Final = 0.25
"""From closing the listeners to closing idle connections: a request on its way meanwhile is answered."""


class H1Server:
    """Listens, hands each request to `handler`, and ends well.

    `handler` is called synchronously and may answer later, from a task of its own. `screen` is called before
    it when a body is still to come; it may take the exchange, to refuse it, and then returns true. `quiet` is
    told of an exchange on which nothing was sent for `HttpLimits.quiet_timeout`. `reject` makes headers and
    body of an HTTP-level refusal from its status and reason. Peers in `proxy_protocol` have to send a PROXY
    header (version 2) first. `clock` gives seconds, monotonic.
    """

    def __init__(
        self,
        handler: Callable[[Exchange], None],
        limits: HttpLimits,
        *,
        screen: Screen | None = None,
        quiet: Callable[[Exchange], None] | None = None,
        reject: Callable[[int, str], tuple[HeaderFields, bytes]] | None = None,
        proxy_protocol: Networks = NOBODY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = Hub(handler, limits, reject, clock)
        self._hub.screen, self._hub.quiet = screen, quiet
        self._proxy_protocol = proxy_protocol
        self._listeners: list[Listener] = []
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
        inner = self._connection if tls is None else lambda: TlsConnection(tls, self._connection)
        sockets = await bind_tcp(host, port, self._hub.limits)
        for sock in sockets:
            await self._accept(Listener(sock, self._facing(inner), None))
        return self._listeners[-len(sockets)].name

    async def listen_unix(self, path: str) -> None:
        """Accept on a Unix socket that only this user may connect to. Raises OSError."""
        sock = bind_unix(Path(path))
        await self._accept(Listener(sock, self._facing(self._connection), Path(path)))

    def trust(self, proxies: Networks) -> None:
        """From now on these are the proxies whose connections carry many clients."""
        self._hub.trusted = proxies

    async def drain(self, timeout: float) -> int:  # noqa: ASYNC109
        """Stop listening, let running exchanges finish for `timeout` seconds, cut the rest.

        Whoever is being let in, or has a request on its way, is still answered. Idle connections end after a
        last call, busy ones after their answer (which says `connection: close`).
        Returns how many exchanges were cut.
        """
        hub = self._hub
        hub.draining = True
        for listener in self._listeners:
            await listener.stop()
        last_call = min(LAST_CALL_S, timeout / 2)
        await self._emptied(last_call)
        hub.shut = True
        for face in self._faces:
            face.close()
        for connection in list(hub.connections):
            connection.drain()
        await self._emptied(timeout - last_call)
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

    def _facing(self, inner: Callable[[], Connection | TlsConnection]) -> Make:
        """What a listener makes of a connection: `inner`, where it has to behind a PROXY header."""
        if not self._proxy_protocol:
            return inner
        return lambda: Preface(self._hub, self._proxy_protocol, inner)

    async def _accept(self, listener: Listener) -> None:
        self._listeners.append(listener)
        await listener.start()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_every, self._on_sweep)

    def _on_sweep(self) -> None:
        """One timer for all connections, whatever they wait for."""
        self._timer = asyncio.get_running_loop().call_later(self._sweep_every, self._on_sweep)
        self._hub.sweep()
        for face in self._faces:
            face.sweep()
