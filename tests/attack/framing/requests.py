"""The bytes of one connection, as our edge and its peers read requests out of them."""

from collections.abc import Callable, Iterable
from typing import Any

import h11
import httptools

from doorward.edge.connection import Connection
from doorward.edge.exchange import Exchange
from doorward.edge.hub import Hub
from doorward.edge.limits import HttpLimits
from tests.attack.framing.view import End, Message, View, fields
from tests.unit.edge.fakes import Clock, FakeTransport

LIMITS = HttpLimits(body_bytes=64 * 1024)
MAX_HEAD = 64 * 1024
"""For h11, more than ours: what is too large is not the question here."""


class Turns:
    """The part of an event loop that a connection uses when it yields: what is called soon."""

    def __init__(self) -> None:
        self._soon: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def call_soon(self, call: Callable[..., object], *args: Any) -> None:
        self._soon.append((call, args))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise AssertionError(context)

    def run(self) -> None:
        while self._soon:
            call, args = self._soon.pop(0)
            call(*args)


def doorward(pieces: Iterable[bytes], limits: HttpLimits = LIMITS) -> View:
    """A whole edge connection, fed piece by piece; every request is answered at once."""
    seen: list[Message] = []

    def handler(exchange: Exchange) -> None:
        request = exchange.request
        version = b"%d.%d" % request.version
        seen.append(
            Message((request.method, request.target, version), fields(request.headers.items()), request.body)
        )
        exchange.respond(200)

    hub, turns, transport = Hub(handler, limits, None, Clock()), Turns(), FakeTransport()
    connection = Connection(hub, turns)  # type: ignore[arg-type]
    connection.connection_made(transport)
    for piece in pieces:
        connection.data_received(piece)
        turns.run()
    if hub.refused:
        (why,) = hub.refused
        return View(tuple(seen), End.REFUSED, why)
    if transport.did and transport.did[-1] in ("close", "eof"):
        return View(tuple(seen), End.CLOSED)
    connection.drain()  # ends it only when nothing was begun
    return View(tuple(seen), End.OPEN if "close" in transport.did else End.PARTIAL)


def via_h11(data: bytes) -> View:
    """h11 as a server that answers 400, which switches no protocol."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    seen: list[Message] = []
    request: h11.Request | None = None
    body = b""
    server.receive_data(data)
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError as error:
            return View(tuple(seen), End.REFUSED, str(error))
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            start = (request.method, request.target, request.http_version)
            seen.append(Message(start, fields(request.headers), body))
            request = None
            if not _answered(server):
                return View(tuple(seen), End.CLOSED)
        else:
            partial = request is not None or bool(server.trailing_data[0].lstrip(b"\r\n"))
            return View(tuple(seen), End.PARTIAL if partial else End.OPEN)


def _answered(server: h11.Connection) -> bool:
    """Whether the connection goes on after an answer."""
    server.send(h11.Response(status_code=400, headers=[(b"content-length", b"0")]))
    server.send(h11.EndOfMessage())
    if server.our_state is not h11.DONE or server.their_state is not h11.DONE:
        return False
    server.start_next_cycle()
    return True


class _Callbacks:
    """llhttp's, by httptools."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.parser: Any = None
        self.begun = False
        self._reset()

    def _reset(self) -> None:
        self._target = self._body = b""
        self._fields: list[tuple[bytes, bytes]] = []

    def on_message_begin(self) -> None:
        self.begun = True
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_headers_complete(self) -> None:
        self._kept = list(self._fields)  # trailers come by the same door

    def on_message_complete(self) -> None:
        self.begun = False
        start = (self.parser.get_method(), self._target, self.parser.get_http_version().encode())
        self.seen.append(Message(start, fields(self._kept), self._body))


def via_httptools(data: bytes) -> View:
    """llhttp without leniency, as httptools drives it."""
    got = _Callbacks()
    got.parser = parser = httptools.HttpRequestParser(got)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return View(tuple(got.seen), End.CLOSED, "upgrade")
    except httptools.HttpParserError as error:
        return View(tuple(got.seen), End.REFUSED, str(error))
    return View(tuple(got.seen), End.PARTIAL if got.begun else End.OPEN)
