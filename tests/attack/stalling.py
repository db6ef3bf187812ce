"""A gateway whose event loop is watched, an upstream that answers whatever it is told, and one caller."""

import asyncio
import contextlib
import json
import mmap
import re
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.attack.lagging import SIZE
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.processes import LOOPBACK, Child

LAGGING = str(Path(__file__).with_name("lagging.py"))
_METHOD = re.compile(rb'"method":\s*"([^"]+)"')
_ID = re.compile(rb'"id":\s*([0-9]+)')
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
SMALL = b'{"content":[{"type":"text","text":"ok"}]}'


class Upstream:
    """Answers tools/call with `message` (%d: the request's id): JSON, or an event stream with `events`. Lists
    `tools`."""

    def __init__(self) -> None:
        self.message = b'{"jsonrpc":"2.0","id":%%d,"result":%b}' % SMALL
        self.events = False
        self.tools: list[dict[str, Any]] = [{"name": "echo", "inputSchema": {"type": "object"}}]
        self.received = b""
        self.delay_s = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server

    def start(self) -> None:
        self._thread.start()
        listening = asyncio.start_server(self._serve, LOOPBACK, 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: ([0-9]+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if b'"tools/call"' in body[:4096]:
                    await asyncio.sleep(self.delay_s)
                writer.write(self._answer(head, body))
                await writer.drain()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"post"):
            return b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"
        method, number = _METHOD.search(body[:4096]), _ID.search(body[:4096])
        if method is None or number is None:
            return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
        kind = b"application/json"
        match method[1]:
            case b"tools/call":
                self.received = body
                data = self.message.replace(b"%d", number[1])
                kind = b"text/event-stream" if self.events else kind
            case b"initialize":
                info = {**HELLO, "capabilities": {"tools": {}}, "serverInfo": HELLO["clientInfo"]}
                data = _result(number[1], info)
            case b"tools/list":
                data = _result(number[1], {"tools": self.tools})
            case b"server/discover":
                return b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
            case _:
                data = _result(number[1], {})
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        return head % (kind, len(data)) + data


def _result(number: bytes, result: Any) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (number, json.dumps(result).encode())


class Watched:
    """`call` posts a body and gives status, answer and the longest turn of the loop meanwhile, in seconds."""

    def __init__(self, gateway: Gateway, upstream: Upstream, shared: mmap.mmap) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self._shared = shared
        self._url = f"{gateway.url}/mcp/lab"
        self._http = httpx2.Client(timeout=60)
        self._fields = {
            "Authorization": f"Bearer {gateway.key('caller')}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
        response = self._post(json.dumps(hello).encode())
        self._fields["Mcp-Session-Id"] = response.headers["Mcp-Session-Id"]
        self._post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def call(self, body: bytes) -> tuple[int, bytes, float]:
        self._shared[:SIZE] = struct.pack("d", 0.0)
        response = self._post(body)
        return response.status_code, response.content, struct.unpack("d", self._shared[:SIZE])[0]

    def close(self) -> None:
        self._http.close()

    def _post(self, body: bytes) -> httpx2.Response:
        return self._http.post(self._url, content=body, headers=self._fields)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """All of it for a while."""
    file = folder / "lag"
    file.write_bytes(bytes(SIZE))
    upstream = Upstream()
    upstream.start()
    grant = {"servers": ["lab"], "tools": {"allow": ["*"]}}
    config = {
        "servers": {"lab": {"url": f"http://{LOOPBACK}:{upstream.port}/mcp"}},
        "agents": {"caller": {"grants": [grant]}},
    }
    gateway = Gateway(folder, config)
    gateway.key("caller")
    command = [sys.executable, LAGGING, str(file), "serve", "-c", str(gateway.config)]
    try:
        gateway.child = Child(command, folder / "gateway.log")
        gateway.process.wait_until(gateway.settled, "the gateway is ready")
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), SIZE) as shared:
            caller = Watched(gateway, upstream, shared)
            yield caller
            caller.close()
    finally:
        gateway.sweep()
        upstream.stop()
