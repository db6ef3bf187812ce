"""The bytes of one connection, as our upstream leg and its peers read the answer to one POST out of them."""

from collections.abc import Iterable
from typing import Any

import h11

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.h1 import Connection, Response
from tests.attack.framing.view import End, Message, View, last

LIMIT = 64 * 1024


class Transport:
    """Takes everything, pauses never."""

    def __init__(self) -> None:
        self.closing = False

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Waiter:
    """As much of a future as a connection needs, without a loop."""

    def __init__(self) -> None:
        self.response: Response | None = None
        self.error: UpstreamError | None = None

    def done(self) -> bool:
        return self.response is not None or self.error is not None

    def set_result(self, response: Response) -> None:
        self.response = response

    def set_exception(self, error: UpstreamError) -> None:
        self.error = error


def connection() -> Connection:
    made = Connection("lab", 4.0, lambda _: None)
    made.connection_made(Transport())  # type: ignore[arg-type]
    return made


def exchange(made: Connection, pieces: Iterable[bytes], *, eof: bool) -> View:
    """One request on `made`, answered by `pieces`. Without `eof` the server closes only what cannot be used
    again."""
    waiter: Any = Waiter()
    made.send(b"POST", LIMIT, waiter)
    for piece in pieces:
        made.data_received(piece)
    open_still = made.clean
    if eof or not open_still:
        made.eof_received()
        made.connection_lost(None)
    return _view(made, waiter, open_still)


def doorward(pieces: Iterable[bytes]) -> View:
    """A fresh connection of our upstream leg, closed by the server in the end."""
    return exchange(connection(), pieces, eof=True)


def _view(made: Connection, waiter: Waiter, open_still: bool) -> View:
    response, error = waiter.response, waiter.error
    body = b""
    if response is not None and error is None:
        body, error = _body(made, response)
    if error is not None:
        partial = error.reason is Reason.UPSTREAM_CONNECTION_LOST
        return View((), End.PARTIAL if partial else End.REFUSED, error.message)
    if response is None:
        return View((), End.PARTIAL)
    message = Message((b"%d" % response.status,), last(response.headers.items()), body)
    return View((message,), End.OPEN if open_still else End.CLOSED)


def _body(made: Connection, response: Response) -> tuple[bytes, UpstreamError | None]:
    """Of a stream all that has come: reading does not wait any more once it has ended."""
    if not response.streams:
        return response.body, None
    parts = []
    while True:
        reading = made.read()
        try:
            reading.send(None)
        except StopIteration as done:
            if not done.value:
                return b"".join(parts), None
            parts.append(done.value)
        except UpstreamError as error:
            return b"", error
        finally:
            reading.close()


def via_h11(data: bytes) -> View:
    """h11 as the client of one POST."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMIT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "a"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    if not data:
        return View((), End.PARTIAL)
    client.receive_data(data)
    response: h11.Response | None = None
    body = b""
    ended = False
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError as error:
            cut = ended and any(
                said in str(error) for said in ("incomplete", "without sending", "unexpectedly closed")
            )
            return View((), End.PARTIAL if cut else End.REFUSED, str(error))
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            message = Message((b"%d" % response.status_code,), last(response.headers), body)
            whole = client.their_state is h11.DONE and not client.trailing_data[0] and not ended
            return View((message,), End.OPEN if whole else End.CLOSED)
        elif event in (h11.NEED_DATA, h11.PAUSED):
            if ended or event is h11.PAUSED:
                return View((), End.PARTIAL, repr(event))
            ended = True
            client.receive_data(b"")
