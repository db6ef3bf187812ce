"""One HTTP/1.1 connection to a server: a request goes out in one write, its response comes back in callbacks.

Guarantees: a response is only ever given to the one request in flight; bytes that no request asked for end
the connection; what a server sends is bounded in head and body. It never sends anything twice.
"""

import asyncio
import math
import socket
import ssl
from collections.abc import Callable
from typing import Final, NoReturn, cast

import httptools
import msgspec

from doorward.model.errors import DoorwardError
from doorward.model.reasons import Reason
from doorward.ports.waits import Arrival
from doorward.upstream.failure import failure
from doorward.upstream.framing import FRAMING, framing_fault
from doorward.upstream.repeat import RepeatedHead
from doorward.upstream.timeouts import NO_LIMITS, Timeouts, span
from doorward.upstream.tls import said

MAX_HEADERS: Final = 100
"""Fields of one answer, trailers included, repeated ones counted each."""
MAX_INTERIM: Final = 32
MAX_HEAD_BYTES: Final = 32 * 1024
_BEGINS: Final = b"H"
"""One byte: it stands in the first piece however the rest is cut."""
FRESH_S: Final = 0.02
"""A connection that was used so recently is not looked into again: the loop would have told."""
CRUMBS: Final = 8192
CRUMB: Final = 32
"""Bytes that the pieces of an unread body must have on average where there are more than CRUMBS: each takes
0.7 us and 40 bytes, whatever it holds, and one read may bring 40,000 of them."""
JSON: Final = b"application/json"
STREAM_BUFFER: Final = 64 * 1024
"""Bytes of a stream that wait unread before the server is made to wait."""


class Response(msgspec.Struct, eq=False):
    """What came back. `body` is whole, except for a stream, which is read with `Connection.read`."""

    status: int
    headers: dict[bytes, bytes]
    """Lower-case names; of repeated fields the last counts. Trailers are dropped. An answer whose head came
    before has the fields of that one, so only `body` tells its length."""
    content_type: bytes
    """Without parameters, lower case; b"" when absent. JSON for a stream that was one answer and its end."""
    streams: bool = False
    body: bytes = b""


def media_type(headers: dict[bytes, bytes]) -> bytes:
    """As `Response.content_type` has it."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class Connection(asyncio.Protocol):
    """`deadline` and `expire` are what `Deadlines` sweeps."""

    __slots__ = (
        "_body",
        "_chunk",
        "_done",
        "_drained",
        "_error",
        "_fields",
        "_fresh",
        "_headers",
        "_in_head",
        "_interim",
        "_known",
        "_limit",
        "_on_lost",
        "_parser",
        "_paused",
        "_repeated",
        "_response",
        "_server",
        "_size",
        "_spoiled",
        "_to_end",
        "_transport",
        "_unbodied",
        "_usual",
        "_waiter",
        "deadline",
        "heard",
        "idle_limit",
        "idle_since",
        "socket",
    )

    def __init__(
        self,
        server: str,
        idle_limit: float,
        on_lost: Callable[["Connection"], None],
        usual: Timeouts = NO_LIMITS,
    ) -> None:
        """`usual`: what its deadlines come from, unless they say so themselves."""
        self._server = server
        self._on_lost = on_lost
        self._usual = usual
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._repeated = RepeatedHead()
        self._known: Response | None = None
        """Whose head `_repeated` knows."""
        self._error: DoorwardError | None = None
        self._spoiled = False
        self._paused = False
        self._waiter: asyncio.Future[Response] | Arrival | None = None
        self._chunk: asyncio.Future[bytes] | None = None
        self._response: Response | None = None
        self._headers: dict[bytes, bytes] = {}
        self._fields = self._interim = 0
        self._in_head = True
        self._fresh = True
        """Whether nothing of the answer has come yet."""
        self._unbodied = 0
        """Bytes since the request, or since the last ones that were body: head, chunk framing, trailers."""
        self._body: list[bytes] = []
        self._size = 0
        self._limit = 0
        self._to_end = False
        self._done = True
        self._drained: Callable[[Connection], None] | None = None
        self.deadline = math.inf
        self.heard = 0
        """Goes up with what the parser is fed: who looks at it twice sees whether bytes come (`Patience`)."""
        self.idle_limit = idle_limit
        self.idle_since = 0.0
        self.socket: socket.socket | None = None
        """What the transport uses, to look into it without reading."""

    # the side of the pool

    def usable(self, now: float) -> bool:
        """Whether a request may be put on it: open, nothing in flight, not idle for long, nothing unread."""
        idle = now - self.idle_since
        if idle >= self.idle_limit or not self._done or self._spoiled:
            return False
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        return idle < FRESH_S or not self._has_news()

    @property
    def clean(self) -> bool:
        """Open, between two exchanges, and nothing was received that belonged to none."""
        return (
            self._done
            and not self._spoiled
            and self._transport is not None
            and not self._transport.is_closing()
        )

    @property
    def waits(self) -> bool:
        """Whether it is the server's turn: a request is out, and we read what comes."""
        return not self._done and not self._paused

    @property
    def in_flight(self) -> bool:
        """Whether an answer is still to come, or the rest of one."""
        return not self._done

    @property
    def silent(self) -> bool:
        """Nothing of the answer has come yet."""
        return self._fresh

    def _has_news(self) -> bool:
        """Whether something waits that the loop has not seen: the server's end, or what nobody asked for.

        Either way no request may be put on it; and sending it again would be a second call.
        """
        if self.socket is None:
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def _over(self) -> bool:
        """Whether the exchange has ended meanwhile: feeding the parser does that."""
        return self._done

    def close(self) -> None:
        """Without a word; what is in flight fails."""
        self._spoiled = True
        if self._transport is not None:
            self._transport.abort()

    # the side of an exchange

    def send(self, request: bytes, limit: int, waiter: asyncio.Future[Response] | Arrival) -> None:
        """Write a whole request. `waiter` gets the response, or UpstreamError.

        `limit` bounds a whole body; a stream's reader bounds its own events.
        """
        assert self._done
        assert self._transport is not None
        self._waiter = waiter
        self._response = None
        self._limit = limit
        self._done = False
        self._error = None
        self._in_head = self._fresh = True
        self._transport.write(request)

    async def read(self) -> bytes:
        """The next bytes of a stream; b"" at its proper end. Raises UpstreamError when it breaks off."""
        if self._body:
            data = b"".join(self._body)
            self._body.clear()
            self._size = 0
            if self._paused:
                self._resume()
            return data
        if self._error is not None:
            raise self._error
        if self._done:
            return b""
        self._chunk = asyncio.get_running_loop().create_future()
        try:
            return await self._chunk
        finally:
            self._chunk = None

    def linger(self, drained: Callable[["Connection"], None]) -> bool:
        """Throw away the rest of a stream whose answer was taken; `drained` is told when it ended properly.

        False when there is no rest to wait for, or no use in waiting.
        """
        if self._done or self._spoiled or self._response is None or not self._response.streams:
            return False
        self._drained = drained
        self._body.clear()
        self._size = 0
        if self._paused:
            self._resume()
        return True

    def expire(self) -> None:
        what = "begin to answer" if self._fresh else "finish its answer"
        text = f"did not {what} within {span(self.deadline, self._usual)}"
        self.fail(failure(Reason.UPSTREAM_TIMEOUT, self._server, text))

    def fail(self, error: DoorwardError) -> None:
        """End the exchange in flight, and with it the connection."""
        if not self._done:
            self._done = True
            self._error = error
            self._tell(error)
        self.close()

    def _tell(self, error: DoorwardError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        if self._chunk is not None and not self._chunk.done():
            self._chunk.set_exception(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self._done:
            self.close()  # nobody asked: a late or smuggled reply must never meet the next request
            return
        fresh = self._fresh
        if fresh:
            self._fresh = False
            body = self._repeated.body(data)
            known, waiter = self._known, self._waiter
            if body is not None and known is not None and len(body) <= self._limit:
                self._done = True
                response = Response(known.status, known.headers, known.content_type, False, body)
                if type(waiter) is Arrival:
                    if waiter.failure is not None:  # a cancellation: what else ends it ends the exchange
                        return
                    if waiter.waiter is None:
                        waiter.set_result(response)
                    else:  # as `land`, without its frame
                        waiter.value = response
                        waiter.waiter.pace()
                elif waiter is not None and not waiter.done():
                    waiter.set_result(response)
                return
        if fresh and not _BEGINS.startswith(data[: len(_BEGINS)]):
            self._broken("sent what is not HTTP")  # llhttp takes ICE and RTSP as well, and empty lines ahead
            return
        self.heard += 1
        self._unbodied += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._over():
                self.close()  # the answer was whole; what follows it is not HTTP
            else:
                self._broken("sent what is not HTTP")
            return
        if fresh and self._over():
            self._remember(data)
        elif self._unbodied > MAX_HEAD_BYTES and not self._over():
            self._broken(
                "sent a response head that is too large" if self._in_head else "sent too much framing"
            )

    def eof_received(self) -> bool:
        if not self._done and self._to_end and not self._in_head:
            self._spoiled = True
            self.on_message_complete()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._spoiled = True
        if not self._done:
            text = "closed the connection before it had answered"
            if isinstance(exc, ssl.SSLError):  # TLS 1.3 refuses a client's certificate after the handshake
                text = f"ended TLS before it had answered: {said(exc)}"
            self.fail(failure(Reason.UPSTREAM_CONNECTION_LOST, self._server, text))
        self._on_lost(self)

    # httptools

    def on_message_begin(self) -> None:
        if self._done:
            self._spoiled = True
        self._headers = {}
        self._fields = 0
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > MAX_HEADERS:
            self._stop("sent too many header fields")
        if not self._in_head:  # trailers are never merged (RFC 9110 section 6.5.1)
            if name.lower() in FRAMING:
                self._broken("sent a trailer that only a head may hold")
            return
        headers = self._headers
        name = name.lower()
        if name == b"transfer-encoding" and name in headers:
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        if self._done:
            return
        headers = self._headers
        status = self._parser.get_status_code()
        fault = framing_fault(status, self._parser.get_http_version(), headers)
        if fault is not None:
            self._broken(fault)
            return
        if status < 200:
            # It carries nothing for us (RFC 9110 section 15.2). But proxies that do not know interim answers
            # (nginx 1.22) take all that follows for a body without end: the next answer must not be in it.
            self._spoiled = True
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._stop("sent too many interim answers")
            return
        self._in_head = False
        length = headers.get(b"content-length")
        self._to_end = length is None and b"transfer-encoding" not in headers
        response = Response(status, headers, media_type(headers))
        self._response = response
        if headers.get(b"content-encoding", b"identity") != b"identity":
            self._broken("compressed its reply although nobody asked it to")
        elif response.content_type == b"text/event-stream" and 200 <= status < 300:
            response.streams = True
            self._answer(response)
        elif length is not None and int(length) > self._limit:
            self._too_large()

    def on_body(self, data: bytes) -> None:
        self._unbodied = 0
        if self._done:
            return
        response = self._response
        if response is None:
            return
        if self._chunk is not None and not self._chunk.done():
            self._chunk.set_result(data)
            return
        self._size += len(data)
        if self._drained is not None:
            if self._size > STREAM_BUFFER:
                self.close()
            return
        self._body.append(data)
        if len(self._body) > CRUMBS and self._size < len(self._body) * CRUMB:
            self._stop("sent its answer in too many small pieces")
        if response.streams:
            if self._size > STREAM_BUFFER and not self._paused:
                self._pause()
        elif self._size > self._limit:
            self._too_large()

    def on_message_complete(self) -> None:
        if self._done or self._in_head:
            return
        self._done = True
        self._unbodied = 0
        response = self._response
        assert response is not None
        if self._to_end or not self._parser.should_keep_alive():
            self._spoiled = True
        keep_alive = self._headers.get(b"keep-alive")
        if keep_alive is not None:
            self._heed(keep_alive)
        if not response.streams:
            response.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body.clear()
            self._size = 0
            self._answer(response)
        elif self._drained is not None:
            drained = self._drained
            self._drained = None
            self._size = 0
            drained(self)
        elif self._chunk is not None and not self._chunk.done():
            self._chunk.set_result(b"")

    # helpers

    def _remember(self, data: bytes) -> None:
        """The answer came whole in one piece: the next one may be recognised by it."""
        response = self._response
        if response is None or self._spoiled:
            return
        if not response.streams:
            self._repeated.remember(data, response.body)
            self._known = response
        elif self._repeated.remember_event(data, b"".join(self._body)):
            self._known = msgspec.structs.replace(response, content_type=JSON, streams=False)

    def _answer(self, response: Response) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(response)

    def _heed(self, keep_alive: bytes) -> None:
        """`Keep-Alive: timeout=N` says how long it stays open; a second is left for the way."""
        for part in keep_alive.split(b","):
            name, _, value = part.partition(b"=")
            if name.strip().lower() == b"timeout" and value.strip().isdigit():
                self.idle_limit = max(0.2, min(float(value) - 1.0, 300.0))

    def _broken(self, text: str) -> None:
        self.fail(failure(Reason.UPSTREAM_PROTOCOL_ERROR, self._server, text))

    def _stop(self, text: str) -> NoReturn:
        """From a callback: the rest of what has come is not worth a look."""
        self._broken(text)
        raise httptools.HttpParserError(text)

    def _too_large(self) -> None:
        text = f"answered more than {self._limit} bytes"
        self.fail(failure(Reason.UPSTREAM_REPLY_TOO_LARGE, self._server, text))

    def _pause(self) -> None:
        assert self._transport is not None
        self._paused = True
        self._transport.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
