"""One request and the way to answer it."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from doorward.edge.head import Head, Memo
from doorward.edge.limits import Refusal
from doorward.model.certificate import ClientCertificate

HeaderFields = Sequence[tuple[bytes, bytes]]

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
_CLOSE: Final = b"connection: close\r\n"
_KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
_REMEMBERED: Final = 256


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """A whole request, body included."""

    head: Head
    body: bytes = b""

    @property
    def method(self) -> bytes:
        return self.head.method

    @property
    def path(self) -> str:
        """ASCII, not percent-decoded."""
        return self.head.path

    @property
    def query(self) -> str:
        """Without the question mark; empty when there is none."""
        return self.head.query

    @property
    def target(self) -> bytes:
        """As received: a path with its query, or `*`."""
        return self.head.target

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Lower-case names; repeated fields joined with b", ". Shared between requests: never change it."""
        return self.head.headers

    @property
    def version(self) -> tuple[int, int]:
        return self.head.version

    @property
    def memo(self) -> Memo:
        """The same one while the connection repeats this head, whatever the length of the body."""
        return self.head.memo


class FieldBlocks:
    """Encodes status line and fields, and remembers the blocks that come again. One per server."""

    __slots__ = ("_headers", "_known", "_status", "_whole")

    def __init__(self) -> None:
        self._known: dict[tuple[int, HeaderFields], bytes] = {}
        self._status = 0
        self._headers: HeaderFields = ()
        self._whole: dict[int, bytes] = {}
        """Whole heads of the last status and fields, by Content-Length."""

    def whole(self, status: int, headers: HeaderFields, length: int) -> bytes:
        """The whole head of an answer with a body, on HTTP/1.1 and a connection that stays open."""
        if headers is not self._headers or status != self._status:
            self._status, self._headers, self._whole = status, headers, {}
        known = self._whole.get(length)
        if known is None:
            known = b"%bcontent-length: %d\r\n\r\n" % (self.encode(status, headers), length)
            if len(self._whole) >= _REMEMBERED:
                self._whole.clear()
            self._whole[length] = known
        return known

    def encode(self, status: int, headers: HeaderFields) -> bytes:
        """The head without framing fields and without the empty line.

        Raises ValueError when a field holds CR, LF or NUL: a value that came from elsewhere may not split the
        answer (RFC 9110 section 5.5).
        """
        if not isinstance(headers, tuple):
            headers = tuple(headers)
        key = (status, headers)
        block = self._known.get(key)
        if block is None:
            fields = [b"%b: %b\r\n" % field for field in headers]
            block = b"".join((_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, *fields))
            if (
                block.count(b"\n") != len(headers) + 1
                or block.count(b"\r") != len(headers) + 1
                or b"\0" in block
            ):
                raise ValueError("a header field holds CR, LF or NUL")
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = block
        return block


class Channel(Protocol):
    """What an exchange needs of the connection that it came on."""

    peer: str
    origin: str
    relayed: bool
    certificate: ClientCertificate | None

    @property
    def blocks(self) -> FieldBlocks: ...
    @property
    def draining(self) -> bool: ...
    @property
    def write_paused(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def writable(self) -> asyncio.Future[None]: ...
    def attribute(self, peer: str) -> Refusal | None: ...
    def answer(self, exchange: "Exchange", status: int, headers: HeaderFields, body: bytes) -> bool: ...
    def finished(self, exchange: "Exchange", *, keep_alive: bool) -> None: ...


class Exchange(msgspec.Struct, eq=False):
    """Answer with `respond`, or with `start`, any number of writes and `finish`; now or later, in any task.

    When the peer is gone `disconnected` turns true, `on_disconnect` is called once, and every method does
    nothing. A peer that only ends its own side (half-close) cannot be told from one that is gone: then
    `on_disconnect` is called at once as well, because that is how MCP clients cancel (2026-07-28), but what
    is still answered is sent. Set `on_disconnect` before the handler returns. Answering twice, or writing
    without `start`, is a bug and raises RuntimeError.
    """

    request: HttpRequest
    _channel: Channel
    _keep_alive: bool
    disconnected: bool = False
    on_disconnect: Callable[[], None] | None = None
    started: bool = False
    """Whether a status has been sent."""
    _streaming: bool = False
    _chunked: bool = False
    quiet_since: float = 0.0
    """The connection's note: when it last looked and nothing had been sent since; 0 before that."""

    @property
    def peer(self) -> str:
        """Address without port; "unix" for a Unix socket. Of the client, where a trusted proxy names it."""
        return self._channel.peer

    @property
    def origin(self) -> str:
        """The address that the connection itself, or its PROXY header, has."""
        return self._channel.origin

    @property
    def relayed(self) -> bool:
        """Whether a configured proxy stands between."""
        return self._channel.relayed

    def attribute(self, peer: str) -> Refusal | None:
        """Count the connection for the client that a trusted proxy names; the reason when it has too many."""
        return self._channel.attribute(peer)

    @property
    def certificate(self) -> ClientCertificate | None:
        """What the TLS handshake of the connection has verified, if anything."""
        return self._channel.certificate

    @property
    def congested(self) -> bool:
        """Whether the peer reads more slowly than we write: `write` would wait now."""
        return self._channel.write_paused

    def respond(self, status: int, headers: HeaderFields = (), body: bytes = b"") -> None:
        """Send the complete answer in one write. Content-Length and Connection are added here."""
        if self.started:
            raise RuntimeError("this exchange was answered already")
        channel = self._channel
        plain = self._keep_alive and status == 200 and self.request.head.plain and not self.disconnected
        if plain and channel.answer(self, status, headers, body):
            self.started = True
            return
        block = channel.blocks.encode(status, headers)
        self.started = True
        if self.disconnected:
            return
        usual = self._keep_alive and not channel.draining and self.request.version == (1, 1)
        connection = b"" if usual else self._connection_field()
        if status >= 200 and status not in (204, 304):
            length = len(body)
            if self.request.method == b"HEAD":
                body = b""
            channel.send(b"%bcontent-length: %d\r\n%b\r\n%b" % (block, length, connection, body))
        else:
            channel.send(b"%b%b\r\n" % (block, connection))
        channel.finished(self, keep_alive=self._keep_alive)

    def start(self, status: int, headers: HeaderFields = ()) -> None:
        """Send the head of a streamed answer: chunked on HTTP/1.1, until close on HTTP/1.0."""
        if self.started:
            raise RuntimeError("this exchange was answered already")
        block = self._channel.blocks.encode(status, headers)
        self.started = self._streaming = True
        if self.disconnected:
            return
        self._chunked = self.request.version == (1, 1)
        if not self._chunked:
            self._keep_alive = False
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        self._channel.send(b"".join((block, framing, self._connection_field(), b"\r\n")))

    def write_nowait(self, data: bytes) -> None:
        """Queue a part of the body whatever the peer does; look at `congested` before writing much."""
        if not self._streaming:
            raise RuntimeError("this exchange is not being streamed")
        if self.disconnected or not data or self.request.method == b"HEAD":
            return
        self._channel.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def write(self, data: bytes) -> None:
        """Send a part of the body, then wait while the peer reads more slowly than we write."""
        self.write_nowait(data)
        while self._channel.write_paused and not self.disconnected:
            await self._channel.writable()

    def finish(self) -> None:
        """End a streamed answer."""
        if not self._streaming:
            raise RuntimeError("this exchange is not being streamed")
        self._streaming = False
        if self.disconnected:
            return
        if self._chunked and self.request.method != b"HEAD":
            self._channel.send(b"0\r\n\r\n")
        self._channel.finished(self, keep_alive=self._keep_alive)

    def be_last(self) -> None:
        """The connection's word that no request follows this one: the answer says so where it can."""
        self._keep_alive = False

    def half_closed(self, *, more: bool) -> None:
        """The connection's word that the peer has ended its side, or is gone: nobody can know. There may be
        `more` requests behind this one; they are served, unless this is one that a disconnect cancels."""
        callback, self.on_disconnect = self.on_disconnect, None
        if callback is not None or not more:
            self._keep_alive = False
        if callback is not None:
            callback()

    def lose(self) -> None:
        """The connection's word that the peer is gone."""
        self.disconnected = True
        callback, self.on_disconnect = self.on_disconnect, None
        if callback is not None:
            callback()

    def _connection_field(self) -> bytes:
        if self._keep_alive and not self._channel.draining:
            return b"" if self.request.version == (1, 1) else _KEEP_ALIVE
        self._keep_alive = False
        return _CLOSE
