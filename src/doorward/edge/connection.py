"""One HTTP/1.1 connection: one request at a time to the handler, answers out in the order of the requests.

There is no task and no timer per connection: `deadline` is swept by the server.
"""

import asyncio
import math
from typing import Final, cast

from doorward.edge.exchange import Exchange, FieldBlocks, HttpRequest
from doorward.edge.head import END, Head
from doorward.edge.hub import Hub
from doorward.edge.limits import REFUSALS, Refusal, Refused
from doorward.edge.reader import Awaits, RequestReader

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOLD: Final = 64
"""Connections beyond the limit that are told so; more are cut, because telling takes a place as well."""


class Connection(asyncio.Protocol):
    """Created by the server for each accepted socket."""

    __slots__ = (
        "_advancing", "_awaits", "_closing", "_exchange", "_held", "_hub", "_loop", "_queued", "_reader",
        "_reading_paused", "_taken", "_transport", "_waiters", "_written", "blocks", "deadline", "peer",
        "write_paused",
    )  # fmt: skip

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self.blocks: FieldBlocks = hub.blocks
        self._loop = loop
        self._reader = RequestReader(hub.limits)
        self._exchange: Exchange | None = None
        self.peer = "unix"
        self.deadline = math.inf
        self._awaits = Awaits.NOTHING
        """What `deadline` is for while no request is with the handler."""
        self._advancing = False
        self._closing = False
        self._queued = 0
        self._reading_paused = False
        self.write_paused = False
        self._waiters: list[asyncio.Future[None]] = []
        self._held = 0
        """Bytes of an unfinished body, as the hub has counted them."""
        self._written = 0
        self._taken = 0
        """Bytes that the peer had taken when the write deadline was last set."""

    # what an exchange needs

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
            self._close(linger=self._reader.unread > 0)
            return
        self._awaits = Awaits.NOTHING
        if not self.write_paused:
            self.deadline = self._hub.clock() + self._hub.limits.idle_timeout
        if not self._advancing and (self._reader.unread or self._reading_paused):
            self._advance()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.peer = peername[0]
        self._allow(self._hub.limits.header_timeout)
        excess = self._hub.admit(self)
        if excess is not None and len(self._hub.connections) > self._hub.limits.connections + _TOLD:
            self._hub.count(excess)
            self._closing = True
            self._transport.abort()
        elif excess is not None:
            self._refuse(excess)
        elif self._hub.draining:
            self._close(linger=False)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._exchange is None and not self.write_paused:
            found = self._reader.whole(data)
            if found is not None:
                self._serve(*found)
                return
            self._reader.feed(data)
            self._advance()
            return
        self._reader.feed(data)
        if not self._reading_paused:
            self._queued += data.count(END)
            self._bound_backlog()

    def eof_received(self) -> bool:
        """A half-close ends the connection, and cancels what runs on it (see Exchange)."""
        self._closing = True
        self._allow(self._hub.limits.write_timeout)
        self._lose()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.deadline = math.inf
        self._hub.forget(self)
        self._hub.hold(-self._held)
        self._held = 0
        self._lose()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._taken = self._written - self._transport.get_write_buffer_size()
        self._allow(self._hub.limits.write_timeout)

    def resume_writing(self) -> None:
        self.write_paused = False
        self._wake()
        if self._closing:
            self._allow(self._hub.limits.write_timeout)
        elif self._exchange is not None:
            self.deadline = math.inf
        else:
            self._awaits = Awaits.NOTHING
            self._allow(self._hub.limits.idle_timeout)
            self._advance()

    # what the server asks

    @property
    def busy(self) -> bool:
        """Whether a request is with the handler."""
        return self._exchange is not None

    def drain(self) -> None:
        """End now when nothing was begun; otherwise the answer in progress is the last."""
        if self._exchange is None and self._reader.awaits is Awaits.NOTHING and not self._closing:
            self._close(linger=False)

    def abort(self) -> None:
        """End at once, whatever waits to be sent."""
        self._transport.abort()

    def expire(self) -> None:
        """The sweep found `deadline` in the past."""
        if self.write_paused:
            self._expire_write()
        elif self._closing:
            self._transport.abort()
        elif self._awaits is Awaits.NOTHING:
            self._close(linger=False)
        else:
            self._refuse(Refusal.BODY_TIMEOUT if self._awaits is Awaits.BODY else Refusal.HEADER_TIMEOUT)

    # requests

    def _advance(self) -> None:
        """Hand over requests while whole ones are there and the one before is answered."""
        if self._advancing:
            return
        self._advancing = True
        turns = self._hub.limits.pipeline_depth
        try:
            while turns and self._ready():
                found = self._reader.next()
                if self._held or found is None:
                    self._hold(self._reader.held)
                if found is None:
                    self._await_rest()
                    break
                self._serve(*found)
                turns -= 1
        except Refused as refused:
            self._refuse(refused.reason)
        finally:
            self._advancing = False
        if not turns:
            self._loop.call_soon(self._advance)  # other connections have a right to the loop
        if not turns or not self._ready():
            if self._reader.unread and not self._reading_paused:
                self._queued = self._reader.count_queued()
                self._bound_backlog()
        elif self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _ready(self) -> bool:
        """Whether the next request may be handed over."""
        return self._exchange is None and not self.write_paused and not self._closing

    def _await_rest(self) -> None:
        """Set the deadline for what the peer owes, once per head and once per body."""
        awaits = self._reader.awaits
        if awaits is self._awaits:
            return
        self._awaits = awaits
        if awaits is Awaits.HEAD:
            self._allow(self._hub.limits.header_timeout)
        elif awaits is Awaits.BODY:
            self._allow(self._hub.limits.body_timeout)
            if self._reader.continue_expected:
                self.send(_CONTINUE)

    def _hold(self, held: int) -> None:
        """Count what is here of a body that is not whole yet. Raises Refused when all connections together
        hold too much."""
        more, self._held = held - self._held, held
        excess = self._hub.hold(more)
        if excess is not None:
            raise Refused(excess)

    def _serve(self, head: Head, body: bytes) -> None:
        self.deadline = math.inf
        request = HttpRequest(
            head.method, head.target, head.path, head.query, head.headers, body, head.version, head.memo
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
        limits = self._hub.limits
        if not linger or not self._transport.can_write_eof():
            self._allow(limits.write_timeout)
            self._transport.close()
            return
        self._allow(limits.linger_timeout)
        self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _expire_write(self) -> None:
        taken = self._written - self._transport.get_write_buffer_size()
        if taken > self._taken:
            self._taken = taken
            self._allow(self._hub.limits.write_timeout)
        else:
            self._hub.count(Refusal.WRITE_TIMEOUT)
            self._transport.abort()

    def _bound_backlog(self) -> None:
        """Stop reading when enough waits. Until then a disconnect goes unseen."""
        limits = self._hub.limits
        if self._reading_paused or self._closing:
            return
        if self._reader.unread > limits.pipeline_bytes or self._queued > limits.pipeline_depth:
            self._reading_paused = True
            self._transport.pause_reading()

    def _allow(self, seconds: float) -> None:
        self.deadline = self._hub.clock() + seconds

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
