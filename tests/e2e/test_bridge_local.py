"""The `doorward bridge` process against an HTTP server whose every byte the test decides."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.certificates import Authority
from tests.e2e.support.gateway import DOORWARD
from tests.e2e.support.processes import LOOPBACK, free_port

pytestmark = pytest.mark.asyncio

Json = dict[str, Any]

KEY = "dw_test_bridge"
WAIT_S = 20.0
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Web:
    """One request on one connection; the handler writes its response."""

    def __init__(self, writer: asyncio.StreamWriter, head: bytes, body: bytes, connection: int) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.verb = first.split(" ")[0]
        self.headers = {
            name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)
        }
        self.body: Json = json.loads(body) if body else {}
        self.connection = connection
        """Which one it came on, from 0."""
        self.cut = asyncio.Event()
        """The bridge has closed the connection."""
        self._writer = writer

    def respond(self, status: int, message: Json | None = None, *fields: str) -> None:
        body = b"" if message is None else json.dumps(message).encode()
        head = [
            f"HTTP/1.1 {status} X",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *fields,
        ]
        self._writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def stream(self) -> None:
        self._writer.write(
            b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, message: Json) -> None:
        data = b"data: " + json.dumps(message).encode() + b"\n\n"
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")


Handler = Callable[[Web], Awaitable[None]]


class Server:
    """Speaks as much HTTP/1.1 as the bridge needs."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._connections = 0
        self.seen: list[Web] = []

    @asynccontextmanager
    async def listening(self, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._connected, LOOPBACK, port, ssl=tls)
        try:
            yield
        finally:
            server.close()

    def saw(self, verb: str) -> list[Web]:
        return [web for web in self.seen if web.verb == verb]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._connections
        self._connections += 1
        web = None
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
                web = Web(writer, head, b"", number)
                length = int(web.headers.get("content-length", "0"))
                web.body = json.loads(await reader.readexactly(length)) if length else {}
                self.seen.append(web)
                await self._handler(web)
        except (asyncio.IncompleteReadError, ConnectionError):
            if web is not None:
                web.cut.set()
        finally:
            writer.close()


class Bridge:
    """The running process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def say(self, message: Json) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self.process.stdout.readline())

    async def ask(self, message: Json) -> Any:
        self.say(message)
        return await self.hear()

    async def end(self) -> tuple[int, str]:
        """Closes stdin; exit code and stderr. Fails the test for anything unread on stdout."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(WAIT_S):
            out, err = await self.process.communicate()
        assert out == b""
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@asynccontextmanager
async def bridging(url: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Bridge]:
    process = await asyncio.create_subprocess_exec(
        DOORWARD,
        "bridge",
        "--url",
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "DOORWARD_KEY": KEY, **(env or {})},
    )
    try:
        yield Bridge(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def message(method: str, request_id: int | None = None, **params: Any) -> Json:
    found: Json = {"jsonrpc": "2.0", "method": method, "params": params}
    return found if request_id is None else {**found, "id": request_id}


def modern(request_id: int, method: str, **params: Any) -> Json:
    return message(method, request_id, **params, _meta=MODERN_META)


def result(request_id: int, **members: Any) -> Json:
    return {"jsonrpc": "2.0", "id": request_id, "result": members}


INITIALIZE = message(
    "initialize", 0, protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"}
)
INITIALIZED = message("notifications/initialized")
CHANGED = message("notifications/tools/list_changed")
PROGRESS = message("notifications/progress", progressToken=1, progress=1)


async def legacy(web: Web) -> None:
    """A session, a stream that says CHANGED, and calls that report progress before they are done."""
    if web.verb == "GET":
        web.stream()
        web.event(CHANGED)
    elif web.verb == "DELETE":
        web.respond(200)
    elif web.body["method"] == "initialize":
        web.respond(200, result(0, protocolVersion="2025-11-25"), "Mcp-Session-Id: s-1")
    elif web.body["method"] == "tools/call":
        web.stream()
        web.event(PROGRESS)
        web.event(result(web.body["id"], done=True))
        web.end()
    elif "id" in web.body:
        web.respond(200, result(web.body["id"]))
    else:
        web.respond(202)


async def test_a_whole_legacy_session() -> None:
    port, server = free_port(), Server(legacy)
    async with server.listening(port), bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        assert (await bridge.ask(INITIALIZE))["result"] == {"protocolVersion": "2025-11-25"}
        bridge.say(INITIALIZED)
        assert await bridge.hear() == CHANGED
        assert await bridge.ask(message("tools/call", 1, name="t")) == PROGRESS
        assert await bridge.hear() == result(1, done=True)
        assert await bridge.end() == (0, "")

    assert [web.verb for web in server.seen] == ["POST", "POST", "GET", "POST", "DELETE"]
    assert all(web.headers["authorization"] == f"Bearer {KEY}" for web in server.seen)
    assert [web.headers.get("mcp-session-id") for web in server.seen] == [None, *["s-1"] * 4]
    assert len({web.connection for web in server.seen if web.verb != "GET"}) == 1


async def test_a_pipe_that_ends_at_once_gets_every_answer() -> None:
    port, server = free_port(), Server(legacy)
    async with server.listening(port), bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        said = [INITIALIZE, INITIALIZED, message("tools/list", 1)]
        async with asyncio.timeout(WAIT_S):
            out, _ = await bridge.process.communicate(
                b"".join(json.dumps(one).encode() + b"\n" for one in said)
            )

    answers = [json.loads(line) for line in out.splitlines()]
    assert [one["id"] for one in answers if "id" in one] == [0, 1]
    assert server.saw("DELETE")  # its stream may have been on its way, and come after it


async def test_a_modern_cancellation_is_a_closed_connection() -> None:
    async def hang(web: Web) -> None:
        web.stream()
        web.event(PROGRESS)

    port, server = free_port(), Server(hang)
    async with server.listening(port), bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        assert await bridge.ask(modern(1, "tools/call", name="t")) == PROGRESS
        bridge.say(message("notifications/cancelled", requestId=1))
        async with asyncio.timeout(WAIT_S):
            await server.seen[0].cut.wait()
        assert await bridge.end() == (0, "")

    assert [web.headers["mcp-name"] for web in server.seen] == ["t"]


async def test_a_gateway_that_starts_later_is_used_then() -> None:
    port, server = free_port(), Server(legacy)
    async with bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        for number in (1, 2):
            answer = await bridge.ask(modern(number, "tools/list"))
            assert (answer["id"], answer["error"]["data"]["reason"]) == (number, "upstream_unreachable")
        async with server.listening(port):
            assert await bridge.ask(modern(3, "tools/list")) == result(3)
            code, said = await bridge.end()

    assert code == 0
    assert said.count("cannot be reached") == 1
    assert KEY not in said


async def test_being_told_to_stop_ends_the_session_too() -> None:
    port, server = free_port(), Server(legacy)
    async with server.listening(port), bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        await bridge.ask(INITIALIZE)
        bridge.process.terminate()
        async with asyncio.timeout(WAIT_S):
            assert await bridge.process.wait() == 0

    assert [web.headers["mcp-session-id"] for web in server.saw("DELETE")] == ["s-1"]


async def test_a_gateway_that_hangs_does_not_keep_it_from_ending() -> None:
    async def deaf(web: Web) -> None:
        if web.verb != "DELETE":
            await legacy(web)

    port, server = free_port(), Server(deaf)
    async with server.listening(port), bridging(f"http://{LOOPBACK}:{port}/mcp") as bridge:
        await bridge.ask(INITIALIZE)
        assert (await bridge.end())[0] == 0

    assert len(server.saw("DELETE")) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_tls_is_checked(tmp_path: Path, known: bool) -> None:
    authority = Authority(tmp_path, "authority")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.certificate())
    port, server = free_port(), Server(legacy)
    env = {"SSL_CERT_FILE": str(authority.file)} if known else {}
    async with server.listening(port, tls), bridging(f"https://{LOOPBACK}:{port}/mcp", env) as bridge:
        answer = await bridge.ask(modern(1, "tools/list"))

    if known:
        assert answer == result(1)
    else:
        assert answer["error"]["data"]["reason"] == "upstream_unreachable"
        assert "certificate" in answer["error"]["message"]
        assert server.seen == []


async def test_a_url_that_is_none_ends_it_with_usage() -> None:
    async with bridging("http://user:pass@127.0.0.1/mcp") as bridge:
        code, said = await bridge.end()

    assert code == 2
    assert "pass@" not in said
