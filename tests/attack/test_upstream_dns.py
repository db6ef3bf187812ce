"""Names that lead to several addresses, to other ones than before, or nowhere."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.address import parse_url
from doorward.upstream.dial import Dial
from doorward.upstream.h1 import Connection
from doorward.upstream.names import Names
from doorward.upstream.timeouts import Timeouts

pytestmark = [pytest.mark.asyncio]


class House:
    """A listener that counts who comes."""

    def __init__(self) -> None:
        self.guests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.guests += 1
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()


@asynccontextmanager
async def houses(*addresses: str) -> AsyncIterator[tuple[int, list[House]]]:
    """One on each address, all on one port."""
    made = [House() for _ in addresses]
    port = 0
    async with contextlib.AsyncExitStack() as stack:
        for address, house in zip(addresses, made, strict=True):
            listener = await asyncio.start_server(house.serve, address, port)
            port = listener.sockets[0].getsockname()[1]
            stack.callback(listener.close)
        yield port, made
        await asyncio.sleep(0.05)  # for what was closed to end


def rows(*addresses: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


def dial_to(port: int, names: Names, **timeouts: float) -> Dial:
    address = parse_url(f"http://tools.test:{port}/mcp")
    return Dial("lab", address, timeouts=Timeouts(**timeouts), keep_alive_s=4.0, names=names)


class Zone:
    """What the name means now."""

    def __init__(self, port: int, *addresses: str) -> None:
        self.port, self.addresses = port, addresses
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        assert host == "tools.test"
        assert port == self.port
        self.gate.wait(5)
        return [(*row[:4], (row[4][0], self.port)) for row in rows(*self.addresses)]


async def opened(dial: Dial) -> Connection:
    connection = await dial.open(lambda _: None)
    await asyncio.sleep(0.02)
    return connection


async def test_every_address_is_tried() -> None:
    async with houses("127.0.0.3") as (port, (house,)):
        dial = dial_to(port, Names(lookup=Zone(port, "127.0.0.1", "127.0.0.2", "127.0.0.3")))
        connection = await opened(dial)
        assert house.guests == 1
        connection.close()


async def test_when_none_answers_the_server_is_named() -> None:
    async with houses("127.0.0.3") as (port, (house,)):
        dial = dial_to(port, Names(lookup=Zone(port, "127.0.0.1", "127.0.0.2")))
        with pytest.raises(UpstreamError, match=r"reached: Connection refused \(127.0.0.2:") as caught:
            await opened(dial)
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
        assert house.guests == 0


async def test_a_name_that_moves_is_followed_when_its_time_is_over() -> None:
    async with houses("127.0.0.1", "127.0.0.2") as (port, (old, new)):
        zone = Zone(port, "127.0.0.1")
        dial = dial_to(port, Names(ttl_s=1.0, lookup=zone))
        held = [await opened(dial)]
        zone.addresses = ("127.0.0.2",)
        held.append(await opened(dial))
        assert (old.guests, new.guests, zone.asked) == (2, 0, 1)
        await asyncio.sleep(1.05)
        held.append(await opened(dial))
        assert (old.guests, new.guests, zone.asked) == (2, 1, 2)
        for connection in held:
            connection.close()


async def test_a_resolver_that_hangs_costs_the_time_for_connecting_and_the_loop_goes_on() -> None:
    zone = Zone(1)
    zone.gate.clear()
    dial = dial_to(1, Names(lookup=zone), connect_s=0.2)
    began, turns = time.monotonic(), 0
    opening = asyncio.create_task(opened(dial))
    while not opening.done():
        await asyncio.sleep(0.005)
        turns += 1
    with pytest.raises(UpstreamError, match=r"did not accept a connection within 0\.2 s"):
        await opening
    assert time.monotonic() - began < 10.0
    assert turns > 5
    with pytest.raises(UpstreamError):
        await opened(dial)
    assert zone.asked == 1  # the first question is still open: no second thread hangs beside it
    zone.gate.set()
