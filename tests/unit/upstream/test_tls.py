import datetime as dt
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doorward.upstream.tls import ReloadingContext, build_context


def make_pair(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(cert), str(private)


def test_names_are_checked_and_old_versions_are_not_spoken() -> None:
    context = build_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert build_context(min_version="1.2").minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(ValueError, match="TLS version"):
        build_context(min_version="1.1")


def test_an_authority_replaces_the_systems(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path, "a.test")
    context = build_context(ca=cert, cert=cert, key=key)
    assert len(context.get_ca_certs()) == 1


def test_changed_files_are_used_and_broken_ones_are_not(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path, "a.test")
    provider = ReloadingContext(ca=cert, cert=cert, key=key)
    first = provider()
    assert provider() is first
    Path(cert).write_text("half-written")
    assert provider() is first
    assert provider.problem is not None
    make_pair(tmp_path, "a.test")
    os.utime(cert, (1, 1))
    assert provider() is not first
    assert provider.problem is None


def test_a_configuration_that_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        ReloadingContext(ca=str(tmp_path / "missing.pem"))


def test_equal_configurations_are_equal() -> None:
    assert ReloadingContext() == ReloadingContext()
    assert ReloadingContext(min_version="1.2") != ReloadingContext()


def test_a_context_is_made_when_it_is_asked_for_and_says_so_before(tmp_path: Path) -> None:
    system = ReloadingContext()
    assert system.stale
    assert system() is system()
    assert not system.stale
    cert, _ = make_pair(tmp_path, "a.test")
    provider = ReloadingContext(ca=cert)
    assert not provider.stale
    Path(cert).write_text("half-written")
    assert provider.stale
    provider()
    assert not provider.stale
