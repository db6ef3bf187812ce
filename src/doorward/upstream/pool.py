"""Keep-alive connections to one server, the most recently used first, so that the others may age."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from doorward.model.reasons import Reason
from doorward.upstream.address import Address
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection


class Pool:
    """At most `size` connections; who finds none free waits in line for `connect_s` at most."""

    def __init__(
        self,
        server: str,
        address: Address,
        *,
        size: int,
        connect_s: float,
        keep_alive_s: float,
        context: Callable[[], ssl.SSLContext] | None,
        hostname: str | None,
    ) -> None:
        self._server = server
        self._address = address
        self._size = size
        self._connect_s = connect_s
        self._keep_alive_s = keep_alive_s
        self._context = context
        self._hostname = hostname
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening = 0
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._all) + self._opening

    def take(self) -> Connection | None:
        """An idle connection that is still good, without waiting; None when there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable(self._loop.time()):
                return connection
            connection.close()
        return None

    async def open(self) -> Connection:
        """A connection, sooner or later.

        Raises UpstreamError(UPSTREAM_UNREACHABLE | UPSTREAM_OVERLOADED); then nothing was sent.
        """
        if self._closed:
            raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, "is being closed")
        if len(self) >= self._size:
            handed = await self._wait()
            if handed is not None and handed.clean:
                return handed
        return await self._connect()

    def give(self, connection: Connection) -> None:
        """Back after an exchange; one that cannot be used again is closed."""
        if self._closed or not connection.clean:
            connection.close()
            return
        connection.idle_since = self._loop.time()
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    async def dedicated(self) -> Connection:
        """One for a long-lived stream, outside of `size`. Raises UpstreamError(UPSTREAM_UNREACHABLE)."""
        return await self._connect()

    def close(self) -> None:
        """All of them; what is in flight fails."""
        self._closed = True
        for connection in list(self._all):
            connection.close()
        self._idle.clear()
        self._wake()

    async def _wait(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._line.append(waiter)
        try:
            async with asyncio.timeout(self._connect_s):
                return await waiter
        except TimeoutError:
            self._hand_on(waiter)
            raise failure(
                Reason.UPSTREAM_OVERLOADED, self._server, "has all its connections in use"
            ) from None
        except asyncio.CancelledError:
            self._hand_on(waiter)
            raise

    def _hand_on(self, waiter: asyncio.Future[Connection | None]) -> None:
        """What a waiter was given in the very moment it gave up must not be lost."""
        if waiter.done() and not waiter.cancelled():
            connection = waiter.result()
            if connection is not None:
                self.give(connection)
            else:
                self._wake()

    async def _connect(self) -> Connection:
        self._opening += 1
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._server, self._keep_alive_s, self._lost),
                    self._address.host,
                    self._address.port,
                    ssl=self._tls(),
                    server_hostname=(self._hostname or self._address.host) if self._address.tls else None,
                )
        except TimeoutError:
            raise self._unreachable(f"did not accept a connection within {self._connect_s:g} s") from None
        except ssl.SSLError as error:
            raise self._unreachable(f"failed the TLS handshake: {_said(error)}") from error
        except (ConnectionResetError, ConnectionAbortedError) as error:
            where = "during the TLS handshake" if self._address.tls else "at once"
            raise self._unreachable(f"closed the connection {where}") from error
        except OSError as error:
            raise self._unreachable(f"cannot be reached: {error.strerror or error}") from error
        finally:
            self._opening -= 1
        self._all.add(connection)
        connection.idle_since = self._loop.time()
        return connection

    def _unreachable(self, text: str) -> Exception:
        self._wake()
        return failure(Reason.UPSTREAM_UNREACHABLE, self._server, text)

    def _tls(self) -> ssl.SSLContext | None:
        if not self._address.tls:
            return None
        return self._context() if self._context is not None else ssl.create_default_context()

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake()

    def _wake(self) -> None:
        """Room for one more: the first in line may open its own."""
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def _said(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or "refused").lower().replace("_", " ")
