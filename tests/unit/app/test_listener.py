import datetime as dt
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from doorward.app.listener import SecureListener, prepare
from doorward.app.tls_files import TlsFilesError
from doorward.config.tls import GatewayTls
from doorward.edge.secure import TlsTerms
from doorward.model.certificate import ClientCertificate
from tests.unit.identity.pki import Authority, write

AUTHORITY, OTHER = Authority(), Authority("other")
SOMEBODY = ClientCertificate("ab" * 32, "CN=a", "CN=authority", (), (), (), 0.0)


class Face:
    """Keeps what it was renewed with."""

    def __init__(self) -> None:
        self.terms: list[TlsTerms] = []
        self.lapsed: list[Callable[[ClientCertificate | None], bool] | None] = []

    def renew(self, terms: TlsTerms, lapsed: Callable[[ClientCertificate | None], bool] | None) -> None:
        self.terms.append(terms)
        self.lapsed.append(lapsed)


class Http:
    """An H1Server, as far as its TLS face is concerned."""

    def __init__(self) -> None:
        self.face = Face()

    def tls_face(self, terms: TlsTerms, read: object) -> Face:
        self.face.terms.append(terms)
        return self.face


class Lab:
    """Files, a listener that follows them, and what it says."""

    def __init__(self, folder: Path, lasts: dt.timedelta = dt.timedelta(days=90), **more: str) -> None:
        self.folder = folder
        self.now = dt.datetime.now(dt.UTC)
        self.said: list[str] = []
        self.issue(lasts)
        write(folder / "ca.pem", AUTHORITY.pem)
        self.tls = self.settings(**more)
        self.listener = SecureListener(self.tls, self.said.append, lambda: self.now)
        self.http = Http()
        self.listener.face(self.http)  # type: ignore[arg-type]
        self.ticks = 1_000_000_000

    def settings(self, **more: str) -> GatewayTls:
        given = {"cert": str(self.folder / "gateway.pem"), "key": str(self.folder / "gateway.key"), **more}
        return GatewayTls.model_validate(given)

    def issue(self, lasts: dt.timedelta = dt.timedelta(days=90)) -> None:
        AUTHORITY.server(lasts).write(self.folder, "gateway")

    def touch(self, name: str) -> None:
        """Make the change visible however coarse the clock of the file system is."""
        self.ticks += 1
        os.utime(self.folder / name, (self.ticks, self.ticks))

    def put(self, name: str, content: bytes) -> None:
        write(self.folder / name, content)
        self.touch(name)


def test_the_context_is_strict(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    context = prepare(lab.tls).terms.context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_NONE
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    older = prepare(lab.settings(min_version="1.2")).terms.context
    assert older.minimum_version is ssl.TLSVersion.TLSv1_2
    ciphers = [cipher["name"] for cipher in older.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert ciphers
    assert all(name.startswith("ECDHE") and ("GCM" in name or "CHACHA20" in name) for name in ciphers)


@pytest.mark.parametrize(
    ("given", "mode", "required"),
    [({}, ssl.CERT_REQUIRED, True), ({"client_cert": "required"}, ssl.CERT_REQUIRED, True),
     ({"client_cert": "optional"}, ssl.CERT_OPTIONAL, False)],
)  # fmt: skip
def test_client_certificates(
    tmp_path: Path, given: dict[str, str], mode: ssl.VerifyMode, required: bool
) -> None:
    lab = Lab(tmp_path, client_ca=str(tmp_path / "ca.pem"), **given)
    terms = prepare(lab.tls).terms
    assert terms.context.verify_mode is mode
    assert terms.requires_certificate is required
    assert terms.context.cert_store_stats()["x509_ca"] == 1
    assert lab.listener.state()["client_cert"] == ("required" if required else "optional")


def test_nothing_happens_while_nothing_changes(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.listener.look()
    assert len(lab.http.face.terms) == 1
    assert lab.said == []


def test_changed_files_are_put_in_force_as_a_new_context(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.issue(dt.timedelta(days=60))
    lab.listener.look()
    first, second = lab.http.face.terms
    assert first.context is not second.context
    assert lab.http.face.lapsed == [None]
    assert lab.said == ["the TLS files were read again; the certificate expires in 59 days"]
    assert lab.listener.state()["days"] == 59


def test_what_is_presented_is_what_was_read_not_what_the_file_holds_now(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    first = lab.listener.presents
    new = AUTHORITY.server()
    lab.put("gateway.pem", new.pem)
    lab.listener.look()
    assert lab.listener.presents == first
    lab.put("gateway.key", new.key)
    lab.listener.look()
    assert lab.listener.presents == new.certificate.fingerprint(hashes.SHA256()).hex() != first


def test_half_of_a_pair_is_waited_out_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    new = AUTHORITY.server(dt.timedelta(days=50))
    lab.put("gateway.pem", new.pem)
    lab.listener.look()
    assert (lab.said, lab.listener.problem) == ([], None)
    lab.put("gateway.key", new.key)
    lab.listener.look()
    assert lab.said == ["the TLS files were read again; the certificate expires in 49 days"]


def test_bad_files_keep_the_old_ones_and_are_told_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.put("gateway.pem", b"half-written")
    for _ in range(5):
        lab.listener.look()
    assert len(lab.said) == 1
    assert "holds no PEM certificates; the certificate that was read before stays in force" in lab.said[0]
    assert len(lab.http.face.terms) == 1
    assert "holds no PEM certificates" in lab.listener.state()["problem"]
    lab.issue()
    lab.touch("gateway.pem")
    lab.listener.look()
    assert lab.listener.state()["problem"] is None
    assert len(lab.http.face.terms) == 2


def test_a_key_that_becomes_readable_for_others_is_not_taken(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.issue()
    (tmp_path / "gateway.key").chmod(0o644)
    lab.listener.look()
    lab.listener.look()
    assert "can be read by other users" in lab.said[0]
    assert len(lab.http.face.terms) == 1


def test_who_has_to_come_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, client_ca=str(tmp_path / "ca.pem"), client_cert="optional")
    lab.put("ca.pem", AUTHORITY.pem + OTHER.pem)
    lab.listener.look()
    lab.put("ca.pem", OTHER.pem + AUTHORITY.pem)
    lab.listener.look()
    assert lab.http.face.lapsed == [None, None]  # nobody: one more, and another order
    lab.put("ca.pem", OTHER.pem)
    lab.listener.look()
    fewer = lab.http.face.lapsed[2]
    assert fewer is not None
    assert (fewer(SOMEBODY), fewer(None)) == (True, False)
    lab.listener.adopt(prepare(lab.settings(client_ca=str(tmp_path / "ca.pem"), client_cert="required")))
    stricter = lab.http.face.lapsed[3]
    assert stricter is not None
    assert (stricter(SOMEBODY), stricter(None)) == (False, True)


def test_the_operator_is_warned_at_each_step_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path, dt.timedelta(days=40, hours=1))
    end = prepare(lab.tls).material.not_after
    for days in (31, 29.9, 20, 13.9, 13.8, 6.5, 0.5, 0.4):
        lab.now = end - dt.timedelta(days=days)
        lab.listener.look()
    lab.now = end + dt.timedelta(minutes=1)
    lab.listener.look()
    name = f"the TLS certificate {tmp_path}/gateway.pem"
    assert lab.said == [
        f"{name} expires in 29 days",
        f"{name} expires in 13 days",
        f"{name} expires in 6 days",
        f"{name} expires in 12 hours",
        f"{name} has expired",
    ]
    assert lab.listener.state()["days"] == -1


def test_files_that_cannot_be_used_are_refused_at_start(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    (tmp_path / "gateway.key").unlink()
    with pytest.raises(TlsFilesError, match="No such file"):
        SecureListener(lab.tls, print)
