"""TLS between a socket and a connection: the socket's protocol on one side, the connection's transport on the
other. OpenSSL does the cryptography, through `ssl.SSLObject`; nothing of HTTP is known here.

The event loop's own TLS was not enough (docs/adr/0006-tls-on-the-data-plane.md): it starts a handshake before
anybody can refuse it, tells nobody why one failed, and keeps 256 KB for every connection.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from doorward.edge.handshakes import TlsRefusal
from doorward.edge.head import TLS_HANDSHAKE
from doorward.edge.peers import UNIX, canonical
from doorward.edge.records import Records
from doorward.edge.tls_sides import Face, Inner
from doorward.model.certificate import ClientCertificate

_HANDSHAKE: Final = TLS_HANDSHAKE[0]
_WORDS: Final = b"this port speaks TLS: use an https URL\n"
_SPEAKS_TLS: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b" % (len(_WORDS), _WORDS)
)
"""For who speaks plain HTTP: the one answer in clear. It says nothing that a port scan would not tell."""
_RECORD: Final = 16384
"""Bytes of plaintext in one record, at most."""
_BATCH: Final = 64
"""Records that are fed in one turn of the loop: about 3 ms of key updates, which are the dearest."""
_EMPTY: Final = 16
"""Records with content that have to come for each one without: a key update costs about as much."""
_EMPTY_LIMIT: Final = _EMPTY * 64
_GREETING: Final = 256 * 1024
"""Bytes of a handshake that may wait. A chain of certificates may have 100 KB (OpenSSL)."""


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """One accepted socket. `inner` gets `connection_made` once the handshake is complete, and only then."""

    __slots__ = (
        "_closing", "_deaf", "_empty", "_face", "_feeding", "_incoming", "_inner", "_make", "_outgoing",
        "_owing", "_raw", "_read", "_reading_paused", "_records", "_stopped", "_tls", "_write",
        "_write_paused", "certificate", "peer", "proxied_for", "terms",
    )  # fmt: skip

    def __init__(self, face: Face, make: Callable[[], Inner]) -> None:
        super().__init__()
        self._face = face
        self._make = make
        self.terms = face.terms
        """What the handshake is held under: a reload in between does not change it."""
        self.peer = UNIX
        self.proxied_for: str | None = None
        """Whom a PROXY header names: set before the connection is made."""
        self.certificate: ClientCertificate | None = None
        self._inner: Inner | None = None
        self._tls: ssl.SSLObject | None = None
        self._records = Records()
        self._closing = False
        self._deaf = False
        """What still arrives is thrown away."""
        self._empty = 0
        """What records without content have cost, less what those with content have made good."""
        self._feeding = False
        """The next records are fed in a turn of the loop that is on its way."""
        self._owing = False
        """Reading waits until the peer takes what TLS itself has to say."""
        self._reading_paused = False
        """Reading waits for `inner`."""
        self._stopped = False
        """For one reason or another the socket is not read."""
        self._write_paused = False

    # asyncio.Protocol, towards the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        address = self.proxied_for or (peername[0] if isinstance(peername, tuple) else UNIX)
        self.peer = canonical(address) or address
        excess = self._face.admit(self)
        if excess is not None:
            self._face.count(excess)
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._inner is None:
            self._greet(data)
        elif self._records.is_one(data):
            self._incoming.write(data)
            if not self._reading_paused:
                self._pump(1)
        else:
            self._records.add(data)
            if not self._feeding:
                self._feed()

    def eof_received(self) -> bool:
        """The peer says no more, with or without a close_notify: HTTP knows what was cut short. There is no
        half-closed TLS here. The common clients wait for our close_notify before they close, so what was half
        closed could not be told from what is left."""
        if self._inner is not None and not self._deaf:
            self._deaf = True
            self._inner.eof_received()
            self._say_goodbye()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is None and self._tls is not None and not self._closing:
            self._face.count(TlsRefusal.HANDSHAKE_FAILED)  # it began, and the peer went away
        self._deaf = self._closing = True
        self._face.forget(self)
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._owing = False
        self._adjust()
        if self._inner is not None:
            self._inner.resume_writing()

    # the handshake

    def _greet(self, data: bytes) -> None:
        if self._tls is None:
            if data[0] != _HANDSHAKE:
                self._decline(data)
                return
            # Only now: whoever connects and says nothing costs no more than a plain connection.
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self._tls = self.terms.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            self._read, self._write = tls.read, tls.write
        self._records.add(data)
        if len(self._records) > _GREETING:
            self._fail(TlsRefusal.HANDSHAKE_FAILED)
        else:
            self._face.handshakes.ready(self)

    def step(self) -> None:
        """Implements Handshake."""
        if self._tls is None or self._inner is not None or self._deaf:
            return
        part, complete = self._records.take(_BATCH)
        self._incoming.write(part)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            if complete == _BATCH:
                self._face.handshakes.ready(self)
            return
        except ssl.SSLError as error:
            self._fail(_refusal(error))
            return
        try:
            self.certificate = self._face.identify(self, self._tls.getpeercert(binary_form=True))
        except ValueError:
            self._fail(TlsRefusal.CERTIFICATE_REFUSED)
            return
        self._establish()

    def _establish(self) -> None:
        self._flush()
        self._face.established(self)
        inner = self._inner = self._make()
        inner.connection_made(self)
        self._go_on()

    def give_up(self) -> None:
        """Implements Handshake."""
        if not self._closing:
            self._face.count(TlsRefusal.HANDSHAKE_TIMEOUT)
        self.abort()

    def _decline(self, data: bytes) -> None:
        """What speaks no TLS at all. A method begins with a letter; anything else is left without a word."""
        if data[:1].isalpha():
            self._raw.write(_SPEAKS_TLS)
            self._fail(TlsRefusal.PLAIN_HTTP)
        else:
            self._fail(TlsRefusal.HANDSHAKE_FAILED)

    def _fail(self, reason: TlsRefusal) -> None:
        """Let the peer have the alert that OpenSSL wrote, if any, and hear it out until it closes: closing on
        unread input would reset the connection and take the alert with it."""
        self._face.count(reason)
        self._flush()
        self._deaf = self._closing = True
        with suppress(OSError):  # of a peer that has gone, which we are told next
            self._raw.write_eof()

    def retire(self) -> None:
        """The answer in progress is the last."""
        if self._inner is None:
            self.abort()
        elif not self._closing:
            self._inner.retire()

    # records

    def _feed(self) -> None:
        """A batch of records now, the rest in turns of their own: others have a right to the loop."""
        self._feeding = False
        if not self._reading_paused and not self._deaf:
            part, complete = self._records.take(_BATCH)
            if part:
                self._incoming.write(part)
                self._pump(complete)
                self._feeding = complete == _BATCH and not self._deaf
                if self._feeding:
                    asyncio.get_running_loop().call_soon(self._feed)
        self._adjust()

    def _pump(self, fed: int) -> None:
        """Hand on what decrypts of what was fed: `fed` whole records."""
        inner, incoming = self._inner, self._incoming
        if inner is None:
            return
        ended = False
        parts: list[bytes] = []
        try:
            plain = self._read(_RECORD)
            while plain and incoming.pending:  # one read takes all of a record
                parts.append(plain)
                plain = self._read(_RECORD)
            ended = not plain
        except ssl.SSLWantReadError:
            plain = b""
        except ssl.SSLError:
            self._break(TlsRefusal.RECORD_REFUSED)
            return
        contents = len(parts) + (1 if plain else 0)
        if parts:
            parts.append(plain)
            plain = b"".join(parts)
        if self._outgoing.pending:
            self._flush()
        if fed > contents or self._empty:
            self._weigh(fed - contents, contents)
        if plain and not self._deaf:
            inner.data_received(plain)
        if ended and not self._deaf:
            self._end()

    def _weigh(self, empty: int, contents: int) -> None:
        self._empty = max(0, self._empty + _EMPTY * empty - contents)
        if self._empty > _EMPTY_LIMIT:
            self._break(TlsRefusal.OVERHEAD)
        elif empty > 0 and self._write_paused:
            # Each key update asks for one of ours: a peer that does not take them may send no more.
            self._owing = True
            self._adjust()

    def _adjust(self) -> None:
        """Read the socket or not."""
        stopped = self._reading_paused or self._owing or self._feeding
        if stopped is not self._stopped and not self._raw.is_closing():
            self._stopped = stopped
            if stopped:
                self._raw.pause_reading()
            else:
                self._raw.resume_reading()

    def _end(self) -> None:
        """close_notify (RFC 8446 section 6.1)."""
        self.eof_received()
        self.close()

    def _break(self, reason: TlsRefusal) -> None:
        self._face.count(reason)
        self._flush()
        self._deaf = True
        self.abort()

    def _flush(self) -> None:
        if self._tls is not None and self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    # asyncio.Transport, towards the connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket's transport knows, `client_certificate` and `proxied_for`."""
        if name == "client_certificate":
            return self.certificate
        if name == "proxied_for":
            return self.proxied_for
        return self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send. Nothing happens once the connection is closing."""
        if self._closing or not data:
            return
        try:
            # One record at a time: OpenSSL's buffer keeps the size of the largest answer that it has seen.
            if len(data) <= _RECORD:
                self._write(data)
                self._raw.write(self._outgoing.read())
                return
            view = memoryview(data)
            while view:
                view = view[self._write(view[:_RECORD]) :]
                self._raw.write(self._outgoing.read())
        except ssl.SSLError:
            self._break(TlsRefusal.RECORD_REFUSED)

    def can_write_eof(self) -> bool:
        """True: TLS has its own word for it."""
        return True

    def write_eof(self) -> None:
        """Say close_notify and FIN; what still comes is read and thrown away."""
        self._say_goodbye()
        self._deaf = True
        if not self._raw.is_closing():
            with suppress(OSError):  # as in `_fail`
                self._raw.write_eof()

    def close(self) -> None:
        """Say close_notify, send what waits, close."""
        self._say_goodbye()
        self._raw.close()

    def abort(self) -> None:
        self._deaf = self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        self._reading_paused = True
        self._adjust()

    def resume_reading(self) -> None:
        """What came before the pause goes first, in a turn of its own."""
        self._reading_paused = False
        self._adjust()
        asyncio.get_running_loop().call_soon(self._go_on)

    def get_write_buffer_size(self) -> int:
        """Bytes of ciphertext that the peer has not taken."""
        return self._raw.get_write_buffer_size()

    def _go_on(self) -> None:
        """With what has arrived meanwhile."""
        if self._incoming.pending and not self._reading_paused and not self._deaf:
            self._pump(0)
        if not self._feeding:
            self._feed()

    def _say_goodbye(self) -> None:
        if self._closing or self._tls is None:
            return
        self._closing = True
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # it waits for the peer's own goodbye (SSLWantReadError), and we do not
        self._flush()


def _refusal(error: ssl.SSLError) -> TlsRefusal:
    if isinstance(error, ssl.SSLCertVerificationError) or error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return TlsRefusal.CERTIFICATE_REFUSED
    return TlsRefusal.HANDSHAKE_FAILED
