"""A TLS listener: what its handshakes are held under, who was identified, and whose trust has ended."""

import ssl
import time
from collections.abc import Callable

import msgspec

from doorward.edge.handshakes import Handshakes, TlsRefusal
from doorward.edge.hub import Hub
from doorward.edge.tls_sides import Secured
from doorward.model.certificate import ClientCertificate


class TlsTerms(msgspec.Struct, frozen=True, eq=False):
    """One state of the certificate files.

    Each has a context of its own, and with it ticket keys of its own: no session of an earlier state can be
    resumed, so that a certificate is verified again under the authorities that are trusted now.
    """

    context: ssl.SSLContext
    requires_certificate: bool


class TlsFace:
    """Implements what `TlsConnection` asks of its listener.

    `read` makes an identity of a DER certificate and raises ValueError for one that cannot be read. `wall`
    gives Unix time, for the end of certificates.
    """

    def __init__(
        self,
        hub: Hub,
        terms: TlsTerms,
        read: Callable[[bytes], ClientCertificate],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self.terms = terms
        self._read = read
        self._wall = wall
        self.handshakes = Handshakes(hub)
        self._open: set[Secured] = set()
        """Established, and still trusted."""
        self._ending: dict[Secured, float] = {}
        """Connections whose answer in progress is their last, with the time by which it must be out."""

    def renew(self, terms: TlsTerms, lapsed: Callable[[ClientCertificate | None], bool] | None) -> None:
        """New connections are held to `terms`. `lapsed` tells who let in under the terms before, by what was
        presented, has to come again; then unfinished handshakes have to as well. None: nobody has."""
        self.terms = terms
        if lapsed is None:
            return
        self.handshakes.abort()
        for connection in [each for each in self._open if lapsed(each.certificate)]:
            self._distrust(connection)

    def sweep(self) -> None:
        """End what takes too long, and who has presented what has expired since."""
        self.handshakes.sweep()
        now, wall = self._hub.clock(), self._wall()
        for connection in [each for each in self._open if _expired(each.certificate, wall)]:
            self._distrust(connection)
        for connection in [each for each, deadline in self._ending.items() if deadline < now]:
            connection.abort()

    def close(self) -> None:
        """The listener closes: nobody gets in any more."""
        self.handshakes.abort()

    # what a connection asks

    def admit(self, connection: Secured) -> TlsRefusal | None:
        """Count its handshake in; the reason when it may not begin."""
        return self.handshakes.begin(connection)

    def identify(self, connection: Secured, der: bytes | None) -> ClientCertificate | None:
        """Of the certificate that the handshake has verified. Raises ValueError.

        A resumed session brings the certificate of the handshake that it goes back to, and OpenSSL does not
        look at its dates again.
        """
        if der is None:
            if connection.terms.requires_certificate:
                raise ValueError("no certificate was presented")
            return None
        certificate = self._read(der)
        if certificate.not_after < self._wall():
            raise ValueError("the certificate has expired")
        return certificate

    def established(self, connection: Secured) -> None:
        """Its handshake is complete."""
        self.handshakes.end(connection)
        self._open.add(connection)

    def forget(self, connection: Secured) -> None:
        """It is gone."""
        self.handshakes.end(connection)
        self._open.discard(connection)
        self._ending.pop(connection, None)

    def count(self, reason: TlsRefusal) -> None:
        """Count a refusal."""
        self._hub.count(reason)

    def _distrust(self, connection: Secured) -> None:
        self._open.discard(connection)
        self._ending[connection] = self._hub.clock() + self._hub.limits.retire_timeout
        self._hub.count(TlsRefusal.TRUST_WITHDRAWN)
        connection.retire()


def _expired(certificate: ClientCertificate | None, now: float) -> bool:
    return certificate is not None and certificate.not_after < now
