"""What the configuration says of the way to a server, in a running gateway: proxy, limits by tool, sizes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: TID251 - a server that is not ours
from typing import Any, Final

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support.processes import LOOPBACK
from tests.e2e.support.raw import call

TOOLS: Final = ("quick", "slow", "busy", "barred", "large")
INITIALIZED: Final = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "lab", "version": "1"},
}


class Lab(ThreadingHTTPServer):
    """A legacy server that is its own proxy: it keeps what each request line and its credentials were."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.calls: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Lab

    def do_POST(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match message.get("method"):
            case "initialize":
                self.answer(message, INITIALIZED)
            case "tools/list":
                schema = {"type": "object"}
                self.answer(message, {"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]})
            case "tools/call":
                self.server.calls.append(message["params"]["name"])
                self.run_tool(message)
            case "server/discover":
                self.say(400, b"no session")
            case _:
                self.say(202)

    def run_tool(self, message: dict[str, Any]) -> None:
        match message["params"]["name"]:
            case "slow":
                time.sleep(2.0)
            case "busy":
                return self.say(503, b"", {"Retry-After": "17"})
            case "barred":
                return self.say(401, b"", {"WWW-Authenticate": 'Bearer scope="tools:all"'})
        size = 200_000 if message["params"]["name"] == "large" else 2
        return self.answer(message, {"content": [{"type": "text", "text": "x" * size}]})

    def answer(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.say(200, body, {"Content-Type": "application/json"})

    def say(self, status: int, body: bytes = b"", fields: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(fields or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: what was asked stands in `seen`."""


@contextmanager
def lab() -> Iterator[Lab]:
    with Lab() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


def test_a_server_behind_a_proxy_with_limits_by_tool(start: Start) -> None:
    with lab() as made, httpx2.Client(timeout=30) as http:
        server = {
            "url": "http://tools.invalid/mcp",
            "insecure": True,
            "proxy": f"http://me:pr0xy-secret@{LOOPBACK}:{made.server_port}",
            "timeout": {"connect": "2s", "total": "20s"},
            "max_reply_bytes": 100_000,
            "tools": {"slow": {"timeout": {"first_byte": "300ms"}}, "*": {"class": "read"}},
        }
        grant = {"servers": ["lab"], "tools": {"allow": ["*"]}}
        gw = start({"servers": {"lab": server}, "agents": {"user": {"grants": [grant]}}})

        def ask(tool: str) -> dict[str, Any]:
            answer: dict[str, Any] = call(http, f"{gw.url}/mcp/lab", gw.key("user"), tool, {}).json()
            return answer

        assert ask("quick")["result"]["content"][0]["text"] == "xx"
        assert {line for line, _ in made.seen} == {"http://tools.invalid/mcp"}
        assert {credential for _, credential in made.seen} == {"Basic bWU6cHIweHktc2VjcmV0"}

        slow = ask("slow")["error"]
        assert slow["message"] == "server lab did not begin to answer within 0.3 s (timeout.first_byte)"
        assert slow["data"]["reason"] == "upstream_timeout"

        busy = ask("busy")["error"]["data"]
        assert (busy["reason"], busy["retryable"], busy["retry_after"]) == ("upstream_overloaded", True, 17)

        assert ask("large")["error"]["data"]["reason"] == "upstream_reply_too_large"

        barred = ask("barred")["error"]
        assert barred["data"]["reason"] == "upstream_auth_failed"
        assert "tools:all" not in json.dumps(barred)
        assert made.calls == ["quick", "slow", "busy", "large", "barred"]

    said = gw.process.said() + "".join(map(str, gw.records())) + gw.run("config", "validate")
    assert "pr0xy-secret" not in said
    assert "bWU6cHIweHktc2VjcmV0" not in said
