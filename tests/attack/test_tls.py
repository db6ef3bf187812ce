"""Hostile and clumsy clients of the TLS listener, over real loopback sockets."""

import asyncio
import ctypes
import ctypes.util
import datetime as dt
import select
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from doorward.app.listener import Prepared, prepare
from doorward.config.tls import GatewayTls
from doorward.edge.h1 import Exchange, H1Server, HttpLimits
from doorward.edge.handshakes import TlsRefusal
from doorward.edge.peers import Networks
from doorward.edge.secure import TlsFace
from doorward.identity import certificate
from tests.unit.identity.pki import SERVER, Authority, Issued, write

AUTHORITY = Authority()
STRANGER = Authority("stranger")
GATEWAY = AUTHORITY.server()
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [uvloop.new_event_loop, asyncio.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["uvloop", "asyncio"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    """The edge is written for uvloop and has to work without it."""
    return asyncio.Runner(loop_factory=request.param)


def echo(exchange: Exchange) -> None:
    found = exchange.certificate
    who = b"" if found is None else found.subject.encode()
    exchange.respond(200, (), exchange.request.path.encode() + b" " + who + b"!")


def prepared(folder: Path, **more: str) -> Prepared:
    cert, key = GATEWAY.write(folder, "gateway")
    write(folder / "ca.pem", AUTHORITY.pem)
    return prepare(GatewayTls.model_validate({"cert": cert, "key": key, **more}))


class Lab:
    """A listener as the gateway makes it, and clients for it."""

    def __init__(self, folder: Path, server: H1Server, face: TlsFace, port: int) -> None:
        self.folder = folder
        self.server = server
        self.face = face
        self.port = port

    def refusals(self, reason: TlsRefusal) -> int:
        return self.server.refused.get(reason.value, 0)

    async def connect(
        self, identity: Issued | None = None, **versions: ssl.TLSVersion
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        for name, value in versions.items():
            setattr(context, name, value)
        if identity is not None:
            context.load_cert_chain(*identity.write(self.folder, "client"))
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)

    async def ask(self, identity: Issued | None = None, **versions: ssl.TLSVersion) -> bytes:
        """What one request is answered. Raises ssl.SSLError or ConnectionError when it is not."""
        reader, writer = await self.connect(identity, **versions)
        try:
            writer.write(GET % 1)
            async with asyncio.timeout(20):
                return await reader.readuntil(b"!")
        finally:
            writer.transport.abort()


@asynccontextmanager
async def serving(folder: Path, limits: HttpLimits | None = None, **more: str) -> AsyncIterator[Lab]:
    server = H1Server(echo, limits or HttpLimits())
    face = server.tls_face(prepared(folder, **more).terms, certificate.read)
    _, port = await server.listen_tcp("127.0.0.1", 0, face)
    try:
        yield Lab(folder, server, face, port)
    finally:
        await server.drain(0.5)


BAD = {
    "expired": AUTHORITY.issue(lasts=dt.timedelta(days=-1)),
    "unknown authority": STRANGER.issue(),
    "the authority's name, another key": Authority("authority").issue(),
    "for servers": AUTHORITY.issue(usage=SERVER),
    "unreadable name": AUTHORITY.issue("a\0b"),
    "none": None,
}


@pytest.mark.parametrize("kind", BAD)
def test_who_cannot_prove_an_identity_gets_nothing(runner: asyncio.Runner, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with serving(tmp_path, client_ca=str(tmp_path / "ca.pem")) as lab:
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await lab.ask(BAD[kind])
            assert lab.server.refused == {TlsRefusal.CERTIFICATE_REFUSED.value: 1}
            assert lab.server.connections == 0
            assert b"CN=good" in await lab.ask(AUTHORITY.issue("good"))

    # The test's own authority comes first in this list: OpenSSL looks for an issuer by name.
    write(tmp_path / "ca.pem", AUTHORITY.pem)
    with runner:
        runner.run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_old_versions_are_refused(runner: asyncio.Runner, tmp_path: Path, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async with serving(tmp_path) as lab:
            with pytest.raises(ssl.SSLError):
                await lab.ask(maximum_version=version)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await lab.ask(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=version)
            assert await lab.ask()
        async with serving(tmp_path, min_version="1.2") as lab:
            if version is ssl.TLSVersion.TLSv1_2:
                assert await lab.ask(maximum_version=version)
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await lab.ask(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=version)

    with pytest.warns(DeprecationWarning, match=r"TLSv1"), runner:
        runner.run(main())


def test_renegotiation_is_refused(runner: asyncio.Runner, tmp_path: Path) -> None:
    """`R` at the beginning of a line is how openssl s_client asks for it (TLS 1.2 only)."""

    async def main() -> None:
        async with serving(tmp_path, min_version="1.2") as lab:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{lab.port}", "-tls1_2"]
            process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            async with asyncio.timeout(10):
                said, _ = await process.communicate(b"R\n")
            assert b"RENEGOTIATING" in said
            assert b"no renegotiation" in said
            assert await lab.ask()

    assert shutil.which("openssl")
    with runner:
        runner.run(main())


def update_keys(port: int, count: int) -> int:
    """Changes its keys again and again, asking for ours to change as well: cheap to send, dear to answer.

    Gives how often that worked. Python's ssl has no word for it, so this speaks to OpenSSL itself.
    """
    library = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so")
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(library, name).restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method())))
    made = ctypes.c_void_p(library.SSL_new(context))
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
        library.SSL_set_fd(made, sock.fileno())
        assert library.SSL_connect(made) == 1
        done = 0
        while done < count and library.SSL_key_update(made, 1) == 1 and library.SSL_do_handshake(made) == 1:
            done += 1
    library.SSL_free(made)
    library.SSL_CTX_free(context)
    return done


def test_key_updates_without_end_are_cut(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path) as lab:
            reader, writer = await lab.connect()
            attack = asyncio.get_running_loop().run_in_executor(None, update_keys, lab.port, 50_000)
            waits = []
            while not attack.done() or len(waits) < 20:
                started = time.perf_counter()
                writer.write(GET % 1)
                async with asyncio.timeout(20):
                    await reader.readuntil(b"!")
                waits.append(time.perf_counter() - started)
                await asyncio.sleep(0.001)
            assert await attack < 10_000
            assert lab.server.refused == {TlsRefusal.OVERHEAD.value: 1}
            assert sorted(waits)[len(waits) * 9 // 10] < 0.5
            writer.transport.abort()

    with runner:
        runner.run(main())


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        return await reader.read()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (GET % 1, TlsRefusal.PLAIN_HTTP),
        (b"GET / HTTP/1.1\r\n" * 50_000, TlsRefusal.PLAIN_HTTP),
        (b"\x80\x2e\x01\x03\x01", TlsRefusal.HANDSHAKE_FAILED),
    ],
)
def test_what_is_no_tls_is_closed_cleanly(
    runner: asyncio.Runner, tmp_path: Path, raw: bytes, reason: TlsRefusal
) -> None:
    async def main() -> None:
        async with serving(tmp_path) as lab:
            reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
            writer.write(raw)
            said = await until_closed(reader)  # and no reset
            assert (b"this port speaks TLS" in said) is (reason is TlsRefusal.PLAIN_HTTP)
            writer.close()
            await writer.wait_closed()
            assert lab.server.refused == {reason.value: 1}

    with runner:
        runner.run(main())


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_that_stalls_is_cut_in_time(runner: asyncio.Runner, tmp_path: Path, begin: bytes) -> None:
    async def main() -> None:
        async with serving(tmp_path, HttpLimits(handshake_timeout=0.4)) as lab:
            started = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
            writer.write(begin)
            assert await until_closed(reader) == b""
            assert 0.35 < time.monotonic() - started < 10.0
            assert lab.server.refused == {TlsRefusal.HANDSHAKE_TIMEOUT.value: 1}
            assert len(lab.face.handshakes) == 0
            writer.transport.abort()

    with runner:
        runner.run(main())


def client_hello() -> bytes:
    """A real one, of which each copy costs the server a key exchange and a signature."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    made = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        made.do_handshake()
    return outgoing.read()


def test_a_flood_of_handshakes_is_capped_and_calls_go_on(runner: asyncio.Runner, tmp_path: Path) -> None:
    """200 peers begin a handshake at once and leave it there; who is connected hardly notices."""

    async def main() -> None:
        limits = HttpLimits(handshakes=64, handshakes_per_ip=64, handshake_timeout=20.0)
        async with serving(tmp_path, limits) as lab:
            reader, writer = await lab.connect()
            hello = client_hello()
            flood = []
            for _ in range(200):
                sock = socket.create_connection(("127.0.0.1", lab.port))
                sock.sendall(hello)
                flood.append(sock)
            waits = []
            for number in range(100):
                started = time.perf_counter()
                writer.write(GET % number)
                async with asyncio.timeout(20):
                    await reader.readuntil(b"/%d !" % number)
                waits.append(time.perf_counter() - started)
            assert len(lab.face.handshakes) == 64
            assert lab.refusals(TlsRefusal.HANDSHAKES) == 136
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await lab.ask()
            assert sorted(waits)[90] < 0.5
            for sock in flood:
                sock.close()
            await asyncio.sleep(0.3)
            assert len(lab.face.handshakes) == 0
            assert await lab.ask()
            writer.transport.abort()

    with runner:
        runner.run(main())


def test_behind_a_proxy_each_client_has_its_own_places(runner: asyncio.Runner, tmp_path: Path) -> None:
    """The PROXY header comes before TLS: it says whose handshake this is."""

    async def main() -> None:
        limits = HttpLimits(handshakes_per_ip=2)
        server = H1Server(echo, limits, proxy_protocol=Networks(["127.0.0.1"]))
        face = server.tls_face(prepared(tmp_path).terms, certificate.read)
        _, port = await server.listen_tcp("127.0.0.1", 0, face)
        header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
        held = []
        for last in (1, 1, 1, 2):
            sock = socket.create_connection(("127.0.0.1", port))
            client = socket.inet_aton(f"198.51.100.{last}")
            sock.sendall(
                header + client + socket.inet_aton("127.0.0.1") + b"\x30\x39\x01\xbb" + client_hello()
            )
            held.append(sock)
        await asyncio.sleep(0.3)
        assert server.refused == {TlsRefusal.HANDSHAKES_PER_IP.value: 1}
        assert len(face.handshakes) == 3
        answered = [sock for sock in held if select.select([sock], [], [], 0)[0] and sock.recv(1)]
        assert len(answered) == 3
        for sock in held:
            sock.close()
        await server.drain(0.5)

    with runner:
        runner.run(main())


def test_one_address_cannot_take_all_places(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, HttpLimits(handshakes_per_ip=3)) as lab:
            held = [socket.create_connection(("127.0.0.1", lab.port)) for _ in range(5)]
            await asyncio.sleep(0.2)
            assert lab.refusals(TlsRefusal.HANDSHAKES_PER_IP) == 2
            other = socket.create_connection(("127.0.0.1", lab.port), source_address=("127.0.0.2", 0))
            await asyncio.sleep(0.1)
            assert len(lab.face.handshakes) == 4
            for sock in (*held, other):
                sock.close()

    with runner:
        runner.run(main())


def test_a_certificate_of_an_authority_that_is_gone_ends_with_its_answer(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(tmp_path, client_ca=str(tmp_path / "ca.pem")) as lab:
            reader, writer = await lab.connect(AUTHORITY.issue("agent"))
            writer.write(GET % 1)
            await reader.readuntil(b"CN=agent!")
            write(tmp_path / "new.pem", STRANGER.pem)
            new = prepared(tmp_path, client_ca=str(tmp_path / "new.pem"))
            lab.face.renew(new.terms, lambda found: found is not None)
            assert await until_closed(reader) == b""
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await lab.ask(AUTHORITY.issue("agent"))
            assert b"CN=agent" in await lab.ask(STRANGER.issue("agent"))
            writer.transport.abort()

    write(tmp_path / "ca.pem", AUTHORITY.pem)
    with runner:
        runner.run(main())


def test_slow_readers_do_not_fill_the_memory(runner: asyncio.Runner, tmp_path: Path) -> None:
    """Pipelined requests for large answers, none of which is taken."""

    async def main() -> None:
        large = b"x" * 1_000_000
        server = H1Server(lambda exchange: exchange.respond(200, (), large), HttpLimits())
        face = server.tls_face(prepared(tmp_path).terms, certificate.read)
        _, port = await server.listen_tcp("127.0.0.1", 0, face)
        lab = Lab(tmp_path, server, face, port)
        _, writer = await lab.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(200):
            writer.write(GET % number)
        await asyncio.sleep(0.5)
        (connection,) = face._open
        assert connection.get_write_buffer_size() < 3_000_000
        writer.transport.abort()
        assert await server.drain(0.5) <= 1

    with runner:
        runner.run(main())
