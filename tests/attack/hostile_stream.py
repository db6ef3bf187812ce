"""An HTTP+SSE server (MCP 2024-11-05) on loopback that misbehaves as told, honest by default."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from tests.attack.hostile_server import INITIALIZED, Message, http

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"
Act = Callable[["Post"], Awaitable[bytes | None] | bytes | None]


def event(data: str | Message, kind: str = "message") -> bytes:
    text = data if isinstance(data, str) else json.dumps({"jsonrpc": "2.0", **data})
    return f"event: {kind}\ndata: {text}\n\n".encode()


class Stream:
    """One GET, and what came for it by POST."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer

    @property
    def path(self) -> str:
        return f"/messages?session={self.number}"

    def say(self, data: str | Message, kind: str = "message") -> None:
        self.writer.write(event(data, kind))


class Post:
    def __init__(self, path: str, headers: dict[str, str], message: Message, stream: Stream | None) -> None:
        self.path, self.headers, self.message, self.stream = path, headers, message, stream
        self.method = message.get("method", "")

    def answer(self, result: Message) -> None:
        assert self.stream is not None
        self.stream.say({"id": self.message["id"], "result": result})

    def text(self, text: str) -> None:
        self.answer({"content": [{"type": "text", "text": text}]})


class StreamLab:
    """`acts` maps a JSON-RPC method to what is done with its POST: it returns the HTTP response, or None for
    the honest one. `begin` says what a new stream says first."""

    def __init__(self) -> None:
        self.acts: dict[str, Act] = {}
        self.begin: Callable[[Stream], None] = lambda stream: stream.say(stream.path, "endpoint")
        self.get: bytes = HEAD
        self.on_url: bytes = http(405, b"Method Not Allowed", "text/plain")
        self.streams: list[Stream] = []
        self.open: set[int] = set()
        self.seen: list[Post] = []
        self.url = ""

    def times(self, method: str) -> int:
        return sum(one.method == method for one in self.seen)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._request(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        verb, path, _ = lines[0].split()
        fields = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if verb == "GET":
            await self._stream(reader, writer)
        elif path == "/sse":
            writer.write(self.on_url)
        else:
            found = [one for one in self.streams if one.path == path and one.number in self.open]
            await self._post(Post(path, headers, json.loads(body), found[0] if found else None), writer)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream(len(self.streams), writer)
        self.streams.append(stream)
        writer.write(self.get)
        if self.get is not HEAD:
            return
        self.open.add(stream.number)
        try:
            self.begin(stream)
            await writer.drain()
            await reader.read()  # until the other side closes
        finally:
            self.open.discard(stream.number)
        raise ConnectionResetError

    async def _post(self, post: Post, writer: asyncio.StreamWriter) -> None:
        self.seen.append(post)
        act = self.acts.get(post.method)
        made = act(post) if act is not None else self.honest(post)
        response = await made if isinstance(made, Awaitable) else made
        writer.write(response if response is not None else http(202, b"Accepted", "text/plain"))

    def honest(self, post: Post) -> bytes | None:
        if post.stream is None:
            return http(404, b"Could not find session", "text/plain")
        match post.method:
            case "initialize":
                post.answer({**INITIALIZED, "protocolVersion": "2024-11-05"})
            case "tools/call":
                post.text(post.message["params"]["arguments"].get("text", ""))
            case "tools/list":
                post.answer({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
            case _ if "id" in post.message and post.method:
                post.answer({})
        return None


@asynccontextmanager
async def stream_lab(
    made: StreamLab | None = None, **settings: Any
) -> AsyncIterator[tuple[StreamLab, Server]]:
    """A StreamLab and a started Server that reaches it; both are gone afterwards, and so is every task."""
    before = asyncio.all_tasks()
    lab = made or StreamLab()
    listener = await asyncio.start_server(lab.serve, "127.0.0.1", 0)
    lab.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/sse"
    server = Server(ServerSettings(name="lab", url=lab.url, **settings))
    await server.start()
    try:
        yield lab, server
    finally:
        await server.close(1.0)
        listener.close()
        await asyncio.sleep(0.05)
    assert lab.open == set(), "a stream outlived its server"
    left = asyncio.all_tasks() - before
    assert all("serve" in repr(task) for task in left), left
