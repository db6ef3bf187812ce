"""Servers on loopback for whole stories: of one era or of both, honest until a test says otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.attack.hostile_server import http

Json = dict[str, Any]
LATEST = "2025-11-25"
MODERN = "2026-07-28"
PROTOCOL = "io.modelcontextprotocol/protocolVersion"
ECHO: Json = {"name": "echo", "inputSchema": {"type": "object"}}


class Asked:
    """One request as it arrived: verb, head, the very bytes of the body, and the message in it."""

    def __init__(self, verb: str, headers: dict[str, str], body: bytes) -> None:
        self.verb, self.headers, self.body = verb, headers, body
        self.message: Json = json.loads(body) if body else {}
        self.method: str = self.message.get("method", "")
        self.params: Json = self.message.get("params") or {}
        self.meta: Json = self.params.get("_meta") or {}
        self.id: Any = self.message.get("id")

    def result(self, result: Json) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "result": result}).encode()

    def error(self, code: int, message: str = "no", data: Any = None) -> bytes:
        error: Json = {"code": code, "message": message} | ({} if data is None else {"data": data})
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "error": error}).encode()


Act = Callable[[Asked, asyncio.StreamWriter], Awaitable[None] | None]
Answers = Callable[[Asked], Json]


class Peer:
    """`results` has what a method answers; `acts` what is done with the connection instead.

    `url` is of this server; `seen` every request in order. Resources whose URI begins with `no:` are unknown.
    """

    def __init__(self, *versions: str) -> None:
        self.versions = versions or (LATEST,)
        self.acts: dict[str, Act] = {}
        self.results: dict[str, Json | Answers] = {}
        self.lists: dict[str, list[Json]] = {"tools": [ECHO]}
        self.capabilities: Json = {"tools": {"listChanged": True}}
        self.instructions: str | None = None
        self.seen: list[Asked] = []
        self.sessions = 0
        self.dead: set[str] = set()
        """Sessions that this server has forgotten."""
        self.url = ""
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    def asked(self, method: str) -> list[Asked]:
        return [one for one in self.seen if (one.method or one.verb) == method]

    def last(self, method: str = "tools/call") -> Asked:
        return self.asked(method)[-1]

    async def until(self, method: str, count: int = 1) -> Asked:
        async with asyncio.timeout(20):
            while len(self.asked(method)) < count:  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0.01)
        return self.last(method)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known from its first moment: also who is ended before a first step leaves nothing open."""
        self._serving[writer] = asyncio.create_task(self.serve(reader, writer))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await _read(reader)
                self.seen.append(asked)
                pending = self.acts.get(asked.method or asked.verb, self.honest)(asked, writer)
                if pending is not None:
                    await pending
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._serving.pop(writer, None)

    async def end(self) -> None:
        """Closes what is still open, and what the kernel had accepted; nobody waits for what was not sent."""
        await _turns()
        still = dict(self._serving)
        for writer, task in still.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*still.values(), return_exceptions=True)
        await _turns()

    def honest(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        modern = PROTOCOL in asked.meta
        if asked.verb != "POST":
            writer.write(http(200 if asked.verb == "DELETE" else 405))
        elif asked.id is None or not asked.method:
            writer.write(http(202))
        elif modern and MODERN not in self.versions:
            writer.write(http(400))
        elif not modern and self.versions == (MODERN,):
            writer.write(http(400, asked.error(-32022, data={"supported": [MODERN]})))
        elif asked.headers.get("mcp-session-id") in self.dead:
            writer.write(http(404))
        elif asked.method == "initialize":
            self.sessions += 1
            writer.write(
                http(200, asked.result(self._initialized()), extra=f"Mcp-Session-Id: s{self.sessions}\r\n")
            )
        else:
            self._answer(asked, writer, modern)

    def _answer(self, asked: Asked, writer: asyncio.StreamWriter, modern: bool) -> None:
        if str(asked.params.get("uri")).startswith("no:"):
            writer.write(
                http(200, asked.error(-32602 if modern else -32002, data={"uri": asked.params["uri"]}))
            )
            return
        given = self.results.get(asked.method)
        found = given(asked) if callable(given) else given
        if found is None:
            found = self._usual(asked)
        if found is None:
            writer.write(http(404 if modern else 200, asked.error(-32601)))
        else:
            writer.write(http(200, asked.result(_modern(asked.method, found) if modern else found)))

    def _usual(self, asked: Asked) -> Json | None:
        match asked.method.split("/"):
            case ["server", "discover"]:
                said = {"supportedVersions": [MODERN], "capabilities": self.capabilities}
                return said | ({} if self.instructions is None else {"instructions": self.instructions})
            case ["resources", "templates", "list"]:
                return {"resourceTemplates": self.lists.get("resourceTemplates", [])}
            case [kind, "list"]:
                return {kind: self.lists.get(kind, [])}
            case ["tools", "call"]:
                text = json.dumps(asked.params.get("arguments"))
                return {"content": [{"type": "text", "text": text}]}
            case ["resources", "read"]:
                return {"contents": [{"uri": asked.params["uri"], "text": "read"}]}
            case ["prompts", "get"]:
                return {"messages": [{"role": "user", "content": {"type": "text", "text": "prompt"}}]}
            case ["completion", "complete"]:
                return {"completion": {"values": ["one"]}}
            case ["ping"] | ["logging", _] | ["resources", "subscribe" | "unsubscribe"]:
                return {}
        return None

    def _initialized(self) -> Json:
        said = {
            "protocolVersion": self.versions[0] if self.versions[0] != MODERN else self.versions[1],
            "capabilities": self.capabilities,
            "serverInfo": {"name": "peer", "version": "1"},
        }
        return said | ({} if self.instructions is None else {"instructions": self.instructions})


def _modern(method: str, result: Json) -> Json:
    found = {"resultType": "complete"} | result
    if method.endswith("list") or method in ("resources/read", "server/discover"):
        found = {"ttlMs": 60_000, "cacheScope": "public"} | found
    return found


async def _turns() -> None:
    """As many as a connection takes to be made or lost."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines if one)}
    return Asked(first.split()[0], fields, await reader.readexactly(int(fields.get("content-length", "0"))))


@asynccontextmanager
async def serving(*peers: Peer) -> AsyncIterator[None]:
    """All of them on ports of their own for a while."""
    listeners = []
    for peer in peers:
        listener = await asyncio.start_server(peer.connected, "127.0.0.1", 0)
        peer.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
        listeners.append(listener)
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()
        for peer in peers:
            await peer.end()
