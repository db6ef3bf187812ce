"""Doorward in front of nginx: one call is one request, and one answer is one answer.

Whatever stands in an argument stays there; whatever a server behind nginx answers, no byte of it reaches
another call. What callers send is tests/e2e/test_nginx.py.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.h1 import Connection, Response
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from tests.attack.framing import corpus_responses
from tests.attack.hostile_server import Lab, http, permit, until
from tests.attack.nginx import KEPT, Nginx, nginx
from tests.e2e.support.processes import LOOPBACK

# What stands in values

HOSTILE = (
    "a\r\nX-Injected: 1",
    "a\r\n\r\nPOST /stolen HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "a\nTransfer-Encoding: chunked",
    "\r\nContent-Length: 0\r\n\r\nGET /stolen HTTP/1.1\r\nHost: a\r\n\r\n",
    "a\0b",
    "\x7f\x01\x85\u2028 \u560a\u560d",
    "0\r\n\r\nGET /stolen HTTP/1.1\r\n\r\n",
    "=?base64?DQpYOiB5?=",
    "é" * 50,
)
SCHEMA = {"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}}}


@asynccontextmanager
async def laboratory(place: Path, lab: Lab) -> AsyncIterator[tuple[Nginx, Server]]:
    """Our upstream leg, nginx, and the laboratory behind it."""
    listener = await asyncio.start_server(lab.serve, LOOPBACK, 0)
    with nginx(place, listener.sockets[0].getsockname()[1]) as proxy:
        server = Server(ServerSettings(name="lab", url=f"{proxy.url('plain')}/mcp"))
        await server.start()
        try:
            await until(lambda: server.up)
            yield proxy, server
        finally:
            await server.close(1.0)
            listener.close()


def modern(lab: Lab) -> None:
    """Makes it a server of 2026-07-28 whose tool mirrors an argument into a header."""
    discovered = {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "lab", "version": "1"},
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }
    listed = {"tools": [{"name": "echo", "inputSchema": SCHEMA}], "resultType": "complete"}
    lab.acts["server/discover"] = lambda request, writer: writer.write(http(200, request.result(discovered)))
    lab.acts["tools/list"] = lambda request, writer: writer.write(http(200, request.result(listed)))
    lab.acts["tools/call"] = lambda request, writer: writer.write(
        http(200, request.result({"content": [], "resultType": "complete"}))
    )


@pytest.mark.spec("DW-131")
@pytest.mark.asyncio
@pytest.mark.parametrize("era", list(Era))
async def test_nothing_in_a_value_becomes_a_request_or_a_header(tmp_path: Path, era: Era) -> None:
    lab = Lab()
    if era is Era.MODERN:
        modern(lab)
    async with laboratory(tmp_path, lab) as (proxy, server):
        assert server.era is era
        before = lab.times("tools/call")
        for value in HOSTILE:
            with suppress(UpstreamError):
                await server.send(permit(era=era, params={"name": "lab__echo", "arguments": {"text": value}}))
        calls = [one for one in lab.seen if one.method == "tools/call"][before:]

    assert {line["uri"] for line in proxy.log()} == {"/mcp"}
    assert [one.message["params"]["arguments"]["text"] for one in calls] == list(HOSTILE)
    assert all("x-injected" not in one.headers for one in calls)
    assert all("transfer-encoding" not in one.headers for one in calls)


# What servers answer

WAIT_S = 1.0
"""For what nginx makes of an interim answer: one without end. All of them wait so long."""
PATIENCE_S = 30.0
"""For what ends."""


def marked(number: int, data: bytes) -> bytes:
    """Bodies of the same length that say whose they are."""
    return data.replace(b"hello", b"n%04d" % number).replace(b"second", b"-n%04d" % number)


def answers() -> list[bytes]:
    parts = (
        corpus_responses.framing(),
        corpus_responses.chunks(),
        corpus_responses.sequences(),
        corpus_responses.field_lines(),
        corpus_responses.status_lines(),
    )
    everything = list(dict.fromkeys(one for part in parts for one in part))
    return [marked(number, data) for number, data in enumerate(everything[::13])]


class Backend:
    """Answers request number N with the Nth of its answers, and closes."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answers[int(head.split(b"/r")[1].split()[0])])
            await writer.drain()
        writer.close()


class Leg:
    """Our upstream connection, used again as long as it says that it can be."""

    def __init__(self, port: int, answers: Sequence[bytes]) -> None:
        self._port = port
        self._answers = answers
        self._connection: Connection | None = None
        self.reused = 0

    async def ask(self, number: int) -> tuple[int, bytes] | UpstreamError:
        """Status and body of the answer to one request."""
        loop = asyncio.get_running_loop()
        if self._connection is None or not self._connection.clean:
            self.close()
            _, self._connection = await loop.create_connection(
                lambda: Connection("lab", 4.0, lambda _: None), LOOPBACK, self._port
            )
        else:
            self.reused += 1
        waiter: asyncio.Future[Response] = loop.create_future()
        request = b"POST /r%d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" % number
        self._connection.send(request, 1 << 20, waiter)
        interim = self._answers[number].startswith(b"HTTP/1.1 1")
        try:
            async with asyncio.timeout(WAIT_S if interim else PATIENCE_S):
                response = await waiter
                body = response.body
                while response.streams and (more := await self._connection.read()):
                    body += more
        except UpstreamError as error:
            return error
        except TimeoutError:  # nginx passes an interim answer on as if it were all: the deadline ends that
            self.close()
            assert interim, self._answers[number]
            return UpstreamError(Reason.UPSTREAM_TIMEOUT, "lab", "waits for the rest")
        return response.status, body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


FACES = {
    "buffered": (KEPT, ""),
    "unbuffered": (KEPT + "proxy_buffering off;", ""),
    "old": ("proxy_http_version 1.0;", ""),
}


@pytest.mark.spec("DW-440")
@pytest.mark.asyncio
@pytest.mark.parametrize("face", FACES)
async def test_no_answer_reaches_another_request(tmp_path: Path, face: str) -> None:
    given = answers()
    backend = await asyncio.start_server(Backend(given).serve, LOOPBACK, 0)
    port = backend.sockets[0].getsockname()[1]
    got: dict[int, Any] = {}
    with nginx(tmp_path, port, {face: FACES[face]}) as proxy:
        legs = [Leg(proxy.ports[face], given) for _ in range(8)]

        async def work(leg: Leg, numbers: range) -> None:
            for number in numbers:
                got[number] = await leg.ask(number)

        try:
            await asyncio.gather(*(work(leg, range(n, len(given), 8)) for n, leg in enumerate(legs)))
        finally:
            for leg in legs:
                leg.close()
        await asyncio.sleep(0.2)
        log = {line["uri"]: int(line["status"]) for line in proxy.log()}
    backend.close()

    assert len(log) == len(given) > 1500
    for number, found in got.items():
        if isinstance(found, UpstreamError):
            continue
        status, body = found
        if log[f"/r{number}"] >= 200:  # of an interim answer nginx makes the head of one without end
            assert status == log[f"/r{number}"]
        assert {int(digits) for digits in re.findall(rb"n(\d{4})", body)} <= {number}, (given[number], body)
    assert sum(not isinstance(found, UpstreamError) for found in got.values()) > 1000
    assert sum(leg.reused for leg in legs) > len(given) / 2
