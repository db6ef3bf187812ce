"""How an answer looks on the wire, and what a handler may not do."""

import asyncio

import pytest

from doorward.edge.exchange import Exchange, FieldBlocks
from tests.unit.edge.fakes import Bench, FakeTransport

pytestmark = pytest.mark.asyncio


def begin(line: bytes = b"GET / HTTP/1.1", extra: bytes = b"") -> tuple[Bench, Exchange, FakeTransport]:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(line + b"\r\nHost: a\r\n" + extra + b"\r\n")
    return bench, bench.exchanges[0], transport


async def test_a_complete_answer() -> None:
    _, exchange, transport = begin()
    exchange.respond(201, [(b"content-type", b"text/plain"), (b"x-a", b"1")], b"hi")
    assert transport.out == (
        b"HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nhi"
    )


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_that_never_have_a_body(status: int) -> None:
    _, exchange, transport = begin()
    exchange.respond(status, (), b"dropped")
    assert b"content-length" not in transport.out
    assert transport.out.endswith(b"\r\n\r\n")


async def test_head_is_told_the_length_and_sent_no_body() -> None:
    _, exchange, transport = begin(b"HEAD / HTTP/1.1")
    exchange.respond(200, (), b"12345")
    assert transport.out.endswith(b"\r\ncontent-length: 5\r\n\r\n")


async def test_a_stream_on_http_1_1_is_chunked() -> None:
    bench, exchange, transport = begin()
    exchange.start(200, ((b"content-type", b"text/event-stream"),))
    exchange.write_nowait(b"data: 1\n\n")
    exchange.write_nowait(b"")
    await exchange.write(b"x" * 300)
    exchange.finish()
    assert transport.out == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        b"9\r\ndata: 1\n\n\r\n12c\r\n" + b"x" * 300 + b"\r\n0\r\n\r\n"
    )
    assert transport.did == []
    assert not any(connection.busy for connection in bench.hub.connections)


async def test_a_stream_on_http_1_0_ends_with_the_connection() -> None:
    _, exchange, transport = begin(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n")
    exchange.start(200)
    exchange.write_nowait(b"data")
    exchange.finish()
    assert transport.out == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata"
    assert transport.did == ["close"]


async def test_a_stream_for_head_has_no_body() -> None:
    _, exchange, transport = begin(b"HEAD / HTTP/1.1")
    exchange.start(200)
    exchange.write_nowait(b"data")
    exchange.finish()
    assert transport.out.endswith(b"chunked\r\n\r\n")


async def test_writing_waits_for_a_slow_peer() -> None:
    bench, exchange, transport = begin()
    (connection,) = bench.hub.connections
    exchange.start(200)
    assert not exchange.congested
    transport.stuck = 70_000
    connection.pause_writing()  # type: ignore[attr-defined]
    assert exchange.congested
    writing = asyncio.create_task(exchange.write(b"x"))
    other = asyncio.create_task(exchange.write(b"y"))
    await asyncio.sleep(0)
    assert not writing.done()
    assert transport.out.endswith(b"1\r\nx\r\n1\r\ny\r\n")
    connection.resume_writing()  # type: ignore[attr-defined]
    await asyncio.gather(writing, other)


async def test_answering_twice_is_a_bug() -> None:
    _, exchange, transport = begin()
    exchange.respond(200)
    sent = transport.out
    for again in (
        lambda: exchange.respond(200),
        lambda: exchange.start(200),
        lambda: exchange.write_nowait(b"x"),
        exchange.finish,
    ):
        with pytest.raises(RuntimeError):
            again()
    assert transport.out == sent


async def test_streaming_before_the_start_is_a_bug() -> None:
    _, exchange, transport = begin()
    with pytest.raises(RuntimeError):
        exchange.write_nowait(b"x")
    with pytest.raises(RuntimeError):
        exchange.finish()
    assert transport.out == b""


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"a\r\n\r\n<html>"])
async def test_a_value_cannot_split_the_answer(value: bytes) -> None:
    _, exchange, transport = begin()
    for answer in (exchange.respond, exchange.start):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            answer(200, ((b"x-a", value),))
    assert transport.out == b""
    exchange.respond(500)
    assert transport.out.startswith(b"HTTP/1.1 500 ")


async def test_remembered_blocks_stay_bounded_and_right() -> None:
    blocks = FieldBlocks()
    for i in range(1000):
        field = (b"x-session", b"%d" % i)
        for _ in range(2):
            assert blocks.encode(200, (field,)) == b"HTTP/1.1 200 OK\r\nx-session: %d\r\n" % i
    assert len(blocks._known) <= 256
    assert blocks.encode(299, ()) == b"HTTP/1.1 299 \r\n"
