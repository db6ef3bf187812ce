"""Clients that are slow on purpose: what one of them can hold of our memory, descriptors and time.

With the limits as they are shipped, one client (an IPv4 address or an IPv6 /64) holds at most, all at once:

    connections, descriptors     1,024 of 4,096        75 s idle, 10 s for a head, 30 s for a body
    heads that do not end        32 KiB each: 32 MiB   10 s
    requests behind a request    64 KiB each: 64 MiB   as long as the request in progress takes
    bodies and longer backlogs   64 MiB of 256 MiB     30 s
    answers it does not read     128 MiB of 512 MiB    30 s, or 34 minutes for 16 MiB at 8 KiB a second
    answers of up to 64 KiB      64 KiB each: 64 MiB   30 s

The tests scale the times down and leave the rules as they are.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from doorward.edge.h1 import Exchange, HttpLimits
from tests.attack.test_http_refusals import GET, echo, exchange_bytes, runner, serving

__all__ = ["runner"]
KIB, MIB = 1024, 1024 * 1024
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def test_the_numbers_above_are_the_limits_that_are_shipped() -> None:
    limits = HttpLimits()
    assert (limits.connections_per_ip, limits.connections) == (1024, 4096)
    assert (limits.header_bytes, limits.header_timeout) == (32 * KIB, 10.0)
    assert (limits.pipeline_bytes, limits.idle_timeout) == (64 * KIB, 75.0)
    assert (limits.bodies_bytes_per_ip, limits.bodies_bytes, limits.body_timeout) == (
        64 * MIB,
        256 * MIB,
        30.0,
    )
    assert (limits.replies_bytes_per_ip, limits.replies_bytes) == (128 * MIB, 512 * MIB)
    assert (limits.write_timeout, limits.write_rate) == (30.0, 8 * KIB)
    assert 16 * MIB / limits.write_rate / 60 < 35


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.01)


async def drip(host: str, port: int, first: bytes, then: bytes, every: float) -> tuple[bytes, float]:
    """Send `first`, then a byte of `then` at a time; what came back, and after how many seconds it ended."""
    reader, writer = await asyncio.open_connection(host, port)
    started = time.monotonic()
    writer.write(first)

    async def feed() -> None:
        for at in range(len(then)):
            await asyncio.sleep(every)
            writer.write(then[at : at + 1])

    feeding = asyncio.create_task(feed())
    async with asyncio.timeout(30):
        answer = await reader.read()
    took = time.monotonic() - started
    feeding.cancel()
    writer.close()
    return answer, took


def test_time_is_for_the_whole_head_and_the_whole_body_not_for_the_next_byte(runner: asyncio.Runner) -> None:
    limits = HttpLimits(header_timeout=0.4, body_timeout=0.4, idle_timeout=0.4)

    async def main() -> None:
        async with serving(limits=limits) as (server, host, port):
            (head, head_s), (body, body_s), (silent, silent_s), (idle, idle_s) = await asyncio.gather(
                drip(host, port, b"GET / HT", b"TP/1.1\r\nX: " + b"y" * 900, 0.02),
                drip(host, port, POST % 900, b"x" * 900, 0.02),
                drip(host, port, b"", b"", 1.0),
                drip(host, port, GET % 1, b"", 1.0),
            )
            assert head.startswith(b"HTTP/1.1 408 ")
            assert body.startswith(b"HTTP/1.1 408 ")
            assert silent == b""
            assert idle.startswith(b"HTTP/1.1 200 ")
            # All of the drops would take 18 s.
            assert all(0.3 < seconds < 9 for seconds in (head_s, body_s, silent_s, idle_s))
            assert server.refused == {"header_timeout": 1, "body_timeout": 1}
            await until(lambda: server.connections == 0)

    with runner:
        runner.run(main())


def test_a_client_that_holds_bodies_has_its_share_and_another_is_served(runner: asyncio.Runner) -> None:
    limits = HttpLimits(bodies_bytes_per_ip=MIB, bodies_bytes=4 * MIB, body_timeout=2.5)
    most = 0

    async def main() -> None:
        nonlocal most
        async with serving(limits=limits) as (server, host, port):
            hub = server._hub

            async def hold() -> bytes:
                with contextlib.suppress(ConnectionError):
                    return await exchange_bytes(host, port, POST % (200 * KIB) + b"x" * 100 * KIB)
                return b""

            holding = [asyncio.create_task(hold()) for _ in range(40)]
            async with asyncio.timeout(20):
                while server.refused.get("bodies_per_ip", 0) < 30:
                    await asyncio.sleep(0.01)
                    most = max(most, hub.bodies.held)
            answer = await from_another_address(host, port, POST % 5 + b"hello")
            assert answer.endswith(b"/ hello")
            answers = await asyncio.gather(*holding)
            refused = sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
            timed_out = sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
            assert (refused, timed_out) == (30, 10)
            assert hub.bodies.held == 0
        # What is refused is let go of when its connection has ended, a moment later.
        assert 900 * KIB < most < 2 * MIB
        assert server.refused == {"bodies_per_ip": 30, "body_timeout": 10}

    with runner:
        runner.run(main())


async def from_another_address(host: str, port: int, raw: bytes) -> bytes:
    """One request from 127.0.0.2, which is another client."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=("127.0.0.2", 0))
    writer.write(raw)
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"hello") if b"hello" in raw else await reader.read(4096)
    writer.close()
    return answer


def test_a_client_with_all_its_connections_is_told_so_and_another_is_served(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with serving(limits=HttpLimits(connections_per_ip=20, connections=25)) as (server, host, port):
            mine = [await asyncio.open_connection(host, port) for _ in range(20)]
            await until(lambda: server.connections == 20)
            refused = await exchange_bytes(host, port, b"")
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in refused
            assert (await from_another_address(host, port, GET % 1)).startswith(b"HTTP/1.1 200 ")
            for _, writer in mine:
                writer.close()
            await until(lambda: server.connections == 0)
            assert (await from_another_address(host, port, GET % 1)).startswith(b"HTTP/1.1 200 ")
            assert server.refused == {"connections_per_ip": 1}

    with runner:
        runner.run(main())


# slow readers


def stuck_socket(host: str, port: int) -> socket.socket:
    """A client whose kernel takes little and which itself takes nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, port))
    sock.sendall(GET % 1)
    return sock


def pouring(
    chunk: int, watched: Callable[[int], None], ended: asyncio.Event
) -> tuple[Callable[[Exchange], None], list[asyncio.Task[None]]]:
    """A handler that streams without end, waiting as `write` tells it."""
    tasks: list[asyncio.Task[None]] = []

    async def pour(exchange: Exchange) -> None:
        exchange.start(200)
        while not exchange.disconnected:
            await exchange.write(b"x" * chunk)
            watched(chunk)
        ended.set()

    def handler(exchange: Exchange) -> None:
        tasks.append(asyncio.get_running_loop().create_task(pour(exchange)))

    return handler, tasks


def test_a_stream_stops_at_a_reader_that_stops_and_is_cut_when_it_stays_so(runner: asyncio.Runner) -> None:
    async def main() -> None:
        written, ended = 0, asyncio.Event()

        def watched(more: int) -> None:
            nonlocal written
            written += more

        handler, tasks = pouring(16 * KIB, watched, ended)
        async with serving(handler, HttpLimits(write_timeout=2.0)) as (server, host, port):
            sock = stuck_socket(host, port)
            await until(lambda: written > 0)
            before = 0
            while before < written:
                before = written
                await asyncio.sleep(0.2)
            # Ours: 64 KiB and a write. The kernel's: 128 KiB unsent, and what is in flight.
            assert before < 512 * KIB
            assert not ended.is_set()
            async with asyncio.timeout(20):
                await ended.wait()
            await asyncio.gather(*tasks)
            assert server.refused == {"write_timeout": 1}
            assert server.connections == 0
            sock.close()

    with runner:
        runner.run(main())


def test_a_reader_that_takes_a_little_now_and_then_is_cut_as_well(runner: asyncio.Runner) -> None:
    """One byte in time used to be enough to keep a whole answer in memory for ever."""

    async def main() -> None:
        ended = asyncio.Event()
        handler, tasks = pouring(16 * KIB, lambda _: None, ended)
        limits = HttpLimits(write_timeout=0.5, write_rate=2 * MIB)
        async with serving(handler, limits) as (server, host, port):
            sock = stuck_socket(host, port)
            sock.settimeout(1)
            started = time.monotonic()
            while not ended.is_set() and time.monotonic() - started < 20:
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(sock.recv, 2 * KIB)
                await asyncio.sleep(0.05)
            assert ended.is_set()
            await asyncio.gather(*tasks)
            assert server.refused == {"write_timeout": 1}
            sock.close()

    with runner:
        runner.run(main())


def test_a_reader_that_keeps_the_pace_gets_all_of_it(runner: asyncio.Runner) -> None:
    async def main() -> None:
        def handler(exchange: Exchange) -> None:
            exchange.respond(200, (), b"x" * (3 * MIB))

        limits = HttpLimits(write_timeout=1.0, write_rate=256 * KIB)
        async with serving(handler, limits) as (server, host, port):
            sock = stuck_socket(host, port)
            sock.settimeout(20)

            def read() -> int:
                got = 0
                while got < 3 * MIB:
                    data = sock.recv(64 * KIB)
                    if not data:
                        break
                    got += len(data)
                    time.sleep(len(data) / (2 * MIB))
                return got

            assert await asyncio.to_thread(read) >= 3 * MIB
            assert server.refused == {}
            sock.close()

    with runner:
        runner.run(main())


def test_a_client_that_reads_no_answers_has_its_share_of_them(runner: asyncio.Runner) -> None:
    async def main() -> None:
        def handler(exchange: Exchange) -> None:
            if exchange.request.path == "/1":
                exchange.respond(200, (), b"x" * MIB)
            else:
                echo(exchange)

        limits = HttpLimits(replies_bytes_per_ip=4 * MIB, write_timeout=3.0)
        async with serving(handler, limits) as (server, host, port):
            hub = server._hub
            socks = [stuck_socket(host, port) for _ in range(20)]
            await until(lambda: server.refused.get("replies_per_ip", 0) >= 16)
            assert 2 * MIB < hub.replies.held <= 4 * MIB
            assert (await from_another_address(host, port, GET % 2)).startswith(b"HTTP/1.1 200 ")
            await until(lambda: server.connections == 0, 30.0)
            assert hub.replies.held == 0
            for sock in socks:
                sock.close()

    with runner:
        runner.run(main())


def test_a_backlog_behind_a_request_is_left_in_the_kernel(runner: asyncio.Runner) -> None:
    """Reading stops at 64 KiB (and the 256 KiB that one read may bring)."""

    async def main() -> None:
        waiting: list[Exchange] = []
        async with serving(waiting.append, HttpLimits()) as (server, host, port):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(GET % 1)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000)
            await until(lambda: bool(waiting))
            await asyncio.sleep(0.2)
            assert server._hub.bodies.held <= 64 * KIB + 256 * KIB
            waiting[0].respond(200, (), b"")
            await until(lambda: len(waiting) == 2)
            assert len(waiting[1].request.body) == 4_000_000
            assert server._hub.bodies.held == 0
            writer.close()

    with runner:
        runner.run(main())
