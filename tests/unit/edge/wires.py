"""A TLS client without a socket, against a TlsConnection on a fake transport."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doorward.edge.connection import Connection
from doorward.edge.handshakes import TlsRefusal
from doorward.edge.hub import Hub
from doorward.edge.limits import HttpLimits
from doorward.edge.secure import TlsFace, TlsTerms
from doorward.edge.tls import TlsConnection
from doorward.identity import certificate
from tests.unit.edge.fakes import Clock, FakeTransport
from tests.unit.identity.pki import Authority, Issued

AUTHORITY = Authority()
GATEWAY = AUTHORITY.server()


class Inner:
    """Stands in for the HTTP connection: writes down what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.told: list[str] = []
        self.pieces = 0
        self.keeps_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.pieces += 1

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def retire(self) -> None:
        self.told.append("retire")


def server_terms(
    folder: Path, asks: ssl.VerifyMode = ssl.CERT_NONE, trusted: Authority = AUTHORITY, **versions: Any
) -> TlsTerms:
    """Terms with a certificate of AUTHORITY; `versions` as attributes of SSLContext."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*GATEWAY.write(folder, "gateway"))
    context.minimum_version = versions.get("minimum_version", ssl.TLSVersion.TLSv1_3)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if asks is not ssl.CERT_NONE:
        context.load_verify_locations(cadata=trusted.pem.decode())
        context.verify_mode = asks
    return TlsTerms(context, asks is ssl.CERT_REQUIRED)


class Server:
    """A face with its counters, and clients for it."""

    def __init__(self, terms: TlsTerms, **limits: float) -> None:
        self.clock = Clock()
        self.wall = 0.0
        self.hub = Hub(lambda _: None, HttpLimits(**limits), None, self.clock)  # type: ignore[arg-type]
        self.face = TlsFace(self.hub, terms, certificate.read, wall=lambda: self.wall)

    @property
    def refused(self) -> dict[str, int]:
        return self.hub.refused

    def refusals(self, reason: TlsRefusal) -> int:
        return self.hub.refused.get(reason.value, 0)

    def accept(self, peer: str = "192.0.2.1") -> "Wire":
        return Wire(self.face, peer)

    def accept_http(self) -> "Wire":
        """With the real HTTP connection inside."""
        return Wire(self.face, "192.0.2.1", lambda: Connection(self.hub, asyncio.get_running_loop()))


class Wire:
    """One connection: `client` is OpenSSL, `inner` what the server's HTTP side would be."""

    def __init__(self, face: TlsFace, peer: str, make: Callable[[], Connection] | None = None) -> None:
        self.inner = Inner()
        self.raw = FakeTransport((peer, 5000))
        self.server = TlsConnection(face, make or (lambda: self.inner))
        self.server.connection_made(self.raw)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._taken = 0
        self.client: ssl.SSLObject = None  # type: ignore[assignment] # until `hello`

    def hello(
        self,
        folder: Path | None = None,
        identity: Issued | None = None,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> "Wire":
        """Begin as a client that trusts AUTHORITY."""
        context = context or client_context(folder, identity)
        self.client = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost", session=session
        )
        return self

    async def shake(self) -> None:
        """Complete the handshake, as far as both sides go. Raises what the client raises."""
        for _ in range(4):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            await self.exchange()

    async def exchange(self) -> None:
        """What either side has written reaches the other."""
        if self._outgoing.pending:
            self.server.data_received(self._outgoing.read())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._incoming.write(self.raw.out[self._taken :])
        self._taken = len(self.raw.out)

    async def say(self, data: bytes) -> None:
        """Write as the client, in as many records as that takes."""
        view = memoryview(data)
        while view:
            view = view[self.client.write(view) :]
        await self.exchange()

    def ciphertext(self, data: bytes) -> bytes:
        """The records for `data`, not delivered."""
        self.client.write(data)
        return self._outgoing.read()

    def hear(self) -> bytes:
        """What the client can read now."""
        heard = b""
        self._incoming.write(self.raw.out[self._taken :])
        self._taken = len(self.raw.out)
        try:
            while piece := self.client.read(65536):
                heard += piece
        except ssl.SSLWantReadError:
            pass
        return heard


def client_context(folder: Path | None = None, identity: Issued | None = None) -> ssl.SSLContext:
    """Trusts AUTHORITY; presents `identity`, which is written below `folder`."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    if identity is not None:
        assert folder is not None
        context.load_cert_chain(*identity.write(folder, "identity"))
    return context
