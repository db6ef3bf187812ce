"""How much of us one client can hold: bodies, unread answers, connections; and what a proxy changes of it."""

import asyncio
from typing import Any

import pytest

from doorward.edge.exchange import Exchange
from doorward.edge.limits import HttpLimits, Refusal
from doorward.edge.peers import Networks
from tests.unit.edge.fakes import Bench, FakeTransport, echo
from tests.unit.edge.test_connection import GET, OK, POST, answers

pytestmark = pytest.mark.asyncio
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"
MINE, ANOTHER = ("192.0.2.1", 1), ("192.0.2.2", 1)
MIB = 1024 * 1024


# bodies


async def test_one_client_has_its_share_of_bodies_and_leaves_the_rest_to_others() -> None:
    bench = Bench(echo, HttpLimits(bodies_bytes=10_000, bodies_bytes_per_ip=1500))
    (first, one), (second, two) = bench.connect(FakeTransport(MINE)), bench.connect(FakeTransport(MINE))
    other, three = bench.connect(FakeTransport(ANOTHER))
    for connection in (first, second, other):
        connection.data_received(HEAD)
        connection.data_received(b"x" * 1000)
    assert answers(one.out) == answers(three.out) == []
    assert answers(two.out)[0][0] == 503
    assert b"\r\nretry-after: 1\r\n" in two.out
    assert bench.hub.refused == {"bodies_per_ip": 1}
    second.connection_lost(None)
    assert bench.hub.bodies.of("192.0.2.1") == 1000


async def test_a_whole_network_of_ipv6_is_one_client() -> None:
    bench = Bench(echo, HttpLimits(connections_per_ip=1))
    bench.connect(FakeTransport(("2001:db8::1", 1, 0, 0)))
    _, second = bench.connect(FakeTransport(("2001:db8::2", 1, 0, 0)))
    _, elsewhere = bench.connect(FakeTransport(("2001:db8:0:1::1", 1, 0, 0)))
    assert second.out.startswith(b"HTTP/1.1 503 ")
    assert elsewhere.out == b""


async def test_what_waits_behind_a_request_counts_as_well() -> None:
    bench = Bench(limits=HttpLimits(bodies_bytes_per_ip=100_000, pipeline_bytes=1000))
    connection, transport = bench.connect()
    connection.data_received(GET % 1)
    behind = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000
    connection.data_received(behind)
    assert bench.hub.bodies.held == len(behind)
    assert transport.did == ["pause"]
    greedy, cut = bench.connect()
    greedy.data_received(GET % 1)
    greedy.data_received(b"x" * 20_000)
    assert cut.did == ["pause", "abort"]
    assert bench.hub.refused == {"bodies_per_ip": 1}
    greedy.connection_lost(None)
    bench.exchanges[0].respond(*OK)
    assert bench.hub.bodies.held == 0
    assert bench.exchanges[-1].request.body == b"x" * 90_000


# answers that are not read


async def reading_slowly(bench: Bench, unread: int, peer: Any = MINE) -> tuple[Any, FakeTransport]:
    connection, transport = bench.connect(FakeTransport(peer))
    connection.data_received(GET % 1)
    bench.exchanges[-1].respond(200, (), b"x" * unread)
    transport.stuck = unread
    connection.pause_writing()
    return connection, transport


async def test_one_client_has_its_share_of_unread_answers() -> None:
    bench = Bench(limits=HttpLimits(replies_bytes_per_ip=2 * MIB, replies_bytes=3 * MIB))
    first, one = await reading_slowly(bench, MIB)
    _, two = await reading_slowly(bench, MIB + 1)
    assert bench.hub.replies.of("192.0.2.1") == 2 * MIB + 1
    bench.wait(0.1)
    assert (one.did, two.did) == ([], ["abort"])
    assert bench.hub.refused == {"replies_per_ip": 1}
    _, other = await reading_slowly(bench, MIB - 2, ANOTHER)
    bench.wait(1.1)
    assert other.did == []
    first.connection_lost(None)
    assert bench.hub.replies.of("192.0.2.1") == 0


async def test_unread_answers_of_a_client_that_asks_for_more_than_its_share_are_cut() -> None:
    bench = Bench(limits=HttpLimits(replies_bytes_per_ip=2 * MIB))
    _, kept = await reading_slowly(bench, MIB)
    greedy, cut = await reading_slowly(bench, 1)
    greedy.send(b"x" * (2 * MIB))
    cut.stuck = 2 * MIB
    bench.wait(1.1)
    assert cut.did == ["abort"]
    assert kept.did == []
    assert bench.hub.refused == {"replies_per_ip": 1}
    greedy.connection_lost(None)
    assert bench.hub.replies.held == MIB


async def test_small_answers_are_not_counted_before_they_have_waited() -> None:
    bench = Bench()
    connection, transport = await reading_slowly(bench, 100_000)
    assert bench.hub.replies.held == 0
    bench.wait(1.1)
    assert bench.hub.replies.held == 100_000
    transport.stuck = 0
    connection.resume_writing()
    assert bench.hub.replies.held == 0


async def test_a_peer_may_read_at_the_slowest_rate_for_as_long_as_it_takes_and_no_slower() -> None:
    """8 KiB a second: the largest answer of 16 MiB is held for 34 minutes at most."""
    bench = Bench()
    _, transport = await reading_slowly(bench, 16 * MIB)
    seconds = 0
    while transport.stuck > 0:
        transport.stuck -= 8 * 1024 + 300
        bench.wait(1.0)
        seconds += 1
        assert transport.did == []
    assert seconds < 35 * 60
    _, slower = await reading_slowly(bench, 16 * MIB)
    for _ in range(31):
        slower.stuck -= 8 * 1024 - 300
        bench.wait(1.0)
    assert slower.did[-1] == "abort"


# what the head decides


def screening(refuse: bool, *, late: bool = False) -> tuple[Bench, list[Exchange]]:
    asked: list[Exchange] = []
    bench = Bench(echo)

    def screen(exchange: Exchange) -> bool:
        asked.append(exchange)
        if refuse and not late:
            exchange.respond(401, (), b"who are you")
        return refuse

    bench.hub.screen = screen
    return bench, asked


EXPECT = b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"


async def test_a_body_that_will_be_refused_is_not_asked_for() -> None:
    bench, asked = screening(refuse=True)
    connection, transport = bench.connect()
    connection.data_received(EXPECT)
    assert transport.out.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in transport.out
    assert transport.did == ["eof"]  # and what is on its way is heard out, so that the answer arrives
    connection.data_received(b"abc" + GET % 1)
    assert bench.exchanges == []
    assert [(each.request.path, each.request.body) for each in asked] == [("/a", b"")]


async def test_a_refusal_may_take_its_time_while_nothing_is_served() -> None:
    bench, asked = screening(refuse=True, late=True)
    connection, transport = bench.connect()
    connection.data_received(EXPECT)
    connection.data_received(b"abc" + GET % 1)
    bench.wait(3600)
    assert (transport.out, bench.exchanges) == (b"", [])
    assert connection.busy
    asked[0].respond(401)
    assert transport.out.startswith(b"HTTP/1.1 401 ")
    assert transport.did == ["eof"]


async def test_a_body_that_may_come_is_asked_for_and_its_head_looked_at_once() -> None:
    bench, asked = screening(refuse=False)
    connection, transport = bench.connect()
    connection.data_received(EXPECT)
    assert transport.out == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"a")
    connection.data_received(b"bc")
    assert bench.exchanges[0].request.body == b"abc"
    connection.data_received(POST)
    assert len(asked) == 1  # a request that comes whole is decided by the handler alone


async def test_a_bug_in_the_screen_costs_its_connection() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    bench = Bench(echo)

    def broken(exchange: Exchange) -> bool:
        raise LookupError(exchange.request.path)

    bench.hub.screen = broken
    connection, transport = bench.connect()
    connection.data_received(EXPECT)
    assert transport.out.startswith(b"HTTP/1.1 500 ")
    assert bench.hub.refused == {Refusal.HANDLER_FAILED: 1}
    assert len(reported) == 1


# silence


async def test_the_handler_is_told_of_silence_and_only_of_that() -> None:
    bench, told = Bench(), []
    bench.hub.quiet = told.append
    connection, _ = bench.connect()
    idle, _ = bench.connect()
    connection.data_received(GET % 1)
    for _ in range(10):
        bench.wait(3.0)
    (exchange,) = bench.exchanges
    assert told
    assert set(map(id, told)) == {id(exchange)}
    exchange.start(200)
    told.clear()
    for _ in range(10):
        bench.wait(3.0)
        exchange.write_nowait(b"x")
    assert told == []
    for _ in range(7):
        bench.wait(3.0)
    assert len(told) == 1
    exchange.finish()
    told.clear()
    for _ in range(7):
        bench.wait(3.0)
    assert told == []
    assert not idle.busy


# behind a trusted proxy


def trusting(limits: HttpLimits | None = None) -> Bench:
    bench = Bench(limits=limits)
    bench.hub.trusted = Networks(["10.0.0.1"])
    return bench


async def test_a_proxys_connections_count_for_the_clients_that_they_carry() -> None:
    bench = trusting(HttpLimits(connections_per_ip=2))
    made = [bench.connect(FakeTransport(("10.0.0.1", 1))) for _ in range(4)]
    assert bench.hub.per_ip == {}
    for connection, _ in made:
        connection.data_received(GET % 1)
    found = [each.attribute("198.51.100.7") for each in bench.exchanges[:3]]
    assert found == [None, None, Refusal.CONNECTIONS_PER_IP]
    assert bench.exchanges[3].attribute("198.51.100.8") is None
    assert bench.hub.per_ip == {"198.51.100.7": 3, "198.51.100.8": 1}
    bench.exchanges[0].respond(*OK)
    made[0][0].data_received(GET % 2)
    assert bench.exchanges[-1].origin == "10.0.0.1"
    assert bench.exchanges[-1].attribute("198.51.100.8") is None
    for connection, _ in made:
        connection.connection_lost(None)
    assert bench.hub.per_ip == {}


async def test_bytes_that_are_held_move_to_the_client_that_is_named() -> None:
    bench = trusting(HttpLimits(bodies_bytes_per_ip=1500))
    found: list[Refusal | None] = []

    def screen(exchange: Exchange) -> bool:
        found.append(exchange.attribute("198.51.100.7"))
        return False

    bench.hub.screen = screen
    for _ in range(2):
        connection, _ = bench.connect(FakeTransport(("10.0.0.1", 1)))
        connection.data_received(HEAD + b"x" * 1000)
    assert found == [None, Refusal.BODIES_PER_IP]
    assert bench.hub.bodies.of("198.51.100.7") == 2000


async def test_a_trusted_proxy_is_never_a_direct_peer() -> None:
    bench = trusting()
    for peername, relayed in ((("10.0.0.1", 1), True), (("::ffff:10.0.0.1", 1, 0, 0), True), (MINE, False)):
        connection, _ = bench.connect(FakeTransport(peername))
        connection.data_received(GET % 1)
        assert bench.exchanges[-1].relayed is relayed


@pytest.mark.parametrize("cut", [5, 14, 28])
async def test_a_proxy_header_from_somebody_else_is_named_where_it_can_be(cut: int) -> None:
    raw = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1" * 12
    bench = Bench(echo)
    connection, transport = bench.connect()
    connection.data_received(raw[:cut])
    connection.data_received(raw[cut:])
    assert transport.out.startswith(b"HTTP/1.1 400 ")
    assert list(bench.hub.refused) == (["proxy_forbidden"] if cut >= 14 else ["request_line_malformed"])
