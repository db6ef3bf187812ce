"""What a gateway sees of a credential, and what the command makes of its answers."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import HTTPServer  # noqa: TID251 - a scripted peer, not a server of ours
from pathlib import Path
from typing import Any

import pytest

from doorward.cli import remote, whoami
from doorward.cli.client import Answer
from doorward.cli.main import main
from doorward.cli.trust import TlsFiles
from tests.unit.cli.test_gateway import Gateway, Handler, config, gateway

__all__ = ["config", "gateway"]

SAID: dict[str, Any] = {
    "tenant": "default", "subject": "anna", "issuer": "https://id.example", "human": True, "agent": "ci",
    "team": "platform", "client": "app", "method": "jwt", "strength": "bound token", "key_id": None,
    "actors": [{"issuer": "https://id.example", "subject": "bot", "kind": "agent", "client": None,
                "agent": "other"}],
    "groups": ["eng"], "scopes": ["a", "b"], "expires_at": "2026-11-21T22:00:00+00:00", "rate": "5/min",
    "agent_rates": {"ci": "100/min"},
    "servers": ["crm"],
    "bounds": {"narrowings": [{"of": "key", "servers": ["crm"], "tools": None, "read_only": True}],
               "people": [2, 0], "agents": ["other"]},
}  # fmt: skip


@pytest.fixture
def at_port() -> Iterator[tuple[Gateway, str]]:
    script = Gateway()
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.script = script  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_running_gateway_is_asked_with_our_key(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.will(SAID)
    assert main(["whoami", "-c", config]) == 0
    verb, path, fields, _ = gateway.asked[0]
    assert (verb, path) == ("GET", "/whoami")
    assert fields["Authorization"] == "Bearer dw_live_x"
    assert "X-Doorward-Operator" not in fields
    assert capsys.readouterr().out.splitlines() == [
        "subject     anna (a person) at https://id.example",
        "agent       ci of team platform",
        "known by    jwt, bound token",
        "through     bot at https://id.example (agent, agent other)",
        "client      app",
        "rate        5/min",
        "rate        100/min for all of agent ci",
        "expires     2026-11-21T22:00:00+00:00",
        "scopes      a b",
        "groups      eng",
        "servers     crm",
        "bound by    key: servers crm, read only",
        "bound by    people: 2 fitting",
        "bound by    people: no entry fits, so nothing may be called",
        "bound by    agent other",
    ]


def test_programs_get_what_the_gateway_said(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.will(SAID)
    assert main(["whoami", "--server", "crm", "-c", config, "--json"]) == 0
    assert gateway.asked[0][1] == "/whoami/crm"
    assert json.loads(capsys.readouterr().out) == {"schema": "doorward.whoami/v1", **SAID}


def test_a_key_alone_has_few_lines(gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.will({"subject": "anna", "agent": "ci", "method": "key", "strength": "key", "key_id": "k1",
                  "scopes": None, "groups": [], "servers": []})  # fmt: skip
    assert main(["whoami", "-c", config]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "subject     anna",
        "agent       ci",
        "known by    key, key k1",
        "expires     never",
        "servers     none",
    ]


@pytest.mark.parametrize("flag", ["--key-file", "--token-file"])
@pytest.mark.parametrize(
    ("end", "asked"), [("/mcp", "/whoami"), ("/mcp/crm", "/whoami/crm"), ("/mcp/", "/whoami")]
)
@pytest.mark.enable_socket
def test_another_gateway_is_asked_with_a_file(
    at_port: tuple[Gateway, str], tmp_path: Path, flag: str, end: str, asked: str
) -> None:
    script, url = at_port
    (tmp_path / "credential").write_text("ey.ey.x\n")
    script.will(SAID)
    assert main(["whoami", "--url", url + end, flag, str(tmp_path / "credential")]) == 0
    assert script.asked[0][1] == asked
    assert script.asked[0][2]["Authorization"] == "Bearer ey.ey.x"


@pytest.mark.parametrize(("status", "code"), [(401, 3), (400, 3), (403, 3), (503, 4), (404, 5), (500, 5)])
def test_a_refusal_has_its_exit_code_and_the_gateways_advice(
    gateway: Gateway, config: str, status: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.error(-31010, "the credential was not accepted", status, advice="Present another one.")
    assert main(["whoami", "-c", config]) == code
    assert capsys.readouterr().err.splitlines() == [
        "the credential was not accepted",
        "  Present another one.",
    ]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"subject": 1}', b'"x"'])
def test_something_else_is_no_gateway(gateway: Gateway, config: str, body: bytes) -> None:
    gateway.will(body)
    assert main(["whoami", "-c", config]) == 4


@pytest.mark.parametrize(
    "url",
    [
        "ftp://gw.example/mcp", "https://gw.example", "https://gw.example/mcp/A", "https://gw.example/mcp?a=b",
        "https:///mcp", "https://u:p@gw.example/mcp", "https://gw.example:99999/mcp", "https://gw.example/x",
    ],
)  # fmt: skip
def test_only_an_endpoint_has_a_whoami(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whoami", "--url", url]) == 2
    assert "u:p" not in capsys.readouterr().err


def test_a_credential_does_not_travel_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_KEY", "dw_live_x")
    assert main(["whoami", "--url", "http://gw.example/mcp"]) == 2


@pytest.mark.enable_socket
def test_nobody_there_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOORWARD_KEY", raising=False)
    assert main(["whoami", "--url", "http://127.0.0.1:9/mcp"]) == 4


def test_who_presents_nothing_is_told_where_to_put_it(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.error(-31010, "a credential is needed here", 401, reason="credential_missing", advice="Send one.")
    assert main(["whoami", "-c", config]) == 3
    assert "put a key or an access token into DOORWARD_KEY" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "none")
    assert main(["whoami", "--url", "https://gw.example/mcp", "--key-file", file]) == 3
    assert capsys.readouterr().err == f"cannot read {file}: No such file or directory\n"


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"a\nb", b"\xff", b"a\x00b"])
def test_a_file_without_a_credential(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "credential").write_bytes(content)
    assert (
        main(["whoami", "--url", "https://gw.example/mcp", "--key-file", str(tmp_path / "credential")]) == 3
    )
    assert main(["whoami", "--url", "https://gw.example/mcp", "--key-file", str(tmp_path / "none")]) == 3


@pytest.mark.enable_socket
def test_a_redirect_is_not_followed(at_port: tuple[Gateway, str]) -> None:
    script, url = at_port
    script.will({"error": {"message": "moved"}}, 302)
    assert main(["whoami", "--url", f"{url}/mcp"]) == 5
    assert len(script.asked) == 1


def test_what_is_printed_cannot_move_a_cursor(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.will(SAID | {"subject": "an\x1b[2Jna"})
    assert main(["whoami", "-c", config]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_files_for_tls_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for files in (TlsFiles(ca=str(tmp_path / "bad.pem")), TlsFiles(cert=str(tmp_path / "none.pem"))):
        with pytest.raises(whoami.CommandError, match="cannot use"):
            remote.get("https://gw.example/whoami", None, files)


@pytest.mark.enable_socket
def test_an_answer_without_end_is_ended(
    at_port: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, url = at_port
    monkeypatch.setattr(remote, "MAX_BYTES", 10)
    script.will(b"x" * 11)
    with pytest.raises(whoami.CommandError, match="larger than"):
        remote.get(f"{url}/whoami", None, TlsFiles())
    script.will(b"x" * 10)
    assert remote.get(f"{url}/whoami", None, TlsFiles()) == Answer(200, "application/json", b"x" * 10)


@pytest.mark.enable_socket
def test_https_trusts_nobody_but_the_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    real = ssl.create_default_context

    def kept(**named: Any) -> ssl.SSLContext:
        made.append(real(**named))
        return made[0]

    monkeypatch.setattr(ssl, "create_default_context", kept)
    with pytest.raises(whoami.CommandError):
        remote.get("https://127.0.0.1:9/whoami", "x", TlsFiles())
    assert made[0].check_hostname
    assert made[0].verify_mode is ssl.CERT_REQUIRED
