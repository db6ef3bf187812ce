"""TLS of the data plane, from its files to the listener: built, followed, and replaced as a whole.

A state of the files is one `ssl.SSLContext`. It is never changed: OpenSSL can add authorities to a context
but not take one away, and its tickets would outlive the authority that the session was verified under. A new
state is a new context with new ticket keys.
"""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from doorward.app import tls_files
from doorward.app.tls_files import Material, TlsFilesError, inspect
from doorward.app.watch import FileWatch
from doorward.config.errors import Problem
from doorward.config.load import Loaded
from doorward.config.tls import GatewayTls
from doorward.edge.h1 import H1Server
from doorward.edge.secure import TlsFace, TlsTerms
from doorward.identity import certificate
from doorward.model.certificate import ClientCertificate

VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has no
others."""
WARN_DAYS: Final = (30, 14, 7, 3, 2, 1)
"""Days before the end of the certificate at which the operator is told."""


class Prepared(NamedTuple):
    """A state of the files that can be put in force."""

    tls: GatewayTls
    material: Material
    terms: TlsTerms


def prepare(tls: GatewayTls) -> Prepared:
    """Read the files and build their context. Raises TlsFilesError, OSError (ssl.SSLError is one)."""
    material = inspect(tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[tls.min_version]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    # An empty passphrase: without one OpenSSL would ask the terminal for it.
    context.load_cert_chain(tls.cert, tls.key, password="")
    if material.authorities is not None:
        context.load_verify_locations(cadata=material.authorities)
        context.verify_mode = ssl.CERT_REQUIRED if tls.requires_certificate else ssl.CERT_OPTIONAL
        # An intermediate authority alone may be trusted, without all that its root has signed.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return Prepared(tls, material, TlsTerms(context, tls.requires_certificate))


class SecureListener:
    """The TLS of one listener. `say` takes a line for the operator."""

    def __init__(
        self, tls: GatewayTls, say: Callable[[str], None], now: Callable[[], datetime] | None = None
    ) -> None:
        """Raises TlsFilesError, OSError."""
        self._watch = FileWatch(_files(tls))
        self._say = say
        self._now = now or (lambda: datetime.now(UTC))
        self._current = prepare(tls)
        self._face: TlsFace | None = None
        self._retry = False
        """The files were bad at the last look: half of a pair has been replaced, as a rule."""
        self._warned: int | None = None
        self.problem: str | None = None
        """Why the newest files are not in force."""

    @staticmethod
    def problems(loaded: Loaded) -> list[Problem]:
        """What is wrong with the files that another configuration names."""
        return tls_files.problems(loaded)

    @staticmethod
    def prepare(tls: GatewayTls) -> Prepared:
        """What `adopt` takes. Raises TlsFilesError, OSError."""
        return prepare(tls)

    def face(self, http: H1Server) -> TlsFace:
        """What the server's listener is given."""
        self._face = http.tls_face(self._current.terms, certificate.read)
        return self._face

    @property
    def settings(self) -> GatewayTls:
        """Those in force."""
        return self._current.tls

    @property
    def presents(self) -> str:
        """SHA-256 over the certificate that the listener presents, which its file may have left behind."""
        return self._current.material.presented

    def look(self) -> None:
        """Put changed files in force, or say why not and keep the old ones; warn before the certificate ends.

        Certificate and key are two files: a pair that does not fit is looked at once more before it counts.
        """
        self._warn()
        changed = self._watch.changed()
        if not changed and not self._retry:
            return
        again, self._retry = self._retry and not changed, False
        try:
            self.adopt(prepare(self._current.tls))
        except (TlsFilesError, OSError) as error:
            self._retry = not again
            if again:
                self.problem = str(error)
                self._say(f"{error}; the certificate that was read before stays in force")
            return
        self._say(f"the TLS files were read again; the certificate expires {self._remaining()}")

    def adopt(self, new: Prepared) -> None:
        """From now on handshakes are held under `new`. An authority that is gone from it takes with it whom
        it vouched for: such connections end after the answer in progress."""
        old, self._current = self._current, new
        self._watch.follow(_files(new.tls))
        self.problem = None
        self._warned = None
        if self._face is not None:
            self._face.renew(new.terms, _lapsed(old, new))

    @property
    def days(self) -> int:
        """Whole days until the certificate expires; negative afterwards."""
        return (self._current.material.not_after - self._now()).days

    def state(self) -> dict[str, Any]:
        """For /readyz and `status`."""
        tls = self._current.tls
        asked = None if tls.client_ca is None else "required" if tls.requires_certificate else "optional"
        return {
            "expires": self._current.material.not_after.isoformat(timespec="seconds"),
            "days": self.days,
            "min_version": tls.min_version,
            "client_cert": asked,
            "problem": self.problem,
        }

    def _warn(self) -> None:
        days = self.days
        due = 0 if days < 0 else min((limit for limit in WARN_DAYS if days < limit), default=None)
        if due is None or due == self._warned:
            return
        self._warned = due
        end = f"expires {self._remaining()}" if days >= 0 else "has expired"
        self._say(f"the TLS certificate {self._current.tls.cert} {end}")

    def _remaining(self) -> str:
        left = self._current.material.not_after - self._now()
        return f"in {left.days} days" if left.days > 1 else f"in {int(left.total_seconds() // 3600)} hours"


def _lapsed(old: Prepared, new: Prepared) -> Callable[[ClientCertificate | None], bool] | None:
    """Whom `old` let in and `new` might not. Which authority vouched for whom is not known any more, so with
    one of them everybody who presented a certificate has to come again."""
    stricter = new.terms.requires_certificate and not old.terms.requires_certificate
    fewer = not old.material.trusted <= new.material.trusted
    if not stricter and not fewer:
        return None
    return lambda certificate: stricter if certificate is None else fewer


def _files(tls: GatewayTls) -> tuple[Path, ...]:
    return tuple(path for path in (tls.cert, tls.key, tls.client_ca) if path is not None)
