"""A known head saves the parser, and changes nothing else: both ways give the same answer or the same end."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.upstream.h1 import Connection, Response
from doorward.upstream.repeat import RepeatedHead
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
