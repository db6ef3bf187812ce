"""A connection from a configured proxy, byte by byte, until its header is read."""

import asyncio

import pytest

from doorward.edge.connection import Connection
from doorward.edge.limits import HttpLimits
from doorward.edge.peers import Networks
from doorward.edge.preface import Preface
from doorward.edge.proxy_v2 import SIGNATURE
from tests.unit.edge.fakes import Bench, FakeTransport, echo
from tests.unit.edge.test_proxy_v2 import header

pytestmark = pytest.mark.asyncio
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"


class Wire(FakeTransport):
    """Hands what arrives to whichever protocol it has."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def arrive(self, data: bytes) -> None:
        self.protocol.data_received(data)  # type: ignore[attr-defined]


def connect(bench: Bench, peer: str = "10.0.0.1") -> Wire:
    wire = Wire((peer, 5000) if peer != "unix" else "")
    loop = asyncio.get_running_loop()
    preface = Preface(bench.hub, Networks(["10.0.0.0/8", "unix"]), lambda: Connection(bench.hub, loop))
    wire.protocol = preface
    preface.connection_made(wire)
    return wire


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_the_header_names_the_peer_however_it_arrives(step: int) -> None:
    bench = Bench(echo)
    wire = connect(bench)
    raw = header("198.51.100.7", b"\x04\0\x01x") + GET
    for at in range(0, len(raw), step):
        wire.arrive(raw[at : at + step])
    assert bench.exchanges[0].peer == bench.exchanges[0].origin == "198.51.100.7"
    assert bench.exchanges[0].relayed
    assert wire.out.startswith(b"HTTP/1.1 200 ")
    assert bench.hub.per_ip == {"198.51.100.7": 1}
    wire.protocol.connection_lost(None)  # type: ignore[attr-defined]
    assert (bench.hub.per_ip, bench.hub.connections) == ({}, set())


async def test_a_connection_of_the_proxy_itself_keeps_its_address_and_is_no_direct_one() -> None:
    bench = Bench(echo)
    wire = connect(bench)
    wire.arrive(LOCAL + GET)
    assert (bench.exchanges[0].peer, bench.exchanges[0].relayed) == ("10.0.0.1", True)


async def test_a_unix_socket_may_be_a_proxys() -> None:
    bench = Bench(echo)
    wire = connect(bench, "unix")
    wire.arrive(header("2a00::7") + GET)
    assert bench.exchanges[0].peer == "2a00::7"
    assert list(bench.hub.per_ip) == ["2a00::/64"]


async def test_anybody_else_is_served_without_and_refused_with_a_header() -> None:
    bench = Bench(echo)
    direct, spoofing = connect(bench, "192.0.2.1"), connect(bench, "192.0.2.1")
    direct.arrive(GET)
    spoofing.arrive(header("198.51.100.7") + GET)
    assert (bench.exchanges[0].peer, bench.exchanges[0].relayed) == ("192.0.2.1", False)
    assert len(bench.exchanges) == 1
    assert spoofing.out.startswith(b"HTTP/1.1 400 ")
    assert bench.hub.refused == {"proxy_forbidden": 1}


@pytest.mark.parametrize(
    "raw", [GET, b"G", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", SIGNATURE + b"\x21\x31\0\xd8", b"\x16\x03\x01"]
)
async def test_a_proxy_that_sends_no_header_is_cut_without_a_word(raw: bytes) -> None:
    bench = Bench(echo)
    wire = connect(bench)
    wire.arrive(raw)
    assert (wire.did, wire.out) == (["abort"], b"")
    assert bench.hub.refused == {"proxy_malformed": 1}
    wire.protocol.connection_lost(None)  # type: ignore[attr-defined]
    assert bench.hub.connections == set()


async def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    bench = Bench(echo)
    wire = connect(bench)
    wire.arrive(SIGNATURE)
    bench.wait(9)
    assert wire.did == []
    bench.wait(2)
    assert wire.did == ["abort"]
    assert bench.hub.refused == {"proxy_timeout": 1}


async def test_unread_headers_count_as_connections_and_end_with_the_server() -> None:
    bench = Bench(echo, HttpLimits(connections=1))
    first, second = connect(bench), connect(bench)
    assert (first.did, second.did) == ([], ["abort"])
    assert bench.hub.refused == {"connections": 1}
    for connection in list(bench.hub.connections):
        assert not connection.busy
        connection.drain()
    assert first.did == ["abort"]
