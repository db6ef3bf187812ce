"""HTTP towards one gateway: one request per exchange, no redirect followed, nothing sent twice."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

from doorward import __version__
from doorward.app.relay.peer import Fields
from doorward.upstream.address import parse_url
from doorward.upstream.dial import Dial
from doorward.upstream.events import EventReader
from doorward.upstream.h1 import Connection, Response
from doorward.upstream.pool import Pool
from doorward.upstream.timeouts import Timeouts
from doorward.upstream.tls import build_context

MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
CONNECT_S: Final = 10.0
KEEP_ALIVE_S: Final = 55.0
"""Less than the gateway's idle timeout of 75 s: a connection it is about to close must not get a call."""
CONNECTIONS: Final = 256
BOTH: Final = b"application/json, text/event-stream"
EVENTS_ONLY: Final = b"text/event-stream"


def _no_matter() -> None:
    pass


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Reply(Protocol):
    """What came back. `body` is whole unless it streams; then `next` reads it."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Lower-case names."""
        ...

    @property
    def content_type(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...
    @property
    def streams(self) -> bool:
        """Whether it is a successful text/event-stream."""
        ...

    async def next(self) -> bytes | None:
        """The data of the next event, None at the stream's end. Raises UpstreamError when it breaks off."""
        ...


class Leg(Protocol):
    """The way to the gateway."""

    @property
    def name(self) -> str:
        """The gateway's host and port, for messages."""
        ...

    def exchange(
        self, verb: bytes, fields: Fields, body: bytes | None = None, *, sent: Callable[[], None] = _no_matter
    ) -> AbstractAsyncContextManager[Reply]:
        """One request and its reply. `sent` is called once the request is on the wire.

        Leaving before the reply ends closes its connection. Raises UpstreamError; its message is fit for the
        client.
        """
        ...


class _Received:
    def __init__(self, response: Response, events: EventReader) -> None:
        self.status = response.status
        self.headers: Mapping[bytes, bytes] = response.headers
        self.content_type = response.content_type
        self.body = response.body
        self.streams = response.streams
        self._events = events

    async def next(self) -> bytes | None:
        return await self._events.next()


class HttpLeg:
    """Implements Leg over keep-alive connections."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        ca: str | None = None,
        cert: str | None = None,
        cert_key: str | None = None,
    ) -> None:
        """Needs a running loop. Raises ValueError for a URL or a key that HTTP cannot carry, OSError for
        files that TLS cannot use.

        For https, `ca` replaces the system's authorities, and `cert` with `cert_key` (None: in the same file)
        is presented to a gateway that asks for a client certificate. All are PEM files.
        """
        if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("the key is not a word of visible ASCII")
        self._address = parse_url(url)
        self.name = self._address.authority.decode()
        if not self._address.tls and (ca or cert):
            raise ValueError("certificates go with an https URL")
        context = build_context(ca, cert, cert_key, "1.2") if self._address.tls else None
        self._authorization = b"" if key is None else b"Authorization: Bearer %b\r\n" % key.encode()
        dial = Dial(
            self.name,
            self._address,
            timeouts=Timeouts(connect_s=CONNECT_S),
            keep_alive_s=KEEP_ALIVE_S,
            context=(lambda: context) if context is not None else None,
        )
        self._pool = Pool(dial, size=CONNECTIONS, keep_alive_s=KEEP_ALIVE_S)

    @property
    def exposes_key(self) -> bool:
        """Whether the key travels in clear over a network."""
        return bool(self._authorization) and not self._address.tls and not _is_loopback(self._address.host)

    @asynccontextmanager
    async def exchange(
        self, verb: bytes, fields: Fields, body: bytes | None = None, *, sent: Callable[[], None] = _no_matter
    ) -> AsyncIterator[Reply]:
        """Implements Leg.exchange. A GET, which lasts, gets a connection of its own."""
        connection = await self._connection(lasting=verb == b"GET")
        try:
            waiter: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            connection.send(self._request(verb, fields, body), MAX_REPLY_BYTES, waiter)
            sent()
            response = await waiter
            yield _Received(response, EventReader(self.name, connection, MAX_REPLY_BYTES))
        finally:
            self._pool.give(connection)  # closes it unless the reply has ended properly

    def close(self) -> None:
        self._pool.close()

    async def _connection(self, *, lasting: bool) -> Connection:
        if lasting:
            return await self._pool.dedicated()
        now = asyncio.get_running_loop().time()
        return self._pool.take(now) or await self._pool.open()

    def _request(self, verb: bytes, fields: Fields, body: bytes | None) -> bytes:
        """Every value in `fields` is ours or was checked by `Peer`; a line break can only be a bug."""
        accept = EVENTS_ONLY if verb == b"GET" else BOTH
        head = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (verb, self._address.target, self._address.authority)
        head += b"Accept: %b\r\nUser-Agent: doorward-bridge/%b\r\n" % (accept, __version__.encode())
        head += self._authorization
        for name, value in fields:
            assert b"\r" not in value
            assert b"\n" not in value
            head += b"%b: %b\r\n" % (name, value)
        if body is None:
            return head + b"\r\n"
        return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
