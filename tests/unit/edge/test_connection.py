"""One connection with a transport and a clock of our own: order, deadlines, pauses, endings."""

import asyncio
from typing import Any

import pytest

from doorward.edge.exchange import Exchange, HeaderFields
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal
from tests.unit.edge.fakes import Bench, FakeTransport, echo
from tests.unit.edge.refusals import REFUSED

pytestmark = pytest.mark.asyncio

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
OK = (200, (), b"ok")


def answers(out: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer that carries a Content-Length."""
    found = []
    while out:
        head, _, rest = out.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        found.append((int(head[9:12]), rest[:length]))
        out = rest[length:]
    return found


async def test_one_request_one_write() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(POST)
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nPOST / abc"]
    assert transport.did == []


async def test_the_peer_is_named() -> None:
    bench = Bench(echo)
    for peername, name in ((("192.0.2.7", 1), "192.0.2.7"), (("::1", 1, 0, 0), "::1"), ("", "unix")):
        connection, _ = bench.connect(FakeTransport(peername))
        connection.data_received(GET % 1)
        assert bench.exchanges[-1].peer == name


async def test_forty_pipelined_requests_are_answered_in_order() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(b"".join(GET % i for i in range(40)))
    await asyncio.sleep(0)  # beyond the depth the rest comes in the next turn of the loop
    assert answers(transport.out) == [(200, b"GET /%d " % i) for i in range(40)]
    assert transport.did.count("pause") == transport.did.count("resume")


async def test_late_answers_keep_the_order_and_one_request_runs_at_a_time() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 0 + GET % 1)
    connection.data_received(GET % 2)
    for i in range(3):
        assert len(bench.exchanges) == i + 1
        bench.exchanges[i].respond(200, (), bench.exchanges[i].request.path.encode())
    assert answers(transport.out) == [(200, b"/%d" % i) for i in range(3)]


async def test_reading_pauses_beyond_the_depth_and_resumes_when_all_are_served() -> None:
    bench = Bench(limits=HttpLimits(pipeline_depth=4))
    connection, transport = bench.connect()
    connection.data_received(b"".join(GET % i for i in range(5)))
    assert transport.did == []
    connection.data_received(GET % 5)
    assert transport.did == ["pause"]
    for i in range(6):
        assert transport.did == ["pause"]
        bench.exchanges[i].respond(*OK)
    assert transport.did == ["pause", "resume"]


async def test_reading_pauses_when_much_waits_behind_a_request() -> None:
    bench = Bench(limits=HttpLimits(pipeline_bytes=1000))
    connection, transport = bench.connect()
    connection.data_received(GET % 0)
    connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1000)
    assert transport.did == ["pause"]
    bench.exchanges[0].respond(*OK)
    assert transport.did == ["pause", "resume"]
    connection.data_received(b"x" * 1000)
    assert bench.exchanges[1].request.body == b"x" * 2000


async def test_a_flood_of_requests_leaves_the_loop_to_others() -> None:
    bench = Bench(echo, HttpLimits(pipeline_depth=8))
    connection, transport = bench.connect()
    connection.data_received(GET % 0 * 100)
    assert len(bench.exchanges) == 8
    assert transport.did == ["pause"]
    await asyncio.sleep(0)
    assert len(bench.exchanges) == 16


async def test_a_peer_that_reads_nothing_is_served_nothing_more() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    transport.stuck = 70_000
    connection.pause_writing()
    connection.data_received(GET % 1)
    assert bench.exchanges == []
    connection.resume_writing()
    assert answers(transport.out) == [(200, b"GET /1 ")]


@pytest.mark.parametrize(("reason", "raw"), REFUSED)
async def test_a_refusal_is_answered_counted_and_final(reason: Refusal, raw: bytes) -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(raw)
    connection.data_received(POST)
    ((status, body),) = answers(transport.out)
    assert status == REFUSALS[reason][0]
    assert b'"error":"%b"' % reason.encode() in body
    assert b"\r\nconnection: close\r\n" in transport.out
    assert bench.hub.refused == {reason.value: 1}
    assert bench.exchanges == []
    assert transport.did == ["eof"]
    bench.wait(2.1)
    assert transport.did == ["eof", "abort"]


async def test_a_refused_peer_that_has_gone_is_let_go() -> None:
    """On some loops shutdown(2) of a connection that was reset is an error of its own."""
    bench = Bench(echo)
    transport = FakeTransport()
    transport.gone = True
    connection, _ = bench.connect(transport)
    connection.data_received(b"NOT HTTP\r\n\r\n")
    bench.wait(2.1)
    assert transport.did == ["abort"]


async def test_a_refusal_waits_for_the_answers_before_it() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(POST + b"GET /\r\n")
    assert transport.out == b""
    bench.exchanges[0].respond(*OK)
    assert [status for status, _ in answers(transport.out)] == [200, 400]


async def test_refusals_can_be_worded_by_the_owner() -> None:
    def reject(status: int, reason: str) -> tuple[HeaderFields, bytes]:
        return ((b"x-reason", reason.encode()),), b"%d" % status

    bench = Bench(reject=reject)
    connection, transport = bench.connect()
    connection.data_received(b"GET /\r\n")
    assert transport.out.endswith(b"x-reason: http_0_9\r\ncontent-length: 3\r\nconnection: close\r\n\r\n400")


async def test_over_tls_a_refused_peer_is_not_waited_for() -> None:
    bench = Bench()
    connection, transport = bench.connect(FakeTransport(tls=True))
    connection.data_received(b"GET /\r\n")
    assert transport.did == ["close"]


async def test_too_many_connections() -> None:
    bench = Bench(echo, HttpLimits(connections=2))
    first, _ = bench.connect()
    bench.connect()
    _, third = bench.connect()
    assert third.out.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in third.out
    first.connection_lost(None)
    assert len(bench.hub.connections) == 2


async def test_a_flood_of_connections_is_cut_without_a_word() -> None:
    bench = Bench(echo, HttpLimits(connections=2))
    transports = [bench.connect()[1] for _ in range(70)]
    assert [transport.did for transport in transports[2:66]] == [["eof"]] * 64
    assert [(transport.did, transport.out) for transport in transports[66:]] == [(["abort"], b"")] * 4
    assert bench.hub.refused == {"connections": 68}


async def test_too_many_connections_from_one_address() -> None:
    bench = Bench(echo, HttpLimits(connections_per_ip=1))
    first, _ = bench.connect()
    _, second = bench.connect()
    _, elsewhere = bench.connect(FakeTransport(("192.0.2.2", 1)))
    local = [bench.connect(FakeTransport(""))[1] for _ in range(3)]
    assert second.out.startswith(b"HTTP/1.1 503 ")
    assert all(transport.out == b"" for transport in (elsewhere, *local))
    assert bench.hub.refused == {"connections_per_ip": 1}
    for connection in list(bench.hub.connections):
        connection.connection_lost(None)  # type: ignore[attr-defined]
    assert bench.hub.per_ip == {}
    assert first.deadline == float("inf")


# deadlines


async def test_a_slow_head_is_refused() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(b"GET / HT")
    bench.wait(9)
    connection.data_received(b"TP/1.1\r\n")
    assert transport.out == b""
    bench.wait(1.1)
    assert transport.out.startswith(b"HTTP/1.1 408 ")
    assert bench.hub.refused == {"header_timeout": 1}


async def test_a_slow_body_is_refused_however_it_is_framed() -> None:
    for framing in (b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n"):
        bench = Bench()
        connection, transport = bench.connect()
        connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing)
        for _ in range(8):
            bench.wait(3.7)
            assert transport.out == b""
            connection.data_received(b"x")
        bench.wait(3.7)
        assert transport.out.startswith(b"HTTP/1.1 408 ")
        assert bench.hub.refused == {"body_timeout": 1}


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    bench = Bench(echo)
    silent, never = bench.connect()
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    sent = transport.out
    bench.wait(10.1)
    assert (never.did, never.out) == (["close"], b"")
    bench.wait(64)
    assert transport.did == []
    bench.wait(1)
    assert (transport.did, transport.out) == (["close"], sent)
    assert bench.hub.refused == {}
    assert silent.busy is False


async def test_a_call_may_take_as_long_as_it_takes() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    bench.wait(100_000)
    assert transport.did == []
    assert connection.busy


async def test_a_peer_that_takes_nothing_is_cut_and_a_slow_one_is_not() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    bench.exchanges[0].start(200)
    bench.exchanges[0].write_nowait(b"x" * 2_000_000)
    transport.stuck = 1_500_000
    connection.pause_writing()
    for _ in range(3):
        transport.stuck -= 30 * 8192
        bench.wait(31)
        assert transport.did == []
    transport.stuck -= 30 * 8192 - 1
    bench.wait(31)
    assert transport.did == ["abort"]
    assert bench.hub.refused == {"write_timeout": 1}


# disconnects


async def test_a_disconnect_is_told_once() -> None:
    bench, told = Bench(), []
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    (exchange,) = bench.exchanges
    exchange.on_disconnect = lambda: told.append(1)
    connection.connection_lost(None)
    assert told == [1]
    assert exchange.disconnected
    exchange.respond(*OK)
    assert transport.out == b""
    assert bench.hub.connections == set()


async def test_a_disconnect_after_the_answer_is_not_told() -> None:
    bench, told = Bench(), []
    connection, _ = bench.connect()
    connection.data_received(GET % 1)
    bench.exchanges[0].on_disconnect = lambda: told.append(1)
    bench.exchanges[0].respond(*OK)
    connection.connection_lost(None)
    assert told == []


async def test_a_disconnect_frees_whoever_waits_to_write() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    (exchange,) = bench.exchanges
    exchange.start(200)
    transport.stuck = 70_000
    connection.pause_writing()
    writing = asyncio.create_task(exchange.write(b"x"))
    await asyncio.sleep(0)
    assert not writing.done()
    connection.connection_lost(ConnectionResetError())
    await writing


# half-close: the peer has ended its side, or is gone; nobody can know


async def test_a_half_close_cancels_what_a_disconnect_cancels_and_its_answer_is_still_sent() -> None:
    bench, told = Bench(), []
    connection, transport = bench.connect()
    connection.data_received(GET % 1 + GET % 2)
    (exchange,) = bench.exchanges
    exchange.on_disconnect = lambda: told.append(1)
    assert connection.eof_received() is True
    assert told == [1]
    assert not exchange.disconnected
    exchange.respond(200, (), b"cancelled")
    assert transport.out.endswith(b"connection: close\r\n\r\ncancelled")
    assert len(bench.exchanges) == 1
    assert transport.did == ["close"]


async def test_a_half_close_changes_nothing_where_a_disconnect_cancels_nothing() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 1 + GET % 2)
    assert connection.eof_received() is True
    bench.exchanges[0].respond(*OK)
    bench.exchanges[1].respond(*OK)
    assert answers(transport.out) == [(200, b"ok"), (200, b"ok")]
    assert transport.did == ["close"]
    assert "resume" not in transport.did


async def test_the_last_answer_to_a_half_closed_peer_says_that_it_is_the_last() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    connection.eof_received()
    bench.exchanges[0].respond(*OK)
    assert b"\r\nconnection: close\r\n" in transport.out
    assert transport.did == ["close"]


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"]
)
async def test_a_peer_that_ends_before_its_request_is_whole_is_let_go(begun: bytes) -> None:
    bench = Bench()
    connection, transport = bench.connect()
    if begun:
        connection.data_received(begun)
    assert connection.eof_received() is False
    assert (transport.did, transport.out) == (["close"], b"")
    assert bench.hub.refused == {}


async def test_a_half_closed_peer_is_answered_however_much_it_has_pipelined() -> None:
    bench = Bench(echo, HttpLimits(pipeline_depth=4))
    connection, transport = bench.connect()
    connection.data_received(b"".join(GET % i for i in range(11)))
    connection.eof_received()
    for _ in range(3):
        await asyncio.sleep(0)
    assert answers(transport.out) == [(200, b"GET /%d " % i) for i in range(11)]
    assert transport.did[-1] == "close"


async def test_a_half_closed_peer_that_reads_slowly_gets_the_rest_when_it_has_read() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.pause_writing()
    connection.data_received(GET % 1)
    assert connection.eof_received() is True
    assert bench.exchanges == []
    connection.resume_writing()
    assert answers(transport.out) == [(200, b"GET /1 ")]
    assert transport.did[-1] == "close"


async def test_nothing_that_comes_after_a_loss_is_served() -> None:
    bench = Bench()
    connection, _ = bench.connect()
    connection.data_received(GET % 1 + GET % 2)
    connection.connection_lost(None)
    connection.data_received(GET % 3)
    assert len(bench.exchanges) == 1


# endings


@pytest.mark.parametrize("connection_field", [b"HTTP/1.1\r\nConnection: close", b"HTTP/1.0"])
async def test_the_peer_may_ask_to_close(connection_field: bytes) -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(b"GET / " + connection_field + b"\r\nHost: a\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in transport.out
    assert transport.did == ["close"]


async def test_http_1_0_keeps_alive_when_asked() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    assert b"\r\nconnection: keep-alive\r\n" in transport.out
    assert transport.did == []


async def test_draining_ends_idle_connections_and_lets_answers_out() -> None:
    bench = Bench()
    idle, idle_transport = bench.connect()
    busy, busy_transport = bench.connect()
    begun, begun_transport = bench.connect()
    busy.data_received(GET % 1 + GET % 2)
    begun.data_received(b"GET / HT")
    bench.hub.draining = True
    for connection in (idle, busy, begun):
        connection.drain()
    assert idle_transport.did == ["close"]
    assert busy_transport.did == begun_transport.did == []
    bench.exchanges[0].respond(*OK)
    assert b"\r\nconnection: close\r\n" in busy_transport.out
    assert len(bench.exchanges) == 1
    begun.data_received(b"TP/1.1\r\nHost: a\r\n\r\n")
    bench.exchanges[1].respond(*OK)
    assert b"\r\nconnection: close\r\n" in begun_transport.out


async def test_a_close_that_does_not_get_through_is_forced() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    bench.wait(31)
    assert transport.did == ["close", "abort"]


async def test_a_handler_that_fails_costs_its_connection_and_is_reported() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def broken(exchange: Exchange) -> None:
        if exchange.request.path == "/2":
            exchange.start(200)
        raise LookupError("secret detail")

    bench = Bench(broken)
    first, early = bench.connect()
    second, late = bench.connect()
    first.data_received(GET % 1)
    second.data_received(GET % 2)
    assert early.out.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in early.out
    assert late.did == ["abort"]
    assert [type(context["exception"]) for context in reported] == [LookupError, LookupError]


async def test_a_continue_is_sent_once_and_only_while_the_body_is_awaited() -> None:
    bench = Bench(echo)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    connection, transport = bench.connect()
    connection.data_received(head)
    connection.data_received(b"a")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    connection.data_received(b"bc" + head + b"abc")
    assert len(transport.writes) == 3
    assert bench.exchanges[1].request.body == b"abc"


async def test_a_continue_is_not_sent_for_a_body_that_is_refused() -> None:
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert transport.out.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("framing", "cut"), [(b"Content-Length: 900", b"%b"), (b"Transfer-Encoding: chunked", b"384\r\n%b")]
)
async def test_bodies_that_are_still_arriving_are_bounded_together(framing: bytes, cut: bytes) -> None:
    bench = Bench(echo, limits=HttpLimits(bodies_bytes=1500))
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"
    (first, one), (second, two) = bench.connect(), bench.connect()
    for connection in (first, second):
        connection.data_received(head)
        connection.data_received(cut % (b"x" * 700))
    assert answers(one.out) == []
    assert answers(two.out) == []
    assert bench.hub.bodies.held >= 1400

    second.data_received(b"x" * 150)
    assert answers(two.out)[0][0] == 503
    assert bench.hub.refused == {"bodies": 1}
    second.connection_lost(None)
    first.data_received(b"x" * 150)
    assert answers(one.out) == []

    first.data_received(b"x" * 50 + (b"" if framing[:1] == b"C" else b"\r\n0\r\n\r\n"))
    assert answers(one.out)[0][0] == 200
    assert bench.hub.bodies.held == 0


async def test_a_whole_request_is_never_one_body_too_many() -> None:
    bench = Bench(echo, limits=HttpLimits(bodies_bytes=1))
    connection, transport = bench.connect()
    connection.data_received(POST)
    assert answers(transport.out) == [(200, b"POST / abc")]
    assert bench.hub.bodies.held == 0
