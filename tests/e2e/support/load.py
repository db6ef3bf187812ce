"""Callers that never rest, as plain as sockets can be: one call in flight each, and all are accounted for."""

import contextlib
import json
import socket
import threading
from collections import Counter
from typing import Any

from tests.e2e.support.processes import LOOPBACK

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}


class Caller:
    """One connection with a legacy session of its own. Not to be shared between threads."""

    def __init__(self, port: int, key: str, server: str, source: str = LOOPBACK) -> None:
        """Raises OSError."""
        self._socket = socket.create_connection((LOOPBACK, port), timeout=60, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._path = f"/mcp/{server}"
        self._fields = (
            f"Host: {LOOPBACK}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
        )
        self.last = False
        """True once an answer said that it is the last on this connection."""
        fields, _ = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
        self._fields += f"Mcp-Session-Id: {fields['mcp-session-id']}\r\n"
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def post(self, message: Any) -> tuple[dict[str, str], bytes]:
        """Header fields, the status as `status` among them, and the body.

        Raises OSError when the connection ends.
        """
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        head = f"POST {self._path} HTTP/1.1\r\n{self._fields}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        fields = self._head()
        self.last = fields.get("connection") == "close"
        return fields, self._file.read(int(fields.get("content-length", "0")))

    def call(self, number: int | str, arguments: dict[str, Any], tool: str = "echo") -> dict[str, Any]:
        """tools/call; the JSON-RPC answer."""
        params = {"name": tool, "arguments": arguments}
        _, body = self.post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        answer: dict[str, Any] = json.loads(body)
        return answer

    def listen(self) -> None:
        """Opens the session's GET stream on this connection, which is good for nothing else then."""
        self._socket.sendall(f"GET {self._path} HTTP/1.1\r\n{self._fields}\r\n".encode())
        assert self._head()["status"] == "200"

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _head(self) -> dict[str, str]:
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("the gateway closed the connection")
        fields = {"status": line.split()[1].decode()}
        while (field := self._file.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return fields


class Load:
    """Some callers in threads, until they are told to stop or the gateway says that it does."""

    def __init__(self, port: int, key: str, server: str, callers: int) -> None:
        self.sent: list[str] = []
        """Ids of calls of which at least one byte may have been sent."""
        self.answered: dict[str, dict[str, Any]] = {}
        self.lost: dict[str, str] = {}
        """Calls whose connection ended without an answer."""
        self.stopping = threading.Event()
        made = [Caller(port, key, server) for _ in range(callers)]
        self._threads = [threading.Thread(target=self._work, args=(n, made[n])) for n in range(callers)]
        for thread in self._threads:
            thread.start()

    def _work(self, worker: int, caller: Caller) -> None:
        with contextlib.closing(caller):
            for count in range(1_000_000):
                if self.stopping.is_set() or caller.last:
                    return
                number = f"{worker}-{count}"
                self.sent.append(number)
                try:
                    self.answered[number] = caller.call(number, {"text": number})
                except OSError as error:
                    self.lost[number] = repr(error)
                    return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def reasons(self) -> Counter[str]:
        """What the answers say: "result", or the reason of an error."""
        said: Counter[str] = Counter()
        for answer in self.answered.values():
            reason = answer.get("error", {}).get("data", {}).get("reason", "unnamed")
            said["result" if "result" in answer else reason] += 1
        return said


def percentile(seconds: list[float], share: float) -> float:
    """Of at least one."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
