"""nginx in front of Doorward: every request that nginx forwards is that one request to us, and there is no
other.

Thousands of ambiguous requests go in, each with marks of its own, on connections to nginx which share a few
to us: a byte that the two count differently would turn into a request that nginx never forwarded, or into an
answer for somebody else.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doorward.edge.h1 import Exchange, H1Server, HttpLimits
from tests.attack.framing import corpus
from tests.attack.nginx import KEPT, PLAIN, Nginx, nginx

FACES = {
    "buffered": (KEPT, ""),
    "unbuffered": (KEPT + "proxy_request_buffering off;", ""),
    "lax": (KEPT, "ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;"),
    "old": ("proxy_http_version 1.0; proxy_set_header Connection close;", ""),
}
AT_ONCE = 48
WAIT_S = 2.0


def marked(number: int, data: bytes) -> bytes:
    """Every request line in it gets the number of the input; bodies keep their length."""
    data = re.sub(rb"(?<=[A-Z] )/(?=[ ?])", b"/first-%d" % number, data, count=1)
    return data.replace(b"GET /second ", b"GET /second-%d " % number)


def inputs() -> list[bytes]:
    """Of the corpus, what is about framing, and some of the rest."""
    wanted = [*corpus.framing(), *corpus.chunks(), *corpus.pipelines()]
    others = [*corpus.request_lines(), *corpus.field_lines()]
    return [marked(number, data) for number, data in enumerate([*wanted[::6], *others[::8]])]


class Recorder:
    """What Doorward's edge made of it."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self.bodies: Counter[tuple[str, bytes]] = Counter()

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        uri = request.target.decode()
        self.seen[request.method.decode(), uri] += 1
        self.bodies[uri, request.body] += 1
        exchange.respond(200, (), b"for " + request.target)


async def send(port: int, data: bytes) -> bytes:
    """All answers on one connection, until nginx closes it or waits for a body that it has refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = b""
    try:
        writer.write(data)
        async with asyncio.timeout(WAIT_S):
            while got := await reader.read(65536):
                answers += got
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return answers


@asynccontextmanager
async def behind_nginx(
    place: Path, faces: Mapping[str, tuple[str, str]]
) -> AsyncIterator[tuple[Recorder, H1Server, Nginx]]:
    recorder = Recorder()
    server = H1Server(recorder.handle, HttpLimits())
    _, port = await server.listen_tcp("127.0.0.1", 0)
    try:
        with nginx(place, port, faces, idle="250ms") as proxy:
            yield recorder, server, proxy
    finally:
        await server.drain(2.0)


async def send_all(port: int, given: Sequence[bytes]) -> list[bytes]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(data: bytes) -> bytes:
        async with gate:
            return await send(port, data)

    return await asyncio.gather(*(one(data) for data in given))


@pytest.mark.asyncio
@pytest.mark.parametrize("face", FACES)
async def test_what_nginx_forwards_is_what_we_serve(tmp_path: Path, face: str) -> None:
    async with behind_nginx(tmp_path, {face: FACES[face]}) as (recorder, server, proxy):
        answers = await send_all(proxy.ports[face], inputs())

    log = proxy.log()
    forwarded = Counter((line["method"], line["uri"]) for line in log if line["answer"] == "200")
    assert recorder.seen == forwarded
    assert len(forwarded) > 200
    assert any(uri.startswith("/second-") for _, uri in forwarded)
    # Whoever sent it gets the answer to it, and to nothing else.
    for number, answer in enumerate(answers):
        for told in re.findall(rb"for /(?:first|second)-(\d+)", answer):
            assert int(told) == number
    # What we did not serve we refused, with a status of its own.
    refused = sum(line["answer"] not in ("", "-", "200") for line in log)
    assert refused >= sum(server.refused.values()) > 0


@pytest.mark.asyncio
async def test_bodies_arrive_as_nginx_read_them(tmp_path: Path) -> None:
    given = [data for data in inputs() if b"POST /" in data][::4]
    async with behind_nginx(tmp_path, PLAIN) as (recorder, _, proxy):
        await send_all(proxy.ports["plain"], given)

    log = [line for line in proxy.log() if line["answer"] == "200"]
    theirs = Counter((line["uri"], line["body"].encode("latin-1")) for line in log)
    assert recorder.bodies == theirs
    assert sum(bool(body) for _, body in theirs) > 20
