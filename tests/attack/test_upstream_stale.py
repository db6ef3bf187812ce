"""Connections that end between two calls, or in the very moment of one: no call is ever sent twice."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from doorward.model.call import Outcome, Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from tests.attack.hostile_server import Lab, Request, http, lab, permit

pytestmark = [pytest.mark.asyncio]


def cut(writer: asyncio.StreamWriter) -> None:
    """With a reset, which overtakes what was written and not yet read."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def numbered(number: int) -> dict[str, object]:
    return {"name": "lab__echo", "arguments": {"text": str(number)}}


def sent(made: Lab) -> list[str]:
    """The number of each call that reached the server, in its order."""
    return [one.message["params"]["arguments"]["text"] for one in made.seen if one.method == "tools/call"]


class Elsewhere(Lab):
    """A Lab in a thread of its own, so that it acts while our loop is held up."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[asyncio.StreamWriter] = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
        self.ready.set()
        await self.over.wait()
        listener.close()
        self.close_all()
        await asyncio.sleep(0.05)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await super().serve(reader, writer)

    def write_all(self, data: bytes) -> None:
        for writer in self.writers:
            if not writer.is_closing():
                writer.write(data)

    def end_all(self, close: bool, acted: threading.Event) -> None:
        """`acted` is set when it has reached the kernel: a transport closes its socket in a later turn."""
        if close:
            self.close_all()
        else:
            self.write_all(http(200, b"{}"))
        self.loop.call_later(0.02, acted.set)

    def close_all(self) -> None:
        for writer in self.writers:
            writer.close()


@asynccontextmanager
async def elsewhere() -> AsyncIterator[tuple[Elsewhere, Server]]:
    made = Elsewhere()
    made.thread.start()
    assert await asyncio.to_thread(made.ready.wait, 20.0)
    server = Server(ServerSettings(name="lab", url=made.url, timeout_s=5.0))
    await server.start()
    try:
        yield made, server
    finally:
        await server.close(0.5)
        made.loop.call_soon_threadsafe(made.over.set)
        await asyncio.to_thread(made.thread.join)


@pytest.mark.parametrize("end", ["close", "garbage"])
async def test_what_ended_unseen_gets_no_call(end: str) -> None:
    """Our loop had no chance to read it: only a look into the socket tells before the call is written."""
    async with elsewhere() as (made, server):
        for number in range(4):
            reply = await server.send(permit(params=numbered(number)))
            assert reply.outcome is Outcome.OK
            await asyncio.sleep(0.15)
            acted = threading.Event()
            made.loop.call_soon_threadsafe(made.end_all, end == "close", acted)
            assert acted.wait(20.0)  # the loop is held up on purpose
        assert sent(made) == ["0", "1", "2", "3"]
        assert made.connections >= 4


async def test_a_connection_that_ends_in_the_moment_of_a_call_is_lost_and_not_replaced() -> None:
    chance = random.Random(7)

    async def answer_and_cut(request: Request, writer: asyncio.StreamWriter) -> None:
        made.honest(request, writer)
        await writer.drain()
        await asyncio.sleep(chance.random() / 1000)
        (cut if chance.random() < 0.5 else asyncio.StreamWriter.close)(writer)

    async with lab(timeout_s=5.0) as (made, server):
        await server.send(permit(params=numbered(-1)))
        made.acts["tools/call"] = answer_and_cut
        results: list[object] = []
        for number in range(200):
            results += await asyncio.gather(
                server.send(permit(params=numbered(number))), return_exceptions=True
            )
            await asyncio.sleep(chance.random() / 1000)
        lost = [one for one in results if isinstance(one, UpstreamError)]
        assert {str(one) for one in lost} <= {"server lab closed the connection before it had answered"}
        assert {one.reason for one in lost} <= {Reason.UPSTREAM_CONNECTION_LOST}
        answered = [number for number, one in enumerate(results) if isinstance(one, Reply)]
        assert len(answered) + len(lost) == 200
        assert len(answered) >= 50
        calls = sent(made)
        assert len(calls) == len(set(calls))
        assert {str(number) for number in answered} <= set(calls)


@pytest.mark.spec("DW-161")
async def test_a_server_that_cuts_every_call_sees_each_once() -> None:
    async with lab(timeout_s=5.0) as (made, server):
        await server.send(permit(params=numbered(0)))
        made.acts["tools/call"] = lambda _, writer: cut(writer)
        for number in range(1, 30):
            with pytest.raises(UpstreamError) as caught:
                await server.send(permit(params=numbered(number)))
            assert caught.value.reason is Reason.UPSTREAM_CONNECTION_LOST
        assert sent(made) == [str(number) for number in range(30)]


async def test_a_server_that_closes_what_it_accepts_gets_no_call() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut(writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    server = Server(ServerSettings(name="lab", url=url, timeout_s=2.0))
    await server.start()
    try:
        with pytest.raises(UpstreamError) as caught:
            await server.send(permit())
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
    finally:
        await server.close(0.5)
        listener.close()


async def test_idle_connections_are_given_back() -> None:
    async with lab(keep_alive_s=0.2) as (made, server):

        async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.05)
            made.honest(request, writer)

        made.acts["tools/call"] = slowly
        await asyncio.gather(*(server.send(permit(params=numbered(n))) for n in range(8)))
        running = server._running
        assert running is not None
        pool = running.dialer._means.leg.pool  # type: ignore[attr-defined]
        assert len(pool) >= 8
        async with asyncio.timeout(20.0):
            while len(pool):  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0.02)
        assert (await server.send(permit())).outcome is Outcome.OK


async def test_many_calls_share_few_connections_in_their_order() -> None:
    async with lab(pool_size=2, connect_s=20.0, timeout_s=30.0) as (made, server):
        await server.send(permit(params=numbered(-1)))
        before, working, most = made.connections, 0, 0

        async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
            nonlocal working, most
            working += 1
            most = max(most, working)
            await asyncio.sleep(0.005)
            working -= 1
            made.honest(request, writer)

        made.acts["tools/call"] = slowly
        calls = []
        for number in range(60):
            calls.append(asyncio.create_task(server.send(permit(params=numbered(number)))))
            await asyncio.sleep(0)
        calls[7].cancel()
        calls[30].cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(one, Reply) for one in replies) == 58
        assert most == 2
        assert made.connections <= before + 2
        arrived = [int(text) for text in sent(made) if text != "-1"]
        assert set(range(60)) - set(arrived) <= {7, 30}
        # Two connections are two ways to the server: neighbours may swap, nobody is passed by more.
        assert all(abs(place - number) <= 3 for place, number in enumerate(arrived))
