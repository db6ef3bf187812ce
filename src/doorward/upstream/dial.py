"""Opens connections to one server: its name, TCP, TLS, each within its own time."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.address import Address
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection
from doorward.upstream.names import Names
from doorward.upstream.proxy import Proxy, TunnelRefused, ask_tunnel
from doorward.upstream.race import connect_tcp, first_connected
from doorward.upstream.timeouts import Timeouts, limit
from doorward.upstream.tls import ReloadingContext, said

OnLost = Callable[[Connection], None]

_RESET: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class Dial:
    """Belongs to the running loop."""

    def __init__(
        self,
        server: str,
        address: Address,
        *,
        timeouts: Timeouts,
        keep_alive_s: float,
        context: Callable[[], ssl.SSLContext] | None = None,
        hostname: str | None = None,
        names: Names | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.server = server
        self.timeouts = timeouts
        self.tls = address.tls
        self._address = address
        self._keep_alive_s = keep_alive_s
        self._context = context
        self._hostname = hostname
        self._names = names or Names()
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()

    async def open(self, on_lost: OnLost, timeouts: Timeouts | None = None) -> Connection:
        """Ready for a request. `timeouts`: of whom it is opened for; None: the server's.

        Raises UpstreamError(UPSTREAM_UNREACHABLE).
        """
        timeouts = timeouts or self.timeouts
        sock = await self._connected(timeouts.connect_s)
        try:
            connection = await self._secured(sock, on_lost, timeouts.tls_s)
        except BaseException:
            sock.close()
            raise
        connection.idle_since = self._loop.time()
        connection.socket = sock
        return connection

    async def _connected(self, within: float) -> socket.socket:
        try:
            async with asyncio.timeout(within):
                return await self._reached()
        except TimeoutError:
            text = f"did not accept a connection within {limit(within, 'connect')}"
            raise self._unreachable(text) from None
        except TunnelRefused as error:
            raise self._unreachable(f"cannot be reached: the proxy {error}") from error
        except socket.gaierror as error:
            what = "cannot be found by its name"
            if self._proxy is not None:
                what = "cannot be reached: the proxy cannot be found by its name"
            raise self._unreachable(f"{what}: {error.strerror or error}") from error
        except OSError as error:
            what = "cannot be reached" if self._proxy is None else "cannot be reached through its proxy"
            raise self._unreachable(f"{what}: {error.strerror or error}") from error

    async def _reached(self) -> socket.socket:
        """Where plain HTTP is spoken a proxy gets our requests; for TLS it only opens the way."""
        proxy, address = self._proxy, self._address
        if proxy is None:
            endpoints = await self._names.resolve(address.host, address.port)
            return await first_connected(endpoints, connect_tcp)
        sock = await first_connected(await self._names.resolve(proxy.host, proxy.port), connect_tcp)
        try:
            if address.tls:
                await ask_tunnel(sock, proxy, address.host, address.port)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _secured(self, sock: socket.socket, on_lost: OnLost, within: float) -> Connection:
        def protocol() -> Connection:
            return Connection(self.server, self._keep_alive_s, on_lost, self.timeouts)

        try:
            if not self.tls:
                _, connection = await self._loop.create_connection(protocol, sock=sock)
                return connection
            async with asyncio.timeout(within):
                context = await self._current_context()
                name = self._hostname or self._address.host
                _, connection = await self._loop.create_connection(
                    protocol, sock=sock, ssl=context, server_hostname=name, ssl_handshake_timeout=within + 1.0
                )
                return connection
        except TimeoutError:
            text = f"did not finish the TLS handshake within {limit(within, 'tls')}"
            raise self._unreachable(text) from None
        except ssl.SSLError as error:
            raise self._unreachable(f"failed the TLS handshake: {said(error)}") from error
        except _RESET as error:
            where = "during the TLS handshake" if self.tls else "at once"
            raise self._unreachable(f"closed the connection {where}") from error
        except OSError as error:
            raise self._unreachable(f"cannot be reached: {error.strerror or error}") from error

    async def _current_context(self) -> ssl.SSLContext:
        """In a thread when one has to be made: reading the system's authorities takes 20 ms."""
        make = self._context or ssl.create_default_context
        ready = isinstance(make, ReloadingContext) and not make.stale
        return make() if ready else await asyncio.to_thread(make)

    def _unreachable(self, text: str) -> UpstreamError:
        return failure(Reason.UPSTREAM_UNREACHABLE, self.server, text)
