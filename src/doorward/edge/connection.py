"""One HTTP/1.1 connection: one request at a time to the handler, answers out in the order of the requests.

There is no task and no timer per connection: `deadline` is swept by the server.
"""

import asyncio
import math
from contextlib import suppress
from typing import Final, cast

from doorward.edge.exchange import Exchange, FieldBlocks, HeaderFields, HttpRequest
from doorward.edge.head import END, Head
from doorward.edge.hub import Hub
from doorward.edge.limits import REFUSALS, Refusal, Refused
from doorward.edge.peers import UNIX, canonical, share
from doorward.edge.proxy_v2 import SIGNATURE
from doorward.edge.reader import Awaits, RequestReader
from doorward.model.certificate import ClientCertificate

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOLD: Final = 64
"""Connections beyond the limit that are told so; more are cut, because telling takes a place as well."""
_NEVER: Final = math.inf
_NOTHING: Final = Awaits.NOTHING
_APART: Final = 16 * 1024
"""A body beyond this is not copied behind its head: the transport sends both in one system call."""
_WATCH_S: Final = 1.0
"""How often a peer that reads slowly is looked at."""
_LARGE: Final = 256 * 1024
"""What waits for a peer is counted at once when it is more than this, otherwise when it is looked at."""


class Connection(asyncio.Protocol):
    """Created by the server for each accepted socket."""

    __slots__ = (
        "_advancing", "_awaits", "_closing", "_ended", "_exchange", "_greedy", "_held", "_hub", "_loop",
        "_owed", "_queued", "_reader", "_reading_paused", "_spoken", "_taken", "_transport", "_waiters",
        "_window_ends", "_written", "blocks", "certificate", "deadline", "origin", "peer", "proxied_for",
        "relayed", "share", "write_paused",
    )  # fmt: skip

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self.blocks: FieldBlocks = hub.blocks
        self._loop = loop
        self._reader = RequestReader(hub.limits)
        self._exchange: Exchange | None = None
        self.peer = self.origin = UNIX
        """`origin` is the peer of the transport or of its PROXY header, `peer` whom a trusted proxy names."""
        self.proxied_for: str | None = None
        """Whom a PROXY header names: set before the connection is made."""
        self.relayed = False
        """Whether a proxy stands between, as far as we were told by configuration."""
        self.share: str | None = None
        self.certificate: ClientCertificate | None = None
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
        self._owed = 0
        """Bytes that the peer has not taken, as the hub has counted them."""
        self._greedy = False
        """Its last answer was more than its share when it was sent."""
        self._ended = False
        """The peer has ended its side (half-close): what is here is still answered."""
        self._written = 0
        self._taken = 0
        """Bytes that the peer had taken when the window began in which it has to take more."""
        self._window_ends = math.inf
        self._spoken = 0
        """Bytes that had been written when quiet was last asked about."""

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

    def attribute(self, peer: str) -> Refusal | None:
        """A trusted proxy names the peer whose requests come here now; the reason when it has too many."""
        self.relayed = True
        if peer == self.peer:
            return None
        self.peer = peer
        hub, held, owed = self._hub, self._held, self._owed
        hub.bodies.move(self.share, -held)
        hub.replies.move(self.share, -owed)
        excess = hub.reassign(self, None if peer in hub.trusted else share(peer))
        hub.replies.move(self.share, owed)
        return hub.bodies.move(self.share, held) or excess

    def answer(self, exchange: Exchange, status: int, headers: HeaderFields, body: bytes) -> bool:
        """`send` and `finished` of an answer that leaves the connection open; False when it is the last."""
        hub = self._hub
        if hub.draining:
            return False
        head = hub.blocks.whole(status, headers, len(body))
        self._written += len(head) + len(body)
        if len(body) > _APART:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)
        self._exchange = None
        self._awaits = _NOTHING
        if not self.write_paused:
            self.deadline = hub.idle_until
        if not self._advancing and (self._reader.input or self._reading_paused):
            self._advance()
        return True

    def finished(self, exchange: Exchange, *, keep_alive: bool) -> None:
        """The exchange was answered whole: go on with the next, or end."""
        assert exchange is self._exchange
        self._exchange = None
        if not keep_alive or self._hub.draining:
            self._close(linger=self._reader.unread > 0 or self._reader.awaits is Awaits.BODY)
            return
        self._awaits = Awaits.NOTHING
        if not self.write_paused:
            self.deadline = self._hub.idle_until
        if not self._advancing and (self._reader.unread or self._reading_paused):
            self._advance()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._name_peer(transport)
        self.certificate = transport.get_extra_info("client_certificate")
        self._allow(self._hub.limits.header_timeout)
        excess = self._hub.admit(self)
        if excess is not None and len(self._hub.connections) > self._hub.limits.connections + _TOLD:
            self._hub.count(excess)
            self._closing = True
            self._transport.abort()
        elif excess is not None:
            self._refuse(excess)
        elif self._hub.shut:
            self._close(linger=False)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._exchange is None and not self.write_paused:
            head = self._reader.whole(data)
            if head is not None:  # as `_serve`, without its frame
                self.deadline = _NEVER
                request = HttpRequest(head, data[len(data) - head.length :])
                exchange = self._exchange = Exchange(request, self, head.keep_alive)
                try:
                    self._hub.handler(exchange)
                except Exception as error:  # noqa: BLE001 -- see `_serve`
                    self._handler_failed(exchange, error)
                return
            self._reader.feed(data)
            self._advance()
            return
        self._reader.feed(data)
        if not self._reading_paused:
            self._queued += data.count(END)
            self._bound_backlog()

    def eof_received(self) -> bool:
        """The peer sends no more. What it has asked whole is still answered, then the connection ends; over
        TLS it ends at once. True: keep the other direction open."""
        if self._closing:
            return False
        self._ended = self._reading_paused = True  # for good: what is done next looks at what waits, and ends
        if self._exchange is not None:
            self._exchange.half_closed(more=self._reader.unread > 0)
        elif not self.write_paused:
            self._advance()
        return not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.deadline = math.inf
        self._hub.forget(self)
        self._hub.bodies.move(self.share, -self._held)
        self._hub.replies.move(self.share, -self._owed)
        self._held = self._owed = 0
        self._lose()

    def pause_writing(self) -> None:
        self.write_paused = True
        unread = self._transport.get_write_buffer_size()
        self._taken = self._written - unread
        now, timeout = self._hub.clock(), self._hub.limits.write_timeout
        self._window_ends = now + timeout
        self.deadline = now + min(timeout, _WATCH_S)
        if unread > _LARGE and self._owe(unread) is not None:
            self._greedy = True
            self.deadline = now  # not here: a transport that is writing cannot be aborted

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._owed:
            self._owe(0)
            self._greedy = False
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

    def retire(self) -> None:
        """End now, or after the answer in progress: what proved the peer's identity proves it no longer."""
        if self._exchange is not None:
            self._exchange.be_last()
        elif not self._closing:
            self._close(linger=self._reader.unread > 0)

    def abort(self) -> None:
        """End at once, whatever waits to be sent."""
        self._transport.abort()

    def beat(self, now: float) -> None:
        """Asked now and then: tell the hub when a request has been running in silence for long."""
        exchange = self._exchange
        if exchange is None or self._hub.quiet is None:
            return
        if exchange.quiet_since == 0.0 or self._written != self._spoken:
            exchange.quiet_since, self._spoken = now, self._written
        elif now - exchange.quiet_since >= self._hub.limits.quiet_timeout:
            exchange.quiet_since = now
            self._hub.quiet(exchange)

    def expire(self) -> None:
        """The sweep found `deadline` in the past."""
        if self.write_paused:
            self._watch_reader()
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
        elif self._reading_paused and not self._ended:
            self._reading_paused = False
            self._transport.resume_reading()

    def _ready(self) -> bool:
        """Whether the next request may be handed over."""
        return self._exchange is None and not self.write_paused and not self._closing

    def _await_rest(self) -> None:
        """Set the deadline for what the peer owes, once per head and once per body."""
        if self._ended:
            self._close(linger=False)
            return
        awaits = self._reader.awaits
        if awaits is self._awaits:
            return
        self._awaits = awaits
        if awaits is Awaits.HEAD:
            self._allow(self._hub.limits.header_timeout)
        elif awaits is Awaits.BODY:
            self._allow(self._hub.limits.body_timeout)
            if not self._screened() and self._reader.continue_expected:
                self.send(_CONTINUE)

    def _screened(self) -> bool:
        """Whether the head alone is enough to refuse the body that is still to come: then it is not waited
        for, and neither asked for (RFC 9110 section 10.1.1)."""
        head, screen = self._reader.head, self._hub.screen
        if head is None or screen is None:
            return False
        exchange = self._exchange = Exchange(HttpRequest(head), self, False)
        try:
            taken = screen(exchange)
        except Exception as error:  # noqa: BLE001 -- as in `_serve`
            self._handler_failed(exchange, error)
            return True
        if taken:
            if self._exchange is exchange:
                self.deadline = math.inf
        elif self._exchange is exchange:
            self._exchange = None
        return taken

    def _hold(self, held: int) -> None:
        """Count what is here of a body that is not whole yet. Raises Refused when all connections together
        hold too much."""
        more, self._held = held - self._held, held
        excess = self._hub.bodies.move(self.share, more)
        if excess is not None:
            raise Refused(excess)

    def _serve(self, head: Head, body: bytes) -> None:
        self.deadline = _NEVER
        exchange = self._exchange = Exchange(HttpRequest(head, body), self, head.keep_alive)
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
        if reason is Refusal.REQUEST_LINE_MALFORMED and self._reader.begins_with(SIGNATURE):
            reason = Refusal.PROXY_FORBIDDEN  # what an operator has to know who forgot to configure it
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
        if not linger or self._ended or not self._transport.can_write_eof():
            self._allow(limits.write_timeout)
            self._transport.close()
            return
        self._allow(limits.linger_timeout)
        self._reader = RequestReader(limits)  # what has come is for nobody, and need not be kept as long
        self._hub.bodies.move(self.share, -self._held)
        self._held = 0
        with suppress(OSError):  # of a peer that has gone, which we are told next
            self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _watch_reader(self) -> None:
        """A peer may read as slowly as `write_rate`, and no more of what we keep for it than its share."""
        hub, limits = self._hub, self._hub.limits
        unread, now = self._transport.get_write_buffer_size(), self._hub.clock()
        excess = self._owe(unread)
        if self._greedy:
            excess = hub.replies.excess(self.share)
        if excess is None and now >= self._window_ends:
            taken = self._written - unread
            if taken - self._taken < limits.write_rate * limits.write_timeout:
                excess = Refusal.WRITE_TIMEOUT
            self._taken, self._window_ends = taken, now + limits.write_timeout
        if excess is not None:
            hub.count(excess)
            self._owe(0)
            self._transport.abort()
        self.deadline = min(now + _WATCH_S, self._window_ends)

    def _owe(self, unread: int) -> Refusal | None:
        more, self._owed = unread - self._owed, unread
        return self._hub.replies.move(self.share, more)

    def _bound_backlog(self) -> None:
        """Stop reading when enough waits. Until then a disconnect goes unseen."""
        limits = self._hub.limits
        if self._reading_paused or self._closing:
            return
        if self._reader.unread > limits.pipeline_bytes or self._queued > limits.pipeline_depth:
            self._reading_paused = True
            self._transport.pause_reading()
            try:
                self._hold(self._reader.unread)
            except Refused as refused:  # an answer is on its way: there is no place for another word
                self._hub.count(refused.reason)
                self._transport.abort()

    def _name_peer(self, transport: asyncio.BaseTransport) -> None:
        named = self.proxied_for or transport.get_extra_info("proxied_for")
        peername = transport.get_extra_info("peername")
        if named is not None:
            self.origin = named
        elif isinstance(peername, tuple):
            self.origin = canonical(peername[0]) or peername[0]
        self.peer = self.origin
        trusted = self.origin in self._hub.trusted
        self.relayed = trusted or named is not None
        self.share = None if trusted or self.origin == UNIX else share(self.origin)

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
