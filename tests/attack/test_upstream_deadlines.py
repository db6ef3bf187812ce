"""Servers that are slow in every place where one can be slow: each has its own limit and its own words."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from doorward.model.call import Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from doorward.upstream.timeouts import Timeouts, ToolTimeouts
from tests.attack.hostile_server import END, SESSION, STREAM, Request, event, lab, permit, raw, silent, until

pytestmark = [pytest.mark.asyncio]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


async def refused(server: Server, within: float, **options: Any) -> UpstreamError:
    began = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        await server.send(permit(**options))
    assert time.monotonic() - began < within
    assert caught.value.message.startswith("server lab ")
    return caught.value


@asynccontextmanager
async def started(url: str, **settings: Any) -> AsyncIterator[Server]:
    server = Server(ServerSettings(name="lab", url=url, **settings))
    await server.start()
    try:
        yield server
    finally:
        await server.close(0.5)


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        yield port


async def test_a_server_that_does_not_accept() -> None:
    with full_backlog() as port:
        async with started(f"http://127.0.0.1:{port}/mcp", connect_s=0.2) as server:
            error = await refused(server, 15.0)
    assert error.reason is Reason.UPSTREAM_UNREACHABLE
    assert "did not accept a connection" in error.message


async def test_a_server_that_accepts_and_says_nothing_in_tls() -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    async with started(url, connect_s=5.0, tls_s=0.2) as server:
        error = await refused(server, 15.0)
        assert error.reason is Reason.UPSTREAM_UNREACHABLE
        assert error.message == "server lab did not finish the TLS handshake within 0.2 s (timeout.tls)"
        assert accepted >= 1
    listener.close()


async def test_a_name_that_does_not_exist() -> None:
    async with started("http://nowhere.invalid/mcp", connect_s=3.0) as server:
        error = await refused(server, 20.0)
    assert error.reason is Reason.UPSTREAM_UNREACHABLE
    assert "by its name" in error.message or "did not accept" in error.message


async def test_nothing_is_listening() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with started(f"http://127.0.0.1:{port}/mcp") as server:
        error = await refused(server, 15.0)
    assert error.reason is Reason.UPSTREAM_UNREACHABLE
    assert f"cannot be reached: Connection refused (127.0.0.1:{port})" in error.message


async def test_an_answer_that_does_not_begin() -> None:
    async with lab(first_byte_s=0.2, timeout_s=30.0) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = silent
        error = await refused(server, 15.0)
        assert error.reason is Reason.UPSTREAM_TIMEOUT
        assert error.message == "server lab did not begin to answer within 0.2 s (timeout.first_byte)"
        await made.until("notifications/cancelled")
        del made.acts["tools/call"]
        assert (await server.send(permit())).outcome is Outcome.OK
        assert made.times("tools/call") == 2


@pytest.mark.parametrize(
    "begun", [HEAD + b"{", HEAD[:30], STREAM, STREAM + b"5\r\n:hi\n\n\r\n", STREAM + b"ffff\r\ndata: {"]
)
async def test_an_answer_that_stops_in_its_middle(begun: bytes) -> None:
    async with lab(idle_s=0.2, timeout_s=30.0) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(begun)
        error = await refused(server, 15.0)
        assert error.reason is Reason.UPSTREAM_TIMEOUT
        assert error.message == "server lab sent no more of its answer for 0.2 s (timeout.idle)"
        assert made.times("tools/call") == 1


async def test_a_stream_that_says_something_now_and_then_is_not_idle() -> None:
    async def alive(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(12):
            writer.write(b"3\r\n:\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.06)
        writer.write(event(request.result({"content": [{"type": "text", "text": "late"}]})) + END)

    async with lab(idle_s=0.5, first_byte_s=0.5, timeout_s=30.0) as (made, server):
        made.acts["tools/call"] = alive
        assert (await server.send(permit())).outcome is Outcome.OK


@pytest.mark.spec("DW-216")
async def test_drops_of_an_answer_do_not_prolong_the_whole() -> None:
    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with lab(idle_s=0.5, timeout_s=0.6) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = drip
        error = await refused(server, 15.0)
        assert error.reason is Reason.UPSTREAM_TIMEOUT
        assert error.message == "server lab did not finish its answer within 0.6 s (timeout.total)"


async def test_drops_of_a_head_do_not_prolong_the_whole() -> None:
    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)

    async with lab(timeout_s=0.5) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = drip
        assert (await refused(server, 15.0)).reason is Reason.UPSTREAM_TIMEOUT


async def test_tools_have_limits_of_their_own() -> None:
    rules = (
        ToolTimeouts("slow_*", Timeouts(first_byte_s=30.0, total_s=30.0)),
        ToolTimeouts("quick", Timeouts(total_s=0.2)),
        ToolTimeouts("prompt", Timeouts(first_byte_s=0.2, total_s=30.0)),
    )

    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.7)
        made.honest(request, writer)

    async with lab(first_byte_s=0.35, timeout_s=30.0, tool_timeouts=rules) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = late
        assert (await server.send(permit(name="slow_export"))).outcome is Outcome.OK
        error = await refused(server, 15.0, name="quick")
        assert error.message == "server lab did not begin to answer within 0.2 s (timeout.total)"
        assert "within 0.2 s" in (await refused(server, 15.0, name="prompt")).message
        assert "within 0.35 s" in (await refused(server, 15.0, name="echo")).message


async def test_waiting_for_a_connection_counts_in_a_call_s_time() -> None:
    async with lab(
        pool_size=1, timeout_s=20.0, tool_timeouts=(ToolTimeouts("quick", Timeouts(total_s=0.3)),)
    ) as (
        made,
        server,
    ):
        await server.list("tools/list")
        made.acts["tools/call"] = silent
        holding = asyncio.create_task(server.send(permit()))
        await made.until("tools/call")
        error = await refused(server, 15.0, name="quick")
        assert error.reason is Reason.UPSTREAM_OVERLOADED
        assert made.times("tools/call") == 1
        holding.cancel()
        await asyncio.wait([holding])


async def test_a_slow_caller_is_not_the_server_s_silence() -> None:
    """What the server sent waits in our buffers: we have paused its stream, which is no fault of its own."""

    class Slow:
        async def emit(self, message: bytes) -> None:
            await asyncio.sleep(0.03)

    async def flood(request: Request, writer: asyncio.StreamWriter) -> None:
        token = request.message["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": 1, "message": "x" * 8_000}
        note = event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        writer.write(STREAM + note * 30 + event(request.result({"content": []})) + END)

    async with lab(idle_s=0.3, timeout_s=30.0) as (made, server):
        made.acts["tools/call"] = flood
        began = time.monotonic()
        reply = await server.send(permit(events=Slow(), token=1))  # type: ignore[arg-type]
        assert time.monotonic() - began > 0.8
        assert reply.outcome is Outcome.EMPTY


@pytest.mark.spec("DW-824")
async def test_listening_is_not_answering() -> None:
    """The GET stream of a session may be silent for as long as it likes."""
    opened = closed = 0

    async def listen(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal opened, closed
        opened += 1
        writer.write(STREAM)
        await writer.drain()
        while not writer.is_closing():  # noqa: ASYNC110 - there is nothing to be woken by
            await asyncio.sleep(0.02)
        closed += 1

    async with lab(idle_s=0.1, first_byte_s=0.1, timeout_s=0.3) as (made, server):
        made.acts["GET"] = listen
        await server.send(permit(method="resources/subscribe", params={"uri": "a:b"}, session=SESSION))
        await until(lambda: opened == 1)
        await asyncio.sleep(0.8)
        assert (opened, closed) == (1, 0)


async def test_a_tool_may_wait_longer_for_its_connection_than_its_server() -> None:
    rules = (ToolTimeouts("patient", Timeouts(connect_s=1.0, total_s=20.0)),)
    async with lab(connect_s=0.2, timeout_s=20.0, pool_size=1, tool_timeouts=rules) as (made, server):
        await server.list("tools/list")

        async def late(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.6)
            made.honest(request, writer)

        made.acts["tools/call"] = late
        holding = asyncio.create_task(server.send(permit()))
        await made.until("tools/call")
        assert (await refused(server, 15.0)).reason is Reason.UPSTREAM_OVERLOADED
        assert (await server.send(permit(name="patient"))).outcome is Outcome.OK
        assert (await holding).outcome is Outcome.OK
