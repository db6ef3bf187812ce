"""Commands that ask a running gateway, against a scripted one on a Unix socket."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler  # noqa: TID251 - a scripted peer, not a server of ours
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.cli.client import header_value
from doorward.cli.main import main

STATE = {
    "status": "degraded",
    "mode": "audit",
    "servers": {
        "github": {"state": "up", "mode": "enforce", "era": "modern", "transport": "sse"},
        "files": {"state": "down", "cause": "exit 1", "insecure": True},
    },
}


class Gateway:
    """Answers from a list and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, bytes]] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    def will(self, body: Any, status: int = 200, content_type: str = "application/json") -> None:
        self.answers.append(
            (status, content_type, body if isinstance(body, bytes) else json.dumps(body).encode())
        )

    def result(self, result: dict[str, Any]) -> None:
        self.will({"jsonrpc": "2.0", "id": 1, "result": result})

    def error(self, code: int, message: str, status: int = 200, **data: Any) -> None:
        self.will(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message, "data": data}}, status
        )


class Server(UnixStreamServer):
    """Hands each connection to the script."""

    def __init__(self, path: str, script: Gateway) -> None:
        super().__init__(path, Handler)
        self.script = script

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        return connection, ("local", 0)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        self.server.script.asked.append((self.command, self.path, dict(self.headers), body))
        status, content_type, content = self.server.script.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DOORWARD_KEY", "dw_live_x")
    path = tmp_path / "doorward.yaml"
    path.write_text("version: 1\nservers: {a: {command: [x, '${env:HOME}']}}\n")
    return str(path)


@pytest.fixture
def gateway(tmp_path: Path, config: str) -> Iterator[Gateway]:
    script = Gateway()
    (tmp_path / ".doorward").mkdir()
    server = Server(str(tmp_path / "s"), script)
    (tmp_path / ".doorward" / "lock").write_text(json.dumps({"listen": [f"unix:{tmp_path / 's'}"]}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def test_status_names_what_is_down(gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.will(STATE)
    assert main(["status", "-c", config]) == 0
    head, _, github, files = capsys.readouterr().out.splitlines()
    assert head.startswith("degraded at unix:")
    assert github.split() == ["github", "up", "enforce", "modern", "sse", "-"]
    assert files.split()[:2] == ["files", "down"]
    assert files.endswith("exit 1; plain http")
    assert gateway.asked[0][:2] == ("GET", "/readyz")


def test_status_says_where_operators_are_listened_to(
    gateway: Gateway, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / ".doorward" / "lock"
    said = json.loads(lock.read_text())
    lock.write_text(json.dumps({**said, "admin": "127.0.0.1:7421"}))
    gateway.will(STATE)
    assert main(["status", "-c", config]) == 0
    assert "  operators at 127.0.0.1:7421" in capsys.readouterr().out.splitlines()
    gateway.will(STATE)
    assert main(["status", "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["admin"] == "127.0.0.1:7421"


def test_a_gateway_that_is_not_ready_is_no_success_and_says_why(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.will({"status": "not_ready", "audit": "audit cannot be written: disk full"}, 503)
    assert main(["status", "-c", config]) == 4
    assert "no call is served: audit cannot be written: disk full" in capsys.readouterr().out


def test_something_else_at_that_address_is_no_gateway(gateway: Gateway, config: str) -> None:
    gateway.will(b"hello", 200, "text/plain")
    assert main(["status", "-c", config]) == 4


@pytest.mark.parametrize(
    "lock", [None, b"", b"[]", b"{}", b'{"listen": []}', b'{"listen": ["unix:/nowhere/s"]}']
)
def test_without_a_gateway_status_is_unreachable(
    lock: bytes | None, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if lock is not None:
        (tmp_path / ".doorward").mkdir()
        (tmp_path / ".doorward" / "lock").write_bytes(lock)
    assert main(["status", "-c", config, "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["name"] == "unreachable"


def test_status_finds_another_state_directory(
    gateway: Gateway, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(config).write_text("version: 1\ngateway: {state: elsewhere}\n")
    assert main(["status", "-c", config]) == 4
    (tmp_path / ".doorward").rename(tmp_path / "elsewhere")
    gateway.will(STATE)
    assert main(["status", "-c", config]) == 0


def test_status_without_a_file_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["status", "-c", str(tmp_path / "no.yaml")]) == 2


def test_servers_are_live_or_as_configured(
    gateway: Gateway, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.will(STATE)
    assert main(["servers", "list", "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "doorward.servers/v1",
        "running": True,
        "servers": STATE["servers"],
    }
    (tmp_path / ".doorward" / "lock").unlink()
    assert main(["servers", "list", "-c", config]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["a", "enforce", "x", "${env:HOME}"]


def test_tools_are_listed_over_all_pages(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.result({"tools": [{"name": "a__x", "description": "One\x1b[2J\nTwo"}], "nextCursor": "c"})
    gateway.result({"tools": [{"name": "a__y"}]})
    assert main(["tools", "list", "-c", config]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split() for row in rows] == [["a__x", "One?[2J"], ["a__y", "-"]]
    assert [body["params"].get("cursor") for *_, body in gateway.asked] == [None, "c"]


def test_a_call_is_a_modern_request(
    gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.result({"content": [{"type": "text", "text": "hi"}, {"type": "image", "data": "AAAA"}]})
    words = ["--server", "a", "--args", '{"n": 1, "s": "x"}', "--arg", "s=y z", "--arg", "b=true"]
    assert main(["tools", "call", "x", *words, "-c", config]) == 0
    assert capsys.readouterr().out == "hi\n[image , 4 base64 characters]\n"
    ((verb, path, headers, body),) = gateway.asked
    assert (verb, path) == ("POST", "/mcp/a")
    assert body["params"]["arguments"] == {"n": 1, "s": "y z", "b": True}
    assert body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert headers["MCP-Protocol-Version"] == "2026-07-28"
    assert (headers["Mcp-Method"], headers["Mcp-Name"]) == ("tools/call", "x")
    assert headers["Authorization"] == "Bearer dw_live_x"


def test_an_answer_may_be_a_stream(gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    events = (
        b": ping\n\n"
        b'data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}\n\n'
        b'event: message\r\ndata: {"jsonrpc": "2.0", "id": 1,\r\ndata: "result": {"content": []}}\r\n\r\n'
    )
    gateway.will(events, content_type="text/event-stream")
    assert main(["tools", "call", "x", "-c", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == {"content": []}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"content": [], "isError": True}, 5),
        ({"content": [], "isError": True, "_meta": {"dev.doorward/denial": {"reason": "no_grant"}}}, 11),
        ({"content": [], "_meta": None}, 0),
    ],
)
def test_the_exit_code_of_a_result(result: dict[str, Any], code: int, gateway: Gateway, config: str) -> None:
    gateway.result(result)
    assert main(["tools", "call", "x", "-c", config]) == code


@pytest.mark.parametrize(
    ("code", "status", "reason", "exit_code"),
    [
        (-31010, 401, "credential_missing", 3),
        (-31010, 403, "proxied_without_credential", 3),
        (-31001, 200, "no_grant", 11),
        (-31002, 200, "no_grant", 11),
        (-32602, 200, "", 2),
        (-32600, 404, "path_not_found", 2),
        (-32603, 503, "shutting_down", 4),
        (-32603, 200, "upstream_unreachable", 4),
        (-32603, 200, "upstream_protocol_error", 5),
    ],
)
def test_the_exit_code_of_an_error(
    *, code: int, status: int, reason: str, exit_code: int, gateway: Gateway, config: str
) -> None:
    gateway.error(code, "no", status, reason=reason)
    assert main(["tools", "call", "x", "-c", config]) == exit_code


def test_a_missing_scope_is_named(gateway: Gateway, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.error(
        -31010, "more is needed", 403, reason="insufficient_scope", scopes=["a", "b\x1b"], advice="x"
    )
    assert main(["tools", "call", "x", "-c", config]) == 3
    assert capsys.readouterr().err.splitlines() == ["more is needed", "  a token needs for this: a b?"]


def test_an_answer_without_a_result_is_an_upstream_error(gateway: Gateway, config: str) -> None:
    gateway.will(b"<html>", 502, "text/html")
    assert main(["tools", "call", "x", "-c", config]) == 5


def test_a_list_that_never_ends_is_ended(
    gateway: Gateway, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doorward.cli.tools.MAX_PAGES", 3)
    for _ in range(3):
        gateway.result({"tools": [], "nextCursor": "again"})
    assert main(["tools", "list", "-c", config]) == 5


@pytest.mark.parametrize("server", ["../x", "A", "a/b", ""])
def test_a_server_is_named_by_its_name(server: str, config: str) -> None:
    assert main(["tools", "list", "--server", server, "-c", config]) == 2


@pytest.mark.parametrize("words", [["--args", "[1]"], ["--args", "{"], ["--arg", "=1"], ["--args", "NaN"]])
def test_arguments_that_are_none(words: list[str], config: str) -> None:
    assert main(["tools", "call", "x", *words, "-c", config]) == 2


@given(st.text(min_size=1))
def test_a_name_travels_in_a_header(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    value = header_value(name)
    assert value.isascii()
    assert value.isprintable()
    assert value == value.strip()
    assert value == name or value.startswith("=?base64?")
