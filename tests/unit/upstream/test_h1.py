"""One connection over a fake transport: whatever the pieces, the response is the same."""

import asyncio
import socket
import ssl
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.ports.waits import Arrival
from doorward.upstream.h1 import CRUMB, CRUMBS, FRESH_S, Connection, Response

REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    b"Keep-Alive: timeout=3\r\n\r\n"
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
)


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""
        self.closing = False
        self.paused = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.paused -= 1


def connection() -> tuple[Connection, Any]:
    made, transport = Connection("s", 4.0, lambda _: None), FakeTransport()
    made.connection_made(transport)  # type: ignore[arg-type]
    return made, transport


def fed(pieces: list[bytes], limit: int = 1000) -> tuple[Connection, asyncio.Future[Response], Any]:
    loop = asyncio.new_event_loop()
    try:
        made, transport = connection()
        waiter: asyncio.Future[Response] = loop.create_future()
        made.send(b"POST", limit, waiter)
        for piece in pieces:
            made.data_received(piece)
        return made, waiter, transport
    finally:
        loop.close()


@given(st.lists(st.integers(0, len(REPLY)), max_size=8))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(REPLY)]
    pieces = [REPLY[a:b] for a, b in pairwise(edges) if a < b]
    made, waiter, _ = fed(pieces)
    assert waiter.result().body == b"abcde"
    assert waiter.result().content_type == b"application/json"
    assert made.clean
    assert made.idle_limit == 2.0


@given(st.binary(max_size=300))
def test_no_bytes_whatever_break_it(data: bytes) -> None:
    made, waiter, transport = fed([data])
    if waiter.done():
        error = waiter.exception()
        assert error is None or isinstance(error, UpstreamError)
        assert error is None or transport.closing
    else:
        assert not made.clean


def test_what_follows_an_answer_spoils_the_connection() -> None:
    made, waiter, _ = fed([REPLY + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"])
    assert waiter.result().body == b"abcde"
    assert not made.clean
    made, waiter, transport = fed([REPLY])
    made.data_received(b"x")
    assert transport.closing
    assert not made.usable(0.0)


def test_connection_close_and_age_end_its_use() -> None:
    made, waiter, _ = fed([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"])
    assert waiter.result().body == b"x"
    assert not made.clean
    made, _, _ = fed([REPLY])
    assert made.usable(1.9)
    assert not made.usable(2.0)


def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    made, waiter, _ = fed([b"HTTP/1.1 200 OK\r\n\r\nabc"])
    assert not waiter.done()
    made.eof_received()
    assert waiter.result().body == b"abc"
    assert not made.clean


def test_a_body_that_breaks_off_is_an_error() -> None:
    made, waiter, _ = fed([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    made.eof_received()
    made.connection_lost(None)
    error = waiter.exception()
    assert isinstance(error, UpstreamError)
    assert error.reason is Reason.UPSTREAM_CONNECTION_LOST


@pytest.mark.asyncio
async def test_a_stream_waits_for_its_reader() -> None:
    made, transport = connection()
    waiter: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    made.send(b"POST", 1000, waiter)
    made.data_received(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    assert (await waiter).streams
    made.data_received(b"x" * 70_000)
    assert transport.paused == 1
    assert len(await made.read()) == 70_000
    assert transport.paused == 0
    made.connection_lost(None)
    with pytest.raises(UpstreamError):
        await made.read()


@pytest.mark.parametrize("end", ["closed", "reset", "unasked bytes"])
def test_what_the_loop_has_not_seen_yet_keeps_a_request_off(end: str) -> None:
    made, _ = connection()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        made.socket = ours
        assert made.usable(FRESH_S)
        if end == "closed":
            theirs.close()
        elif end == "reset":
            ours.send(b"never read")
            theirs.close()
        else:
            theirs.send(b"HTTP/1.1 200 OK\r\n")
        assert made.usable(0.0)  # used a moment ago: not looked into
        assert not made.usable(FRESH_S)
    assert not made.usable(FRESH_S)  # closed here


def test_looking_takes_nothing_away() -> None:
    made, _ = connection()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        made.socket = ours
        theirs.send(b"x")
        assert not made.usable(FRESH_S)
        assert ours.recv(10) == b"x"


def test_whose_turn_it_is_and_whether_anything_came() -> None:
    made, transport = connection()
    assert not made.waits
    loop = asyncio.new_event_loop()
    try:
        made.send(b"POST", 1000, loop.create_future())
    finally:
        loop.close()
    assert (made.waits, made.silent, made.heard) == (True, True, 0)
    made.data_received(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    assert (made.waits, made.silent, made.heard) == (True, False, 1)
    made.data_received(b"x" * 70_000)
    assert transport.paused == 1
    assert (made.waits, made.heard) == (False, 2)
    made.close()


def test_the_end_of_tls_is_told_in_its_words() -> None:
    made, _ = connection()
    loop = asyncio.new_event_loop()
    try:
        waiter: asyncio.Future[Response] = loop.create_future()
        made.send(b"POST", 1000, waiter)
        alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
        alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        made.connection_lost(alert)
    finally:
        loop.close()
    error = waiter.exception()
    assert isinstance(error, UpstreamError)
    assert error.reason is Reason.UPSTREAM_CONNECTION_LOST
    assert error.message == "server s ended TLS before it had answered: tlsv13 alert certificate required"


@pytest.mark.parametrize(("size", "fits"), [(1, False), (CRUMB - 1, False), (CRUMB + 1, True)])
@pytest.mark.parametrize("reads", [1, 50])
def test_no_answer_is_made_of_so_many_pieces_that_reading_them_holds_the_loop(
    reads: int, size: int, fits: bool
) -> None:
    """A read of 256 KB holds 40,000 chunks of one byte: 30 ms, and 40 bytes of memory for each."""
    chunk = b"%x\r\n%b\r\n" % (size, b"a" * size)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, waiter, _ = fed([head, *[chunk * (3 * CRUMBS // reads)] * reads, b"0\r\n\r\n"], limit=2**20)
    assert waiter.done()
    assert ("too many small pieces" in str(waiter.exception())) is not fits


def test_a_flood_of_crumbs_on_a_stream_is_cut_and_pieces_that_are_read_do_not_add_up() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    made, _, _ = fed([head])
    for _ in range(3):
        made.data_received(b"1\r\n:\r\n" * CRUMBS)
        with pytest.raises(StopIteration) as read:
            made.read().send(None)
        assert len(read.value.value) == CRUMBS
    made.data_received(b"1\r\n:\r\n" * 2 * CRUMBS)
    assert not made.in_flight


class Steps:
    """A waiter that counts what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self) -> None:
        self.said.append("step")

    def pace(self) -> None:
        self.said.append("pace")

    def fail(self, failure: Exception) -> None:
        raise NotImplementedError


@pytest.mark.asyncio
async def test_a_usual_answer_wakes_its_waiter_at_once_unless_that_has_given_up() -> None:
    loop = asyncio.get_running_loop()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    told: list[list[str]] = []
    made, _ = connection()
    for gives_up in (False, False, True):
        arrival, waiter = Arrival(loop, asyncio.CancelledError), Steps()
        arrival.attend(waiter)
        made.send(b"POST", 1000, arrival)
        if gives_up:
            assert arrival.cancel()
        made.data_received(answer)
        told.append(list(waiter.said))
        await asyncio.sleep(0)
        told.append(list(waiter.said))

    first, usual, given_up = (told[n : n + 2] for n in (0, 2, 4))
    assert first == [[], ["step"]]  # llhttp was fed: whoever waits goes on when that is done
    assert usual == [["pace"], ["pace"]]
    assert given_up == [[], ["step"]]
