"""A server of 2026-07-28 that keeps the id of every call that reaches it: what it has seen was forwarded."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import (  # noqa: TID251 - a server of tools, not our edge
    BaseHTTPRequestHandler,
    ThreadingHTTPServer,
)
from typing import Any

from tests.e2e.support.processes import LOOPBACK
from tests.e2e.support.raw import MODERN

INFO = {"name": "ledger", "version": "1"}
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


class Ledger(ThreadingHTTPServer):
    """Tools `read` and `write`; the argument `id` of each call is kept before it is answered."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}/mcp"

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The result; None for what a server of tools does not know."""
        if method == "server/discover":
            offers = {"capabilities": {"tools": {}}, "serverInfo": INFO, "supportedVersions": [MODERN]}
            return {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **offers}
        if method == "tools/list":
            tools = [
                {"name": name, "inputSchema": SCHEMA, "annotations": {"readOnlyHint": name == "read"}}
                for name in ("read", "write")
            ]
            return {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools}
        if method == "tools/call":
            self.seen.append(params["arguments"]["id"])
            return {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ledger

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self._send(202, b"")
            return
        result = self.server.answer(message["method"], message.get("params", {}))
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if result is None:
            answer["error"] = {"code": -32601, "message": "unknown method"}
        else:
            answer["result"] = result
        self._send(200, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self._send(405, b"")

    def _send(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nobody reads it."""


@contextmanager
def ledger() -> Iterator[Ledger]:
    """Serves until the end of the block."""
    server = Ledger()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
