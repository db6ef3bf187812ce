"""A server on loopback that answers each method as a test tells it to, honest by default."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from doorward.model.call import Era, Session
from doorward.model.principal import Principal
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from tests.support.calls import call_of

Message = dict[str, Any]
Act = Callable[["Request", asyncio.StreamWriter], Awaitable[None] | None]

INITIALIZED = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}, "resources": {}, "logging": {}},
    "serverInfo": {"name": "lab", "version": "1"},
}


class Request:
    def __init__(self, verb: str, headers: dict[str, str], message: Message) -> None:
        self.verb, self.headers, self.message = verb, headers, message
        self.method = message.get("method", "")
        self.id = message.get("id")

    def result(self, result: Message) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "result": result}).encode()


def http(status: int, body: bytes = b"", kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def silent(request: Request, writer: asyncio.StreamWriter) -> None:
    """Says nothing, for ever."""


def closes(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.close()


def raw(data: bytes) -> Act:
    """These bytes, whatever was asked."""

    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return act


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - there is nothing to be woken by
            await asyncio.sleep(0.01)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def event(message: Message | bytes) -> bytes:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    text = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(text), text)


class Lab:
    """`acts` maps a JSON-RPC method, or an HTTP verb, to what the server does instead of being honest."""

    def __init__(self) -> None:
        self.acts: dict[str, Act] = {}
        self.seen: list[Request] = []
        self.connections = 0
        self.sessions = 0
        self.url = ""

    def times(self, method: str) -> int:
        """How often it was asked so: a JSON-RPC method, or the HTTP verb of what has none."""
        return sum((one.method or one.verb) == method for one in self.seen)

    async def until(self, method: str, count: int = 1) -> None:
        await until(lambda: self.times(method) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await _read(reader)
                self.seen.append(request)
                act = self.acts.get(request.method or request.verb, self.honest)
                pending = act(request, writer)
                if pending is not None:
                    await pending
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def honest(self, request: Request, writer: asyncio.StreamWriter) -> None:
        match request.method or request.verb:
            case "initialize":
                self.sessions += 1
                writer.write(
                    http(200, request.result(INITIALIZED), extra=f"Mcp-Session-Id: s{self.sessions}\r\n")
                )
            case "server/discover":
                writer.write(http(400, b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"no session"}}'))
            case "tools/call":
                text = request.message["params"]["arguments"].get("text", "")
                writer.write(http(200, request.result({"content": [{"type": "text", "text": text}]})))
            case "tools/list":
                writer.write(
                    http(
                        200, request.result({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
                    )
                )
            case "GET":
                writer.write(http(405))
            case "DELETE":
                writer.write(http(200))
            case _ if request.id is not None:
                writer.write(http(200, request.result({})))
            case _:
                writer.write(http(202))


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(first.split()[0], headers, json.loads(body) if body else {})


@asynccontextmanager
async def lab(**settings: Any):
    """A Lab and a started Server that reaches it; both are gone afterwards, and so is every task."""
    before = asyncio.all_tasks()
    made = Lab()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    server = Server(ServerSettings(name="lab", url=made.url, **settings))
    await server.start()
    try:
        yield made, server
    finally:
        await server.close(1.0)
        listener.close()
        await asyncio.sleep(0.05)
    left = asyncio.all_tasks() - before
    assert all("serve" in repr(task) for task in left), left


class Events:
    """Implements model.Events."""

    def __init__(self) -> None:
        self.got: list[Message] = []

    async def emit(self, message: bytes) -> None:
        self.got.append(json.loads(message))


SESSION = Session("caller-session", "tenant|subject|agent", None, "2025-11-25", {}, {})
"""Of a legacy caller who subscribes, because only those with a session can."""


def permit(
    *,
    method: str = "tools/call",
    params: Message | None = None,
    era: Era = Era.LEGACY,
    agent: str = "agent",
    session: Session | None = None,
    events: Events | None = None,
    token: int | str | None = None,
    log_level: str | None = None,
    kind: Kind = Kind.TOOL,
    name: str = "echo",
) -> Permit:
    call = call_of(
        method,
        params or {"name": "lab__echo", "arguments": {"text": "hi"}},
        era,
        id="caller-1",
        session=session,
        client={"name": "c", "version": "1"},
        log_level=log_level,
        progress_token=token,
        events=events,
    )
    principal = Principal("tenant", "subject", agent, "none")
    return Permit(call, principal, Target("lab", kind, name, OperationClass.WRITE), "decision", ())
