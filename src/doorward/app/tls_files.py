"""The files of `gateway.tls`, read and judged: every fault at once, in words, before OpenSSL sees them."""

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from doorward.config.errors import Problem
from doorward.config.load import Loaded
from doorward.config.tls import GatewayTls

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of one file: the bundle of all public authorities has a quarter of a megabyte."""


class Fault(NamedTuple):
    """Something wrong with one file. `member` is its key under `gateway.tls`."""

    member: str
    message: str
    hint: str | None = None


class TlsFilesError(ValueError):
    """The files cannot be used. `faults` is never empty."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"gateway.tls.{fault.member}: {fault.message}" for fault in faults))


class Material(NamedTuple):
    """What good files hold."""

    not_after: datetime
    """When the gateway's certificate, or one that it comes with, expires first; UTC."""
    presented: str
    """SHA-256 over the gateway's certificate, in hexadecimal."""
    authorities: str | None
    """The PEM text of `client_ca`."""
    trusted: frozenset[bytes]
    """SHA-256 over each authority in it."""


def problems(loaded: Loaded) -> list[Problem]:
    """What is wrong with the files of `gateway.tls`, with file and line of the configuration."""
    tls = loaded.settings.gateway.tls
    if tls is None:
        return []
    try:
        inspect(tls)
    except TlsFilesError as error:
        return [
            loaded.problem(("gateway", "tls", fault.member), fault.message, fault.hint)
            for fault in error.faults
        ]
    return []


def inspect(tls: GatewayTls, now: datetime | None = None) -> Material:
    """What the files hold. `now`: UTC. Raises TlsFilesError."""
    faults: list[Fault] = []
    now = now or datetime.now(UTC)
    chain = _certificates("cert", tls.cert, faults)
    public = _public_key(tls.key, faults)
    authorities = _certificates("client_ca", tls.client_ca, faults) if tls.client_ca is not None else []
    if chain:
        faults += _faults_of_chain(tls.cert, chain, now)
    if chain and public is not None and chain[0].public_key() != public:
        hint = f"the first certificate in {tls.cert} must be the one that the key belongs to"
        faults.append(Fault("key", f"{tls.key} is not the key of the certificate in {tls.cert}", hint))
    if authorities:
        faults += _faults_of_authorities(tls.client_ca, authorities, now)
    if faults:
        raise TlsFilesError(faults)
    return Material(
        not_after=min(certificate.not_valid_after_utc for certificate in chain),
        presented=hashlib.sha256(_der(chain[0])).hexdigest(),
        authorities="".join(_pem(certificate) for certificate in authorities) or None,
        trusted=frozenset(hashlib.sha256(_der(certificate)).digest() for certificate in authorities),
    )


def _certificates(member: str, path: Path, faults: list[Fault]) -> list[x509.Certificate]:
    content = _content(member, path, faults)
    if content is None:
        return []
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        faults.append(Fault(member, f"{path} holds no PEM certificates"))
        return []


def _public_key(path: Path, faults: list[Fault]) -> PublicKeyTypes | None:
    content = _content("key", path, faults)
    if content is None:
        return None
    faults += _faults_of_mode(path, path.stat(), os.geteuid())
    try:
        return serialization.load_pem_private_key(content, None).public_key()
    except TypeError:  # cryptography's word for a key that wants a passphrase
        hint = f"there is nobody to ask at start: openssl pkey -in {path} -out FILE"
        faults.append(Fault("key", f"{path} is protected by a passphrase", hint))
    except ValueError:
        faults.append(Fault("key", f"{path} holds no PEM private key"))
    return None


def _content(member: str, path: Path, faults: list[Fault]) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        faults.append(Fault(member, f"cannot read {path}: {error.strerror}"))
        return None
    if len(content) > MAX_BYTES:
        faults.append(Fault(member, f"{path} is larger than {MAX_BYTES} bytes"))
        return None
    return content


def _faults_of_mode(path: Path, status: os.stat_result, user: int) -> Iterator[Fault]:
    """Ours: for nobody else. Root's: its group may read it, as we do then (the rule of PostgreSQL's
    `ssl_key_file`, and what a mounted secret or Debian's ssl-cert group look like)."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (user, 0):
        message = f"{path} belongs to user id {status.st_uid}, and Doorward runs as {user}"
        yield Fault("key", message, f"chown {user} {path}")
    elif mode & (stat.S_IRWXO | (stat.S_IRWXG if status.st_uid == user else stat.S_IWGRP | stat.S_IXGRP)):
        yield Fault("key", f"{path} can be read by other users (mode {mode:04o})", f"chmod 600 {path}")


def _faults_of_chain(path: Path, chain: list[x509.Certificate], now: datetime) -> Iterator[Fault]:
    yield from _faults_of_dates(path, chain, now)
    try:
        usage = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return  # without the extension it is good for everything; clients judge a malformed one
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.intersection(usage):
        hint = "no client accepts it: it needs the extended key usage serverAuth, or none"
        yield Fault("cert", f"the certificate in {path} is not for servers", hint)


def _faults_of_dates(path: Path, chain: list[x509.Certificate], now: datetime) -> Iterator[Fault]:
    for certificate in chain:
        if certificate.not_valid_after_utc < now:
            when = certificate.not_valid_after_utc.date().isoformat()
            yield Fault("cert", f"{_which(certificate, chain)} in {path} expired on {when}")
        elif certificate.not_valid_before_utc > now:
            when = certificate.not_valid_before_utc.isoformat()
            yield Fault("cert", f"{_which(certificate, chain)} in {path} is not valid before {when}")


def _which(certificate: x509.Certificate, chain: list[x509.Certificate]) -> str:
    return "the certificate" if certificate is chain[0] else f"certificate {chain.index(certificate) + 1}"


def _faults_of_authorities(
    path: Path | None, authorities: list[x509.Certificate], now: datetime
) -> Iterator[Fault]:
    """A bundle may hold more than we can use; with nothing usable in it nobody could get in."""
    usable = [each for each in authorities if _is_authority(each) and each.not_valid_after_utc >= now]
    if not usable:
        yield Fault("client_ca", f"{path} holds no authority that is valid now")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
