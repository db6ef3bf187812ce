import datetime as dt
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from doorward.app import tls_files
from doorward.app.tls_files import TlsFilesError, inspect
from doorward.config.errors import ConfigError
from doorward.config.load import load
from doorward.config.tls import GatewayTls
from tests.unit.identity.pki import CLIENT, LOCAL, Authority, write

AUTHORITY = Authority()
GATEWAY = AUTHORITY.server()


def files(folder: Path, **changed: str) -> GatewayTls:
    cert, key = GATEWAY.write(folder, "gateway")
    ca = write(folder / "ca.pem", AUTHORITY.pem)
    return GatewayTls.model_validate({"cert": cert, "key": key, "client_ca": ca, **changed})


def faults(tls: GatewayTls, **arguments: dt.datetime) -> list[str]:
    with pytest.raises(TlsFilesError) as caught:
        inspect(tls, **arguments)
    return [f"{fault.member}: {fault.message}" for fault in caught.value.faults]


def test_good_files(tmp_path: Path) -> None:
    found = inspect(files(tmp_path))
    assert found.not_after == GATEWAY.certificate.not_valid_after_utc
    assert found.authorities == AUTHORITY.pem.decode()
    assert len(found.trusted) == 1


def test_without_client_ca(tmp_path: Path) -> None:
    cert, key = GATEWAY.write(tmp_path, "gateway")
    found = inspect(GatewayTls.model_validate({"cert": cert, "key": key}))
    assert (found.authorities, found.trusted) == (None, frozenset())


def test_every_fault_at_once(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    assert faults(files(tmp_path, cert=missing, key=missing, client_ca=missing)) == [
        f"cert: cannot read {missing}: No such file or directory",
        f"key: cannot read {missing}: No such file or directory",
        f"client_ca: cannot read {missing}: No such file or directory",
    ]


@pytest.mark.parametrize("content", [b"", b"half-written", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_hold_something_else(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "odd.pem", content)
    assert faults(files(tmp_path, cert=path, key=path, client_ca=path)) == [
        f"cert: {path} holds no PEM certificates",
        f"key: {path} holds no PEM private key",
        f"client_ca: {path} holds no PEM certificates",
    ]


def test_the_key_of_another_certificate(tmp_path: Path) -> None:
    _, key = AUTHORITY.server().write(tmp_path, "other")
    assert faults(files(tmp_path, key=key)) == [
        f"key: {key} is not the key of the certificate in {tmp_path}/gateway.pem"
    ]


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(GATEWAY.key, None)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    path = write(tmp_path / "locked.key", pem)
    assert faults(files(tmp_path, key=path)) == [f"key: {path} is protected by a passphrase"]


def test_dates(tmp_path: Path) -> None:
    tls = files(tmp_path)
    ends = GATEWAY.certificate.not_valid_after_utc
    begins = GATEWAY.certificate.not_valid_before_utc
    assert inspect(tls, ends).not_after == ends
    late = faults(tls, now=ends + dt.timedelta(seconds=1))
    assert late[0] == f"cert: the certificate in {tls.cert} expired on {ends.date()}"
    assert late[1:] == [f"client_ca: {tls.client_ca} holds no authority that is valid now"]
    early = faults(tls, now=begins - dt.timedelta(seconds=1))
    assert early == [f"cert: the certificate in {tls.cert} is not valid before {begins.isoformat()}"]


def test_the_chain_is_as_good_as_its_weakest_part(tmp_path: Path) -> None:
    between = Authority("between", AUTHORITY)
    issued = between.server(dt.timedelta(hours=1))
    old = AUTHORITY.issue("old", lasts=dt.timedelta(days=-1), usage=None)
    chain = write(tmp_path / "chain.pem", issued.pem + between.pem)
    key = write(tmp_path / "chain.key", issued.key)
    assert inspect(files(tmp_path, cert=chain, key=key)).not_after == issued.certificate.not_valid_after_utc
    write(tmp_path / "chain.pem", issued.pem + old.pem)
    assert "certificate 2 in" in faults(files(tmp_path, cert=chain, key=key))[0]


def test_a_certificate_for_clients(tmp_path: Path) -> None:
    cert, key = AUTHORITY.issue("x", LOCAL, CLIENT).write(tmp_path, "client")
    assert faults(files(tmp_path, cert=cert, key=key)) == [
        f"cert: the certificate in {cert} is not for servers"
    ]
    cert, key = AUTHORITY.issue("x", LOCAL, usage=None).write(tmp_path, "any")
    assert inspect(files(tmp_path, cert=cert, key=key)).authorities is not None


def test_a_bundle_without_an_authority(tmp_path: Path) -> None:
    path = write(tmp_path / "leaves.pem", GATEWAY.pem)
    assert faults(files(tmp_path, client_ca=path)) == [
        f"client_ca: {path} holds no authority that is valid now"
    ]


def test_a_file_without_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.pem"
    with path.open("wb") as file:
        file.truncate(tls_files.MAX_BYTES + 1)
    assert faults(files(tmp_path, client_ca=str(path))) == [f"client_ca: {path} is larger than 4194304 bytes"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_that_others_can_read(tmp_path: Path, mode: int) -> None:
    tls = files(tmp_path)
    tls.key.chmod(mode)
    assert faults(tls) == [f"key: {tls.key} can be read by other users (mode {mode:04o})"]


@pytest.mark.parametrize(
    ("owner", "mode", "refused"),
    [
        (1000, 0o600, False),
        (1000, 0o400, False),
        (1000, 0o440, True),
        (0, 0o640, False),
        (0, 0o440, False),
        (0, 0o660, True),
        (0, 0o644, True),
        (1001, 0o600, True),
    ],
)
def test_whose_key_may_be_read_by_whom(owner: int, mode: int, refused: bool) -> None:
    status = os.stat_result((0o100000 | mode, 1, 1, 1, owner, 5, 100, 0, 0, 0))
    assert bool(list(tls_files._faults_of_mode(Path("k"), status, 1000))) is refused


def test_the_configuration_is_told_with_file_and_line(tmp_path: Path) -> None:
    tls = files(tmp_path)
    tls.key.chmod(0o644)
    config = tmp_path / "doorward.yaml"
    config.write_text(
        "version: 1\ngateway:\n  tls:\n    cert: gateway.pem\n    key: gateway.key\n"
        "    client_ca: gateway.key\n"
    )
    refusal = ConfigError(tls_files.problems(load(config)))
    told = [(problem.line, problem.column, problem.message) for problem in refusal.problems]
    assert told == [
        (5, 10, f"{tls.key} can be read by other users (mode 0644)"),
        (6, 16, f"{tls.key} holds no PEM certificates"),
    ]
    assert "    key: gateway.key" in refusal.render()
    assert f"chmod 600 {tls.key}" in refusal.render()


def test_a_configuration_without_tls_has_no_files(tmp_path: Path) -> None:
    config = tmp_path / "doorward.yaml"
    config.write_text("version: 1\n")
    assert tls_files.problems(load(config)) == []
