"""Authorities and certificates for tests: good ones, and every way to be bad that a test asks for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
LOCAL: Final = (x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost"))


class Issued(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: bytes
    """PKCS #8, PEM, in clear."""

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """Files NAME.pem and NAME.key (mode 0600)."""
        return write(folder / f"{name}.pem", self.pem), write(folder / f"{name}.key", self.key)


class Authority:
    """Issues whatever it is asked for."""

    def __init__(self, name: str = "authority", issuer: Authority | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.name = named(name)
        self._issuer = issuer or self
        builder = self._builder(self.name, self._key, issuer or self, dt.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign((issuer or self)._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        subject: x509.Name | str = "agent",
        sans: Sequence[x509.GeneralName] | None = None,
        usage: ObjectIdentifier | None = CLIENT,
        lasts: dt.timedelta = dt.timedelta(days=1),
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Issued:
        """A certificate that ends `lasts` from now; a negative time makes an expired one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = named(subject) if isinstance(subject, str) else subject
        builder = self._builder(name, key, self, lasts)
        if sans is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(builder.sign(self._key, hashes.SHA256()), pem)

    def server(self, lasts: dt.timedelta = dt.timedelta(days=1)) -> Issued:
        """For 127.0.0.1 and localhost."""
        return self.issue("gateway", LOCAL, SERVER, lasts)

    @staticmethod
    def _builder(
        name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: Authority, lasts: dt.timedelta
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder(issuer.name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=400))
            .not_valid_after(now + lasts)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer._key.public_key()), critical=False
            )
        )


def named(common_name: str) -> x509.Name:
    """A subject with nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def write(path: Path, content: bytes, mode: int = 0o600) -> str:
    """Write a file with that mode; its path."""
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)
