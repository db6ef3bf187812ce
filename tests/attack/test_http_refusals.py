"""Hostile and clumsy HTTP clients against the edge, over real loopback sockets."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doorward.edge.h1 import REFUSALS, Exchange, H1Server, HttpLimits, Refusal
from doorward.edge.secure import TlsTerms
from doorward.identity.certificate import read as certificate_read
from tests.unit.edge.refusals import REFUSED

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [uvloop.new_event_loop, asyncio.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["uvloop", "asyncio"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    """The edge is written for uvloop and has to work without it."""
    return asyncio.Runner(loop_factory=request.param)


def echo(exchange: Exchange) -> None:
    request = exchange.request
    exchange.respond(200, (), request.path.encode() + b" " + request.body)


@asynccontextmanager
async def serving(
    handler: Callable[[Exchange], None] = echo, limits: HttpLimits | None = None
) -> AsyncIterator[tuple[H1Server, str, int]]:
    server = H1Server(handler, limits or HttpLimits())
    host, port = await server.listen_tcp("127.0.0.1", 0)
    try:
        yield server, host, port
    finally:
        await server.drain(0.5)


async def exchange_bytes(host: str, port: int, raw: bytes) -> bytes:
    """Send, then read until the server closes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(raw)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(("reason", "raw"), REFUSED)
def test_a_refusal_reaches_the_client_and_closes(runner: asyncio.Runner, reason: Refusal, raw: bytes) -> None:
    async def main() -> None:
        async with serving() as (server, host, port):
            answer = await exchange_bytes(host, port, raw)
            assert answer.startswith(b"HTTP/1.1 %d " % REFUSALS[reason][0])
            assert answer.count(b"content-length: ") == 1
            assert b"\r\nconnection: close\r\n" in answer
            assert b'"error":"%b"' % reason.encode() in answer
            assert server.refused == {reason.value: 1}
            assert await exchange_bytes(host, port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n") != b""

    with runner:
        runner.run(main())


HELD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"x" * 30_000
TINY = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 5000
ELSEWHERE = {
    "header_timeout", "body_timeout", "write_timeout", "replies", "replies_per_ip",
    "proxy_malformed", "proxy_timeout", "proxy_forbidden",
}  # fmt: skip
"""Tested in `test_http_slow_clients.py` and `test_http_listeners.py`: there is more to say about them."""
BY_STATE: list[tuple[Refusal, HttpLimits, bytes]] = [
    (Refusal.CHUNKS_TOO_SMALL, HttpLimits(), TINY),
    (Refusal.CONNECTIONS, HttpLimits(connections=1), b""),
    (Refusal.CONNECTIONS_PER_IP, HttpLimits(connections_per_ip=1), b""),
    (Refusal.BODIES, HttpLimits(bodies_bytes=50_000), HELD),
    (Refusal.BODIES_PER_IP, HttpLimits(bodies_bytes_per_ip=50_000), HELD),
    (Refusal.HANDLER_FAILED, HttpLimits(), GET % 666),
]


@pytest.mark.parametrize(("reason", "limits", "raw"), BY_STATE, ids=[reason for reason, _, _ in BY_STATE])
def test_a_refusal_by_what_else_is_going_on(
    runner: asyncio.Runner, reason: Refusal, limits: HttpLimits, raw: bytes
) -> None:
    def handler(exchange: Exchange) -> None:
        if exchange.request.path == "/666":
            raise LookupError("a bug")
        echo(exchange)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serving(handler, limits) as (server, host, port):
            _, before = await asyncio.open_connection(host, port)
            before.write(HELD)
            while server.connections < 1:  # noqa: ASYNC110 -- nothing tells of a connection
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            answer = await exchange_bytes(host, port, raw)
            status = REFUSALS[reason][0]
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert (b"\r\nretry-after: 1\r\n" in answer) is (status == 503)
            assert server.refused == {reason.value: 1}
            before.close()

    with runner:
        runner.run(main())


def test_no_refusal_is_without_its_test_over_a_socket() -> None:
    tested = {reason for reason, _ in REFUSED} | {reason for reason, _, _ in BY_STATE} | ELSEWHERE
    assert tested == set(Refusal)


def test_a_smuggled_request_is_never_served(runner: asyncio.Runner) -> None:
    """The classic: what one side takes for a body, the other takes for a request."""
    hidden = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
    served: list[str] = []

    def handler(exchange: Exchange) -> None:
        served.append(exchange.request.path)
        exchange.respond(200)

    async def main() -> None:
        async with serving(handler) as (_, host, port):
            post = b"POST / HTTP/1.1\r\nHost: a\r\n"
            for framing in (
                b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
                b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
                b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
            ):
                await exchange_bytes(host, port, post + framing + hidden)
        assert served == []

    with runner:
        runner.run(main())


def test_the_413_survives_a_client_that_goes_on_sending(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with serving() as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
            for _ in range(50):
                writer.write(b"x" * 100_000)
                await writer.drain()
            async with asyncio.timeout(10):
                assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
            writer.close()

    with runner:
        runner.run(main())


def test_pipelining_forty_deep_in_order(runner: asyncio.Runner) -> None:
    def handler(exchange: Exchange) -> None:
        number = int(exchange.request.path[1:])
        asyncio.get_running_loop().call_later(
            0.001 * (number % 3), exchange.respond, 200, (), b"<%d>" % number
        )

    async def main() -> None:
        async with serving(handler) as (_, host, port):
            raw = b"".join(GET % i for i in range(40)) + b"GET /40 HTTP/1.0\r\nHost: a\r\n\r\n"
            answer = await exchange_bytes(host, port, raw)
            bodies = [int(part.split(b">")[0]) for part in answer.split(b"<")[1:]]
            assert bodies == list(range(41))

    with runner:
        runner.run(main())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_abort_is_noticed_at_once(runner: asyncio.Runner, how: str) -> None:
    async def main() -> None:
        started, gone = asyncio.Event(), asyncio.Event()

        def handler(exchange: Exchange) -> None:
            exchange.on_disconnect = gone.set
            started.set()

        async with serving(handler) as (server, host, port):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(GET % 1)
            await started.wait()
            if how == "rst":
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            writer.close()
            async with asyncio.timeout(20):
                await gone.wait()
            # After a FIN the peer may still be there to read; after a reset it is not.
            assert server.running == (1 if how == "fin" else 0)

    with runner:
        runner.run(main())


def test_draining_answers_what_runs_and_cuts_what_does_not_end(runner: asyncio.Runner) -> None:
    async def main() -> None:
        exchanges: list[Exchange] = []
        server = H1Server(exchanges.append, HttpLimits())
        host, port = await server.listen_tcp("127.0.0.1", 0)
        idle = asyncio.create_task(exchange_bytes(host, port, b""))
        ends = asyncio.create_task(exchange_bytes(host, port, GET % 1))
        hangs = asyncio.create_task(exchange_bytes(host, port, GET % 2))
        while len(exchanges) < 2 or server.connections < 3:  # noqa: ASYNC110 -- nothing tells of a connection
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        answered = next(each for each in exchanges if each.request.path == "/1")
        loop.call_later(0.1, answered.respond, 200, (), b"done")
        started = loop.time()
        assert await server.drain(0.4) == 1
        assert 0.3 < loop.time() - started < 10
        assert await idle == b""
        assert b"\r\nconnection: close\r\n" in await ends
        (cut,) = await asyncio.gather(hangs, return_exceptions=True)
        assert cut == b"" or isinstance(cut, ConnectionError)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        assert server.connections == 0

    with runner:
        runner.run(main())


def certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_over_tls(runner: asyncio.Runner, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    trust = ssl.create_default_context(cafile=str(file))

    async def main() -> None:
        hangs, gone = asyncio.Event(), asyncio.Event()

        def handler(exchange: Exchange) -> None:
            if exchange.request.path == "/hang":
                exchange.on_disconnect = gone.set
                hangs.set()
            else:
                echo(exchange)

        server = H1Server(handler, HttpLimits(linger_timeout=0.5))
        face = server.tls_face(TlsTerms(context, requires_certificate=False), certificate_read)
        host, port = await server.listen_tcp("127.0.0.1", 0, face)
        cut = -1

        async def ended() -> None:
            nonlocal cut
            cut = await server.drain(2)

        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(ended)  # in any case: what is left open keeps the loop from ending

            async def send(raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection(host, port, ssl=trust)
                stack.callback(writer.close)
                writer.write(raw)
                return reader, writer

            for raw, status in ((b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", b"200"), (b"GET /\r\n", b"400")):
                reader, writer = await send(raw)
                async with asyncio.timeout(20):
                    assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
                writer.close()
                await writer.wait_closed()
            _, writer = await send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            async with asyncio.timeout(20):
                await hangs.wait()
                writer.close()
                await gone.wait()
            await writer.wait_closed()
            plain_reader, plain_writer = await asyncio.open_connection(host, port)
            plain_writer.write(GET % 1)
            assert b"this port speaks TLS" in await plain_reader.read()
            plain_writer.close()
        assert cut == 0

    with runner:
        runner.run(main())


def test_one_hostile_connection_does_not_slow_another(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with serving(limits=HttpLimits(connections=2)) as (server, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            for i in range(20):
                await exchange_bytes(host, port, b"\0garbage")
                writer.write(GET % i)
                assert (await reader.readuntil(b"/%d " % i)).startswith(b"HTTP/1.1 200 ")
            _, second = await asyncio.open_connection(host, port)
            third = await exchange_bytes(host, port, GET % 1)
            assert third.startswith(b"HTTP/1.1 503 ")
            second.close()
            writer.close()
            assert server.refused[Refusal.REQUEST_LINE_MALFORMED] == 20

    with runner:
        runner.run(main())
