"""The listener itself: a socket in the file system, proxies in front, and a stop that loses no request."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doorward.edge.h1 import Exchange, H1Server, HttpLimits
from doorward.edge.peers import Networks
from doorward.edge.proxy_v2 import SIGNATURE
from doorward.edge.secure import TlsTerms
from doorward.identity.certificate import read as certificate_read
from tests.attack.test_http_refusals import GET, certificate, echo, exchange_bytes, runner
from tests.unit.edge.test_proxy_v2 import header

__all__ = ["runner"]
LAST = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"


def whoami(exchange: Exchange) -> None:
    exchange.respond(200, (), f"{exchange.peer} {exchange.relayed}".encode())


# Unix sockets


def test_a_unix_socket_is_private_and_replaces_one_that_was_left_behind(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    path = tmp_path / "plane.sock"

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
        server = H1Server(whoami, HttpLimits())
        await server.listen_unix(str(path))
        mode = path.stat().st_mode & 0o777
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(LAST)
        answer = await reader.read()
        writer.close()
        await server.drain(1)  # before anything is judged: a loop with an open listener does not end
        assert answer.endswith(b"unix False")
        assert mode == 0o600
        assert not path.exists()

    with runner:
        runner.run(main())


def test_a_unix_socket_that_somebody_listens_on_is_not_taken_away(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    path = tmp_path / "plane.sock"

    async def main() -> None:
        first, second = H1Server(echo, HttpLimits()), H1Server(echo, HttpLimits())
        await first.listen_unix(str(path))
        with pytest.raises(OSError, match="another process listens there") as refused:
            await second.listen_unix(str(path))
        assert refused.value.errno == errno.EADDRINUSE
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(LAST)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        # Whoever has taken the path meanwhile keeps it.
        path.unlink()
        path.write_text("somebody else's")
        await first.drain(1)
        assert path.read_text() == "somebody else's"

    with runner:
        runner.run(main())


@pytest.mark.parametrize("what", ["file", "folder", "name"])
def test_what_is_in_the_way_of_a_unix_socket_stays_and_is_named(
    runner: asyncio.Runner, tmp_path: Path, what: str
) -> None:
    path = {"file": tmp_path / "f", "folder": tmp_path / "missing" / "s", "name": tmp_path / ("s" * 120)}[
        what
    ]
    if what == "file":
        path.write_text("precious")

    async def main() -> None:
        with pytest.raises(OSError, match="cannot listen on unix:") as refused:
            await H1Server(echo, HttpLimits()).listen_unix(str(path))
        assert what != "folder" or str(refused.value).endswith(f"there is no directory {path.parent}")

    with runner:
        runner.run(main())
    assert what != "file" or path.read_text() == "precious"


def test_an_address_in_use_is_named(runner: asyncio.Runner) -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: ") as refused:
                await H1Server(echo, HttpLimits()).listen_tcp("127.0.0.1", port)
        assert refused.value.errno == errno.EADDRINUSE

    with runner:
        runner.run(main())


def test_a_host_that_has_no_address_is_named(runner: asyncio.Runner) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=r"cannot listen on no-such-host.invalid:0: "):
            await H1Server(echo, HttpLimits()).listen_tcp("no-such-host.invalid", 0)

    with runner:
        runner.run(main())


# PROXY protocol


@asynccontextmanager
async def behind_proxies(
    networks: Networks, limits: HttpLimits | None = None
) -> AsyncIterator[tuple[H1Server, str, int]]:
    server = H1Server(whoami, limits or HttpLimits(), proxy_protocol=networks)
    host, port = await server.listen_tcp("127.0.0.1", 0)
    try:
        yield server, host, port
    finally:
        await server.drain(0.5)


async def dribble(host: str, port: int, raw: bytes) -> bytes:
    """Byte by byte, each in a segment of its own as far as the kernel likes."""
    reader, writer = await asyncio.open_connection(host, port)
    for at in range(len(raw)):
        writer.write(raw[at : at + 1])
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def test_a_proxy_header_is_required_of_configured_peers_and_believed(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with behind_proxies(Networks(["127.0.0.0/8"])) as (server, host, port):
            for raw, who in (
                (header("198.51.100.7"), b"198.51.100.7 True"),
                (header("2a00::7", b"\x20\0\2hi"), b"2a00::7 True"),
                (SIGNATURE + b"\x20\0\0\0", b"127.0.0.1 True"),
                (header("127.0.0.1"), b"127.0.0.1 True"),  # on the proxy's machine, and not direct
            ):
                assert (await exchange_bytes(host, port, raw + LAST)).endswith(who)
                assert (await dribble(host, port, raw + LAST)).endswith(who)
            assert server.refused == {}
            for raw in (LAST, b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + LAST, header("1.1.1.1", family=0x12)):
                assert await reset_or_empty(host, port, raw) == b""
            assert server.refused == {"proxy_malformed": 3}

    with runner:
        runner.run(main())


async def reset_or_empty(host: str, port: int, raw: bytes) -> bytes:
    try:
        return await exchange_bytes(host, port, raw)
    except ConnectionError:
        return b""


def test_a_proxy_header_of_anybody_else_is_refused(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with behind_proxies(Networks(["10.0.0.0/8"])) as (server, host, port):
            answer = await exchange_bytes(host, port, header("127.0.0.1") + LAST)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert server.refused == {"proxy_forbidden": 1}
            assert (await exchange_bytes(host, port, LAST)).endswith(b"127.0.0.1 False")

    with runner:
        runner.run(main())


def test_a_proxy_header_that_does_not_come_is_not_waited_for(runner: asyncio.Runner) -> None:
    async def main() -> None:
        limits = HttpLimits(header_timeout=0.2)
        async with behind_proxies(Networks(["127.0.0.1"]), limits) as (server, host, port):
            answers = await asyncio.gather(
                *(reset_or_empty(host, port, raw) for raw in (b"", SIGNATURE, header("1.1.1.1")[:-1]))
            )
            assert answers == [b""] * 3
            assert server.refused == {"proxy_timeout": 3}
            assert server.connections == 0

    with runner:
        runner.run(main())


def test_a_proxy_header_comes_before_tls(runner: asyncio.Runner, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    trust = ssl.create_default_context(cafile=str(file))

    def ask(host: str, port: int, first: bytes) -> bytes:
        """A blocking client, because only it can send something before it shakes hands."""
        with socket.create_connection((host, port), timeout=5) as plain:
            plain.sendall(first)
            with trust.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(LAST)
                return b"".join(iter(lambda: secure.recv(4096), b""))

    async def main() -> None:
        server = H1Server(whoami, HttpLimits(), proxy_protocol=Networks(["127.0.0.1"]))
        face = server.tls_face(TlsTerms(context, requires_certificate=False), certificate_read)
        host, port = await server.listen_tcp("127.0.0.1", 0, face)
        answer = await asyncio.to_thread(ask, host, port, header("198.51.100.7", b"\4\0\1x"))
        assert answer.endswith(b"198.51.100.7 True")
        with pytest.raises(OSError):  # noqa: PT011 -- a reset or an end within the handshake
            await asyncio.to_thread(ask, host, port, b"")
        assert server.refused == {"proxy_malformed": 1}
        await server.drain(1.0)

    with runner:
        runner.run(main())


# silence


@pytest.mark.spec("DW-233", "DW-824")
def test_a_silent_stream_is_given_a_sign_of_life_and_a_busy_one_is_not(runner: asyncio.Runner) -> None:
    def stream(exchange: Exchange) -> None:
        exchange.start(200, ((b"content-type", b"text/event-stream"),))

    def comment(exchange: Exchange) -> None:
        exchange.write_nowait(b":\n\n")

    async def main() -> None:
        limits = HttpLimits(quiet_timeout=0.3, linger_timeout=0.2)
        server = H1Server(stream, limits, quiet=comment)
        host, port = await server.listen_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(20):
            for _ in range(3):
                assert await reader.readuntil(b":\n\n\r\n") == b"3\r\n:\n\n\r\n"
        assert asyncio.get_running_loop().time() - started >= 0.9
        writer.close()
        await server.drain(1.0)

    with runner:
        runner.run(main())


# stopping


def test_nobody_who_got_in_is_left_without_an_answer(runner: asyncio.Runner) -> None:
    """Those that only the kernel has accepted, idle ones whose next request is on its way, busy ones."""

    async def main() -> None:
        late: list[Exchange] = []

        def handler(exchange: Exchange) -> None:
            if exchange.request.path == "/1":
                late.append(exchange)
            else:
                echo(exchange)

        server = H1Server(handler, HttpLimits())
        host, port = await server.listen_tcp("127.0.0.1", 0)
        busy, idle = await asyncio.open_connection(host, port), await asyncio.open_connection(host, port)
        busy[1].write(GET % 1)
        idle[1].write(GET % 2)
        assert (await idle[0].readuntil(b"/2 ")).startswith(b"HTTP/1.1 200 ")
        while not late:  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.01)
        waiting = []
        for number in range(50):  # in the kernel's queue: no turn of the loop happens in between
            sock = socket.create_connection((host, port))
            sock.sendall(GET % (100 + number))
            waiting.append(sock)
        draining = asyncio.create_task(server.drain(5.0))
        await asyncio.sleep(0.05)
        idle[1].write(GET % 3)  # was on its way when the listener closed
        assert b"\r\nconnection: close\r\n" in await idle[0].readuntil(b"/3 ")
        late[0].respond(200, (), b"done")
        assert (await busy[0].read()).endswith(b"done")
        for number, sock in enumerate(waiting):
            sock.settimeout(20)
            answer = await asyncio.to_thread(sock.recv, 4096)
            assert answer.endswith(b"/%d " % (100 + number))
            sock.close()
        assert await draining == 0
        for _, writer in (busy, idle):
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)

    with runner:
        runner.run(main())


def test_a_stop_without_anybody_takes_no_time(runner: asyncio.Runner) -> None:
    async def main() -> None:
        server = H1Server(echo, HttpLimits())
        await server.listen_tcp("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await server.drain(10.0) == 0
        assert loop.time() - started < 2.0

    with runner:
        runner.run(main())


def test_no_descriptor_is_left_of_a_server_that_has_stopped(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def served() -> int:
        """Descriptors open after a server has come and gone."""
        server = H1Server(echo, HttpLimits())
        host, port = await server.listen_tcp("127.0.0.1", 0)
        await server.listen_unix(str(tmp_path / "s"))
        for number in range(5):
            await exchange_bytes(host, port, b"GET /%d HTTP/1.0\r\nHost: a\r\n\r\n" % number)
        await server.drain(1.0)
        await asyncio.sleep(0.05)
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- a loop is not held up by /proc

    async def main() -> None:
        once = await served()  # a loop opens some for itself, once
        assert [await served() for _ in range(3)] == [once] * 3

    with runner:
        runner.run(main())
