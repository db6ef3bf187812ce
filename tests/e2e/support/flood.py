"""A server over HTTP, in threads of the test, that can be watched: what it sends, and who hangs up on it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOTE = 32 * 1024
"""Bytes of text in each progress notification of `flood`."""


class Flood:
    """`flood` streams progress until it is told to `finish`; `slow` waits for that and answers plainly."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.sent = 0
        """Bytes of the stream that the kernel has taken."""
        self.called = threading.Event()
        self.hung_up = threading.Event()
        """Whoever called has closed its connection before the answer."""
        self.cancelled = threading.Event()
        """notifications/cancelled has come."""
        self.finish = threading.Event()
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/mcp"

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self.finish.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while (message := _read(reader)) is not None:
                    self._answer(connection, message)
        except OSError:
            self.hung_up.set()

    def _answer(self, connection: socket.socket, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "notifications/cancelled":
            self.cancelled.set()
        if "id" not in message:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        elif method == "initialize":
            info = {"name": "flood", "version": "1"}
            _reply(
                connection,
                message,
                {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
            )
        elif method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("flood", "slow")]
            _reply(connection, message, {"tools": tools})
        elif method == "tools/call" and params["name"] == "flood":
            self._flood(connection, message)
        elif method == "tools/call":
            self.called.set()
            self._wait(connection)
            _reply(connection, message, DONE)
        else:
            body = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}
            _send(connection, body)

    def _wait(self, connection: socket.socket) -> None:
        """Until told to finish; notices meanwhile when the caller hangs up."""
        connection.setblocking(False)
        while not self.finish.wait(0.02):
            try:
                if connection.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                continue
        connection.setblocking(True)

    def _flood(self, connection: socket.socket, message: dict[str, Any]) -> None:
        token = message["params"].get("_meta", {}).get("progressToken")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        self.called.set()
        step = 0
        while not self.finish.is_set():
            step += 1
            params = {"progressToken": token, "progress": step, "message": "x" * NOTE}
            data = _event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            connection.sendall(data)
            self.sent += len(data)
        connection.sendall(_event({"jsonrpc": "2.0", "id": message["id"], "result": DONE}))
        connection.shutdown(socket.SHUT_WR)


DONE = {"content": [{"type": "text", "text": "done"}]}


@contextmanager
def flooding() -> Iterator[Flood]:
    """A running server."""
    flood = Flood(socket.create_server(("127.0.0.1", 0)))
    threading.Thread(target=flood.accept, daemon=True).start()
    try:
        yield flood
    finally:
        flood.close()


def _read(reader: Any) -> dict[str, Any] | None:
    line = reader.readline()
    if not line:
        return None
    length = 0
    while (field := reader.readline().strip()) != b"":
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if not line.startswith(b"POST"):
        return {"id": 0, "method": line.decode()}
    message: dict[str, Any] = json.loads(reader.read(length))
    return message


def _reply(connection: socket.socket, message: dict[str, Any], result: dict[str, Any]) -> None:
    _send(connection, {"jsonrpc": "2.0", "id": message["id"], "result": result})


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def _event(message: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"
