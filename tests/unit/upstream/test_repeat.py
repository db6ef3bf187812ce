"""A known head saves the parser, and changes nothing else: both ways give the same answer or the same end."""

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.h1 import Connection, Response
from doorward.upstream.http import HttpLeg
from doorward.upstream.live import Answer, Live
from doorward.upstream.relay import Relay
from doorward.upstream.repeat import RepeatedHead
from doorward.upstream.settings import ServerSettings
from tests.unit.upstream.test_h1 import connection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: 1\r\nContent-Length: %d\r\nY: 2\r\n\r\n"


def whole(body: bytes, head: bytes = HEAD) -> bytes:
    return head % len(body) + body


def ask(made: Connection, data: bytes, limit: int = 1000) -> "asyncio.Future[Response]":
    loop = asyncio.new_event_loop()
    try:
        waiter: asyncio.Future[Response] = loop.create_future()
        made.send(b"POST", limit, waiter)
        made.data_received(data)
        return waiter
    finally:
        loop.close()


def test_answers_under_one_head_have_their_own_bodies() -> None:
    made, _ = connection()
    for body in (b"{}", b'{"a":1}', b"x" * 999, b"{}"):
        found = ask(made, whole(body)).result()
        assert (found.status, found.content_type, found.body) == (200, b"application/json", body)
        assert found.headers[b"x"] == b"1"
        assert made.clean


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 60))
def test_it_makes_no_difference_whether_the_head_is_known(first: bytes, second: bytes, cut: int) -> None:
    data = whole(second)
    known, _ = connection()
    ask(known, whole(first))
    new, _ = connection()
    waiters = []
    for made in (known, new):
        waiter = ask(made, data[:cut])
        made.data_received(data[cut:])
        waiters.append(waiter)
    assert waiters[0].result().body == waiters[1].result().body == second
    assert known.clean
    assert new.clean


def test_what_follows_an_answer_ends_the_connection() -> None:
    made, transport = connection()
    ask(made, whole(b"{}"))
    assert ask(made, whole(b"{}") + whole(b"evil")).result().body == b"{}"
    assert transport.closing or not made.clean


def test_too_large_is_too_large_under_a_known_head_too() -> None:
    made, _ = connection()
    ask(made, whole(b"{}"))
    assert ask(made, whole(b"x" * 11), limit=10).exception() is not None


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 103 Early\r\nContent-Length: 2\r\n\r\n" + whole(b"{}"), b"{}"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"xx"),
    ],
)
def test_only_the_head_of_a_plain_whole_answer_is_remembered(data: bytes, body: bytes) -> None:
    head = RepeatedHead()
    head.remember(data, body)
    assert head.body(data) is None


@pytest.mark.parametrize(
    "data",
    [
        HEAD % 3 + b"{}",
        HEAD % 1 + b"{}",
        HEAD.replace(b"Y: 2", b"Y: 3") % 2 + b"{}",
        HEAD.replace(b"X: 1", b"x: 1") % 2 + b"{}",
        HEAD.replace(b"%d", b"+2") + b"{}",
        HEAD.replace(b"%d", b"\xb2") + b"{}",
        HEAD.replace(b"%d", b"") + b"{}",
        HEAD.replace(b"%d", b"00000000002") + b"{}",
        HEAD % 2,
        HEAD[:20],
        b"",
    ],
)
def test_nothing_but_another_length_is_the_same_head(data: bytes) -> None:
    head = RepeatedHead()
    head.remember(whole(b"abc"), b"abc")
    assert head.body(whole(b"{}")) == b"{}"
    assert head.body(data) is None


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FORMS = [
    (b"event: message\ndata: ", b"\n\n"),
    (b"event: message\r\ndata: ", b"\r\n\r\n"),
    (b"data:", b"\n\n"),
]


def answer(text: str, number: int = 1) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": number, "result": {"text": text}}, separators=(",", ":")
    ).encode()


def streamed(message: bytes, fields: bytes = FORMS[0][0], ending: bytes = FORMS[0][1]) -> bytes:
    event = fields + message + ending
    return STREAM + b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event)


def event_in(made: Connection, data: bytes) -> bytes | None:
    """The body of a stream that was recognised; None for one that is left to be read."""
    response = ask(made, data, 10**6).result()
    made._body.clear()  # as its reader does
    return None if response.streams else response.body


@pytest.mark.parametrize(("fields", "ending"), FORMS)
def test_a_stream_that_is_one_answer_is_taken_whole_when_it_comes_again(fields: bytes, ending: bytes) -> None:
    made, _ = connection()
    assert event_in(made, streamed(answer("one"), fields, ending)) is None
    for length in (0, 1, 9, 10, 99, 500, 5000, 70_000):
        said = answer("x" * length, length)
        assert event_in(made, streamed(said, fields, ending)) == said
        assert made.clean


@given(st.text(max_size=300), st.integers(1, 900))
def test_a_stream_that_comes_in_pieces_is_read(text: str, cut: int) -> None:
    data, made = streamed(answer(text)), connection()[0]
    event_in(made, data)
    cut = min(cut, len(data) - 1)
    response = ask(made, data[:cut])
    made.data_received(data[cut:])
    assert response.result().streams


@pytest.mark.parametrize(
    "message",
    [
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}',
        b'{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}',
        b'{"jsonrpc":"2.0",\n"id":1,"result":{}}',
        answer("a") + b"\ndata: " + answer("b"),
        answer("a") + b"\n\ndata: " + answer("b"),
        answer("a") + b"\r\rdata: " + answer("b"),
        b"",
    ],
)
def test_only_one_answer_in_one_line_is_taken_for_a_body(message: bytes) -> None:
    made, _ = connection()
    for data in (streamed(answer("first")), streamed(message), streamed(message)):
        assert event_in(made, data) is None


@pytest.mark.parametrize("field", [b"id: 1\n", b"retry: 5\n", b": hello\n", b"event: other\n"])
def test_an_event_with_more_to_say_teaches_nothing(field: bytes) -> None:
    head = RepeatedHead()
    stream = field + b"data: " + answer("a") + b"\n\n"
    data = STREAM + b"%x\r\n%b\r\n0\r\n\r\n" % (len(stream), stream)
    assert not head.remember_event(data, stream)
    assert head.body(data) is None


def test_what_a_chunk_does_not_count_is_no_part_of_it() -> None:
    said = streamed(answer("a"))
    for other in (
        said.replace(b"\r\n0\r\n\r\n", b"\r\n0\r\nX: 1\r\n\r\n"),
        said.replace(b"\r\n0\r\n\r\n", b"\n\n0\r\n\r\n"),
        said + b"HTTP/1.1 200 OK\r\n\r\n",
        said.replace(b"\r\n\r\n", b"\r\n\r\n0", 1),
        said[:-1],
    ):
        head = RepeatedHead()
        event = said[len(STREAM) :].partition(b"\r\n")[2].removesuffix(b"\r\n0\r\n\r\n")
        assert head.remember_event(said, event)
        assert head.body(said) == answer("a")
        assert head.body(other) is None


def test_a_body_after_a_stream_and_a_stream_after_a_body_are_what_they_are() -> None:
    made, _ = connection()
    for _ in range(2):
        assert event_in(made, streamed(answer("a"))) in (None, answer("a"))
        assert ask(made, whole(b"{}")).result().body == b"{}"


@pytest.mark.asyncio
async def test_an_answer_to_somebody_else_ends_as_on_a_stream_that_was_read() -> None:
    settings, relay = ServerSettings(name="files", url="http://127.0.0.1:9/mcp"), Relay()
    leg = HttpLeg(settings, Deadlines(asyncio.get_running_loop()), relay)
    talk = Lonely()
    live = Live("files", 1, "tools/call", None, 9.0)
    made = connection()[0]
    ask(made, streamed(answer("a")), 10**6)
    made._body.clear()
    response = ask(made, streamed(answer("a", 99)), 10**6).result()
    with pytest.raises(UpstreamError) as caught:
        await leg.settle(made, response, live, talk)
    assert caught.value.reason is Reason.UPSTREAM_CONNECTION_LOST
    assert relay.dropped == {"answer to nothing we asked": 1}


class Lonely:
    """Implements Talk: nothing is asked, nothing can be resumed."""

    key: str | None = None

    def asked(self, request: object) -> None:
        raise AssertionError

    async def rest_of(self, broken: object, live: Live) -> Answer | None:
        raise AssertionError


@pytest.mark.parametrize("make", [whole, streamed], ids=["body", "stream"])
def test_every_length_has_its_head(make: Callable[[bytes], bytes]) -> None:
    head, around = RepeatedHead(), len(answer(""))
    first = make(answer("a"))
    if make is whole:
        head.remember(first, answer("a"))
    else:
        assert head.remember_event(first, FORMS[0][0] + answer("a") + FORMS[0][1])
    for length in (*range(around, 300), *range(990, 1040), *range(4060, 4110), *range(9990, 10_010), 65_600):
        said = answer("x" * (length - around))
        assert head.body(make(said)) == said
        assert head.body(make(said) + b"x") is None
        assert head.body(make(said)[:-1]) is None
