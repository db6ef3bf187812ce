"""What a legacy session weighs that nobody uses: no stream, no connection, one call made."""

from __future__ import annotations

import json
import socket
from typing import Any, BinaryIO

from . import usage
from .measure import Failed
from .report import Figures
from .stage import Target

SESSIONS = 2000
FIRST = 200
"""Sessions that are opened before: what grows once is not a session's."""
VERSION = "2025-11-25"
HELLO = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
CALL = {"name": "echo", "arguments": {"text": "x"}}


def idle_sessions(relay: Target) -> Figures:
    """Growth of memory for each session over SESSIONS of them, its own session at the server included.

    Raises Failed.
    """
    keys = relay.key.split(",")
    _open(relay, keys, FIRST)
    before = usage.rss_mb(relay.pid, relay.children)
    _open(relay, keys, SESSIONS)
    after = usage.rss_mb(relay.pid, relay.children)
    return {
        "bytes": round((after - before) * 1024 * 1024 / SESSIONS),
        "sessions": SESSIONS,
        "rounds": 1,
    }


def _open(relay: Target, keys: list[str], number: int) -> None:
    path = relay.path("echo")
    with socket.create_connection(("127.0.0.1", relay.port), timeout=30) as connection:
        stream = connection.makefile("rwb")
        for place in range(number):
            fields = {
                "Host": f"127.0.0.1:{relay.port}",
                "Authorization": f"Bearer {keys[place % len(keys)]}",
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
            }
            answer = _post(stream, path, fields, {"id": 1, "method": "initialize", "params": HELLO})
            fields |= {"Mcp-Session-Id": answer["mcp-session-id"], "MCP-Protocol-Version": VERSION}
            _post(stream, path, fields, {"method": "notifications/initialized"})
            _post(stream, path, fields, {"id": 2, "method": "tools/call", "params": CALL})


def _post(stream: BinaryIO, path: str, fields: dict[str, str], message: dict[str, Any]) -> dict[str, str]:
    """The fields of the answer. Raises Failed for a refusal."""
    body = json.dumps({"jsonrpc": "2.0", **message})
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    head = "".join((f"POST {path} HTTP/1.1\r\n", *lines, f"Content-Length: {len(body)}\r\n\r\n"))
    stream.write((head + body).encode())
    stream.flush()
    status = stream.readline().split()[1:2]
    answer: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(": ")
        answer[name.lower()] = value
    stream.read(int(answer.get("content-length", "0")))
    if status not in ([b"200"], [b"202"]):
        raise Failed(f"{message['method']} in a new session was answered with {status}")
    return answer
