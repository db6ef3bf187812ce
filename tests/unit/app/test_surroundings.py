"""What a configuration names must be there; what is missing is said with its place in the file."""

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from doorward.app.surroundings import judged, surroundings
from doorward.config.errors import ConfigError, Problem
from doorward.config.load import load
from tests.unit.identity.pki import Authority

AUTHORITY = Authority()


def look(folder: Path, servers: str, gateway: str = "") -> list[Problem]:
    path = folder / "doorward.yaml"
    path.write_text(f"version: 1\ngateway: {{{gateway}}}\nservers:\n  one: {servers}\n")
    return surroundings(load(path))


def told(problems: list[Problem]) -> list[tuple[str | None, str, str]]:
    return [(problem.path, problem.severity, problem.message) for problem in problems]


def anchored(folder: Path, anchor: object) -> list[Problem]:
    path = folder / "doorward.yaml"
    path.write_text(f"version: 1\ngateway: {{state: not/made/yet}}\naudit: {{anchor: {anchor}}}\n")
    return surroundings(load(path))


def test_an_anchor_is_a_directory_of_another_device(tmp_path: Path) -> None:
    (problem,) = anchored(tmp_path, "none")
    message = f"there is no directory {tmp_path / 'none'} to anchor the audit log in"
    assert told([problem]) == [("audit.anchor", "warning", message)]
    assert "make or mount it" in (problem.hint or "")
    (tmp_path / "beside").mkdir()
    message = f"{tmp_path / 'beside'} is on the same device as the audit log"
    assert told(anchored(tmp_path, "beside")) == [("audit.anchor", "warning", message)]
    (tmp_path / "file").touch()
    assert told(anchored(tmp_path, "file"))[0][2].startswith("there is no directory")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second device here")
def test_an_anchor_elsewhere_is_no_problem(tmp_path: Path) -> None:
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("temporary files lie there too")
    assert anchored(tmp_path, "/dev/shm") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_anchor_that_is_not_ours_to_write(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o500)
    assert "is not ours to write in" in anchored(tmp_path, "theirs")[0].message


def remote(**members: object) -> str:
    tls = ", ".join(f"{name}: {value}" for name, value in members.items())
    return f"{{url: 'https://a.example/', tls: {{{tls}}}}}"


def test_what_is_there_is_no_problem(tmp_path: Path) -> None:
    cert, key = AUTHORITY.server().write(tmp_path, "me")
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    assert look(tmp_path, remote(ca="ca.pem", cert=cert, key=key)) == []
    assert look(tmp_path, "{command: [sh, -c, exit], cwd: .}") == []
    assert look(tmp_path, "{url: 'https://a.example/'}") == []


def test_a_program_that_is_not_on_the_path(tmp_path: Path) -> None:
    (problem,) = look(tmp_path, "{command: [no-such-program, x]}")
    assert (problem.line, problem.column) == (4, 19)
    assert told([problem]) == [
        ("servers.one.command[0]", "warning", 'there is no program "no-such-program" on PATH')
    ]
    assert "one is down until then" in (problem.hint or "")
    assert "doorward.yaml:4:19: warning: there is no program" in problem.render()


def test_a_program_is_looked_for_where_the_server_would_look(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tool"
    program.write_text("#!/bin/sh\n")
    (problem,) = look(tmp_path, "{command: [./tool], cwd: bin}")
    assert problem.message == '"./tool" is no file that we may run'
    program.chmod(0o755)
    assert look(tmp_path, "{command: [./tool], cwd: bin}") == []
    assert told(look(tmp_path, "{command: [./tool]}")) == [
        ("servers.one.command[0]", "warning", 'there is no program "./tool"')
    ]
    assert look(tmp_path, f"{{command: [tool], env: {{PATH: {folder}}}}}") == []


def test_what_a_reference_stands_for_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOL", "s3cret-program")
    (problem,) = look(tmp_path, '{command: ["${env:TOOL}"]}')
    assert problem.message == 'there is no program "${env:TOOL}" on PATH'


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    missing = tmp_path / "missing"
    assert told(look(tmp_path, "{command: [sh], cwd: missing}")) == [
        ("servers.one.cwd", "warning", f"there is no directory {missing}")
    ]
    (problem,) = look(tmp_path, "{command: [sh], cwd: file}")
    assert problem.message == f"{tmp_path / 'file'} is no directory"


def test_tls_files_that_cannot_be_used_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "odd.pem").write_text("not a certificate")
    found = look(tmp_path, remote(ca="missing.pem", cert="empty.pem", key="odd.pem"))
    assert told(found) == [
        ("servers.one.tls.ca", "error", f"cannot read {tmp_path}/missing.pem: No such file or directory"),
        ("servers.one.tls.cert", "error", f"{tmp_path}/empty.pem is empty"),
    ]
    (problem,) = look(tmp_path, remote(ca="odd.pem"))
    assert problem.message == f"{tmp_path}/odd.pem holds no PEM certificates"


def test_a_pair_that_does_not_fit_or_wants_a_passphrase(tmp_path: Path) -> None:
    cert, _ = AUTHORITY.server().write(tmp_path, "me")
    _, other = AUTHORITY.server().write(tmp_path, "other")
    (problem,) = look(tmp_path, remote(cert=cert, key=other))
    assert problem.path == "servers.one.tls.cert"
    assert "cannot be used together: key values mismatch" in problem.message


def test_a_passphrase_is_never_asked_for(tmp_path: Path) -> None:
    issued = AUTHORITY.server()
    cert, _ = issued.write(tmp_path, "me")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        serialization.load_pem_private_key(issued.key, None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (problem,) = look(tmp_path, remote(cert=cert, key=locked))
    assert "cannot be used together" in problem.message


def test_places_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = "{url: 'https://a.example/'}"
    assert told(look(tmp_path, server, "state: file")) == [
        ("gateway.state", "error", f"{tmp_path}/file is no directory")
    ]
    assert told(look(tmp_path, server, "listen: 'unix:gone/s'")) == [
        ("gateway.listen", "error", f"there is no directory {tmp_path}/gone for the socket")
    ]
    (problem,) = look(tmp_path, server, "listen: ['127.0.0.1:1', 'unix:gone/s']")
    assert problem.path == "gateway.listen[1]"


def test_a_bearer_token_that_is_missing_or_empty_is_an_error_of_the_document(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for file, message in (("gone", "cannot read gone: No such file"), ("empty", "this is empty")):
        with pytest.raises(ConfigError) as caught:
            look(tmp_path, f"{{url: 'https://a.example/', auth: {{bearer: '${{file:{file}}}'}}}}")
        (problem,) = caught.value.problems
        assert message in problem.message
        assert (problem.path, problem.severity, problem.line) == ("servers.one.auth.bearer", "error", 4)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_is_not_ours_to_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    (tmp_path / "ca.pem").chmod(stat.S_IWUSR)
    (problem,) = look(tmp_path, remote(ca="ca.pem"))
    assert "Permission denied" in problem.message


def test_warnings_alone_are_handed_back_and_errors_come_with_them(tmp_path: Path) -> None:
    warnings = look(tmp_path, "{command: [no-such-program]}")
    assert judged(warnings) == warnings
    with pytest.raises(ConfigError) as caught:
        judged(warnings + look(tmp_path, remote(ca="gone.pem")))
    assert [problem.severity for problem in caught.value.problems] == ["warning", "error"]


def test_the_authorities_of_an_issuer_have_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("not a certificate")
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    issuers = [
        {"issuer": f"https://{name}.example.com", "ca": f"{name}.pem"} for name in ("ca", "odd", "gone")
    ]
    path = tmp_path / "doorward.yaml"
    document = {
        "version": 1,
        "gateway": {"public_url": "https://gw.example.com"},
        "auth": {"issuers": [{"issuer": "https://plain.example.com"}, *issuers]},
    }
    path.write_text(json.dumps(document))
    assert told(surroundings(load(path))) == [
        ("auth.issuers[2].ca", "error", f"{tmp_path}/odd.pem holds no PEM certificates"),
        ("auth.issuers[3].ca", "error", f"cannot read {tmp_path}/gone.pem: No such file or directory"),
    ]
