"""One HTTP/1.1 connection: bytes in, one request at a time to the handler, answers out.

Input stays raw until the request before it is answered, so answers are in order by construction and nothing of a
pipelined request is looked at early. There is no task and no timer per connection: `deadline` is swept by the server.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, cast

import msgspec

from doorward.edge.chunked import ChunkDecoder
from doorward.edge.exchange import Exchange, FieldBlocks, HeaderFields, HttpRequest
from doorward.edge.head import CHUNKED, END, Head, check_partial, oversized, parse_head
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal, Refused

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_REPEATABLE: Final = 4096
"""Bytes of the largest head that a connection keeps for comparison with the next."""

Handler = Callable[[Exchange], None]
Reject = Callable[[int, str], tuple[HeaderFields, bytes]]


class Hub:
    """What all connections of one server share."""

    __slots__ = (
        "blocks",
        "clock",
        "connections",
        "draining",
        "empty",
        "handler",
        "limits",
        "per_ip",
        "refused",
        "reject",
    )

    def __init__(
        self, handler: Handler, limits: HttpLimits, reject: Reject | None, clock: Callable[[], float]
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.reject = reject or _reject
        self.clock = clock
        self.blocks = FieldBlocks()
        self.connections: set[Connection] = set()
        self.per_ip: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.draining = False
        self.empty = asyncio.Event()
        """Set when the last connection is gone; whoever waits for it clears it first."""

    def admit(self, connection: "Connection") -> Refusal | None:
        """Count a connection in; the reason when there are too many."""
        count = self.per_ip.get(connection.peer, 0) + 1
        self.per_ip[connection.peer] = count
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            return Refusal.CONNECTIONS
        if count > self.limits.connections_per_ip and connection.peer != "unix":
            return Refusal.CONNECTIONS_PER_IP
        return None

    def forget(self, connection: "Connection") -> None:
        self.connections.discard(connection)
        count = self.per_ip.pop(connection.peer, 1) - 1
        if count > 0:
            self.per_ip[connection.peer] = count
        if not self.connections:
            self.empty.set()

    def count(self, reason: Refusal) -> None:
        self.refused[reason.value] = self.refused.get(reason.value, 0) + 1


def _reject(status: int, reason: str) -> tuple[HeaderFields, bytes]:
    message = REFUSALS[Refusal(reason)][1]
    body = msgspec.json.encode({"error": reason, "message": message})
    headers = ((b"content-type", b"application/json"),)
    return (*headers, (b"retry-after", b"1")) if status == 503 else headers, body


class Connection(asyncio.Protocol):
    """Created by the server for each accepted socket."""

    __slots__ = (
        "_advancing",
        "_at",
        "_checked",
        "_chunks",
        "_closing",
        "_exchange",
        "_head",
        "_hub",
        "_input",
        "_last_head",
        "_last_raw",
        "_loop",
        "_queued_heads",
        "_reading_paused",
        "_skipped_line",
        "_taken",
        "_transport",
        "_waiters",
        "_written",
        "deadline",
        "peer",
        "write_paused",
    )

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self.peer = "unix"
        self.deadline = math.inf
        self.write_paused = False
        self._input: bytes | bytearray = b""
        self._at = 0
        self._checked = 0
        """Bytes of an incomplete head that `check_partial` has seen."""
        self._skipped_line = False
        self._head: Head | None = None
        self._last_raw = b""
        self._last_head: Head | None = None
        self._chunks: ChunkDecoder | None = None
        self._exchange: Exchange | None = None
        self._advancing = False
        self._closing = False
        self._reading_paused = False
        self._queued_heads = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._written = 0
        self._taken = 0

    # what an exchange needs

    @property
    def blocks(self) -> FieldBlocks:
        return self._hub.blocks

    @property
    def draining(self) -> bool:
        return self._hub.draining

    def send(self, data: bytes) -> None:
        self._written += len(data)
        self._transport.write(data)

    def writable(self) -> asyncio.Future[None]:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        return waiter

    def finished(self, exchange: Exchange, *, keep_alive: bool) -> None:
        """The exchange was answered whole: go on with the next, or end."""
        assert exchange is self._exchange
        self._exchange = None
        if not keep_alive or self._hub.draining:
            self._close(linger=self._at < len(self._input))
            return
        if not self.write_paused:
            self.deadline = self._hub.clock() + self._hub.limits.idle_timeout
        if not self._advancing and (self._input or self._reading_paused):
            self._advance()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.peer = peername[0]
        self.deadline = self._hub.clock() + self._hub.limits.header_timeout
        excess = self._hub.admit(self)
        if excess is not None:
            self._refuse(excess)
        elif self._hub.draining:
            self._close(linger=False)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._input:
            self._input = data
        else:
            if not isinstance(self._input, bytearray):
                self._input = bytearray(self._input)
            if self._at:
                del self._input[: self._at]
                self._at = 0
            self._input += data
        if self._exchange is None and not self.write_paused:
            self._advance()
        else:
            self._queued_heads += data.count(END)
            self._bound_backlog()

    def eof_received(self) -> bool:
        """A half-close ends the connection, and cancels what runs on it (see Exchange)."""
        self._closing = True
        self.deadline = self._hub.clock() + self._hub.limits.write_timeout
        self._lose()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.deadline = math.inf
        self._input = b""
        self._hub.forget(self)
        self._lose()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._taken = self._written - self._transport.get_write_buffer_size()
        self.deadline = self._hub.clock() + self._hub.limits.write_timeout

    def resume_writing(self) -> None:
        self.write_paused = False
        self._wake()
        if self._closing:
            self.deadline = self._hub.clock() + self._hub.limits.write_timeout
        elif self._exchange is not None:
            self.deadline = math.inf
        else:
            self.deadline = self._hub.clock() + self._hub.limits.idle_timeout
            self._advance()

    # what the server asks

    @property
    def busy(self) -> bool:
        """Whether a request is with the handler."""
        return self._exchange is not None

    def drain(self) -> None:
        """End now when nothing was begun; otherwise the answer in progress is the last."""
        if self._exchange is None and not self._input and self._head is None and not self._closing:
            self._close(linger=False)

    def abort(self) -> None:
        self._transport.abort()

    def expire(self) -> None:
        """The sweep found `deadline` in the past."""
        if self.write_paused:
            self._expire_write()
        elif self._closing:
            self._transport.abort()
        elif self._head is not None:
            self._refuse(Refusal.BODY_TIMEOUT)
        elif self._input:
            self._refuse(Refusal.HEADER_TIMEOUT)
        else:
            self._close(linger=False)

    # requests

    def _advance(self) -> None:
        """Hand over requests while whole ones are there and the one before is answered."""
        if self._advancing or self._closing:
            return
        self._advancing = True
        turns = self._hub.limits.pipeline_depth
        try:
            while turns and self._exchange is None and not self.write_paused and self._serve_next():
                turns -= 1
        except Refused as refused:
            self._refuse(refused.reason)
        finally:
            self._advancing = False
        if self._closing:
            return
        if not turns:
            self._loop.call_soon(self._advance)  # other connections have a right to the loop
        if not turns or self._exchange is not None or self.write_paused:
            if self._input and not self._reading_paused:
                self._queued_heads = self._input.count(END, self._at)
                self._bound_backlog()
        elif self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _serve_next(self) -> bool:
        """Hand one request over; False when it is not whole yet. Raises Refused."""
        head = self._head
        if head is None:
            head = self._next_head() if self._input else None
            if head is None:
                return False
        if head.length == CHUNKED:
            body = self._next_chunks()
        else:
            body = self._next_bytes(head.length)
        if body is None:
            self._await_body(head)
            return False
        self._head = None
        self._serve(head, body)
        return not self._closing

    def _next_head(self) -> Head | None:
        """Clients repeat themselves: a head with the same bytes as the last one is not parsed again."""
        given, at = self._input, self._at
        if self._last_head is not None and given.startswith(self._last_raw, at):
            self._at = at + len(self._last_raw)
            return self._last_head
        if not self._skipped_line and given.startswith(b"\r\n", at):
            self._skipped_line = True  # one empty line may precede a request (RFC 9112 section 2.2)
            self._at = at = at + 2
        limits = self._hub.limits
        end = given.find(END, at, at + limits.header_bytes)
        if end < 0:
            self._await_head(bytes(given[at : at + limits.header_bytes]))
            return None
        raw = bytes(given[at : end + 4])
        head = parse_head(raw, limits)
        if head.length > limits.body_bytes:
            raise Refused(Refusal.BODY_TOO_LARGE)
        self._at = end + 4
        self._checked = 0
        self._skipped_line = False
        if len(raw) <= _REPEATABLE:
            self._last_raw, self._last_head = raw, head
        return head

    def _await_head(self, seen: bytes) -> None:
        if not self._checked:
            self.deadline = self._hub.clock() + self._hub.limits.header_timeout
        check_partial(seen, self._checked)
        if len(seen) >= self._hub.limits.header_bytes:
            raise Refused(oversized(seen))
        self._checked = len(seen)

    def _next_bytes(self, length: int) -> bytes | None:
        """The next `length` bytes of input, once they are all there."""
        given = self._input
        end = self._at + length
        if len(given) < end:
            return None
        body = given[self._at : end] if length else b""
        if len(given) == end:
            self._input = b""
            self._at = 0
        else:
            self._at = end
        return body if isinstance(body, bytes) else bytes(body)

    def _next_chunks(self) -> bytes | None:
        """The next chunked body, once it has ended. Raises Refused."""
        chunks = self._chunks
        if chunks is None:
            chunks = self._chunks = ChunkDecoder(self._hub.limits)
        with memoryview(self._input) as given:
            chunks.feed(given[self._at :])
        self._input = chunks.rest
        self._at = 0
        if not chunks.done:
            return None
        self._chunks = None
        return chunks.body()

    def _await_body(self, head: Head) -> None:
        if self._head is None:
            self._head = head
            self.deadline = self._hub.clock() + self._hub.limits.body_timeout
            if head.expects_continue:
                self.send(_CONTINUE)

    def _serve(self, head: Head, body: bytes) -> None:
        self.deadline = math.inf
        request = HttpRequest(
            head.method, head.target, head.path, head.query, head.headers, body, head.version
        )
        exchange = self._exchange = Exchange(request, self, head.keep_alive)
        try:
            self._hub.handler(exchange)
        except Exception as error:  # noqa: BLE001 -- a bug costs this connection, is reported, and nothing else
            self._handler_failed(exchange, error)

    def _handler_failed(self, exchange: Exchange, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "the HTTP handler failed", "exception": error})
        if self._exchange is not exchange:
            return
        self._exchange = None
        exchange.disconnected = True
        if exchange.started:
            self._closing = True
            self._transport.abort()
        else:
            self._refuse(Refusal.HANDLER_FAILED)

    # endings and pauses

    def _refuse(self, reason: Refusal) -> None:
        """Say why, then close: where the next request would start is no longer known."""
        self._hub.count(reason)
        status = REFUSALS[reason][0]
        headers, body = self._hub.reject(status, reason.value)
        framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.send(b"".join((self._hub.blocks.encode(status, headers), framing, body)))
        self._close(linger=True)

    def _close(self, *, linger: bool) -> None:
        """Close once what was written is out. A peer that is still sending is heard out for a moment, because
        closing on unread input resets the connection and takes our answer with it (RFC 9112 section 9.6)."""
        self._closing = True
        self._input = b""
        self._head = self._chunks = None
        limits = self._hub.limits
        if not linger or not self._transport.can_write_eof():
            self.deadline = self._hub.clock() + limits.write_timeout
            self._transport.close()
            return
        self.deadline = self._hub.clock() + limits.linger_timeout
        self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _expire_write(self) -> None:
        taken = self._written - self._transport.get_write_buffer_size()
        if taken > self._taken:
            self._taken = taken
            self.deadline = self._hub.clock() + self._hub.limits.write_timeout
        else:
            self._hub.count(Refusal.WRITE_TIMEOUT)
            self._transport.abort()

    def _bound_backlog(self) -> None:
        """Stop reading when enough waits. While it lasts a disconnect goes unseen: the price of a bounded queue."""
        limits = self._hub.limits
        waiting = len(self._input) - self._at
        if not self._reading_paused and (
            waiting > limits.pipeline_bytes or self._queued_heads > limits.pipeline_depth
        ):
            self._reading_paused = True
            self._transport.pause_reading()

    def _lose(self) -> None:
        self._wake()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
