"""A whole gateway in this process, with listener, store and log, between scripted servers and raw clients."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from doorward.app import keys as key_commands
from doorward.app.identity import Issuers
from doorward.app.process import Process
from doorward.config.load import Loaded, load
from doorward.control.keys import Wanted
from tests.spec.peers import LATEST, MODERN, Json, Peer, serving

ALL = {"allow": ["*"]}
EVERYTHING: Json = {"grants": [{"servers": ["*"], "tools": ALL, "resources": ALL, "prompts": ALL}]}
META = "io.modelcontextprotocol/"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def plain(value: str) -> str:
    """As the specification has a client write it into a field ("Value Encoding"), apart from our own code."""
    safe = (
        value.isascii()
        and value.isprintable()
        and value == value.strip()
        and not value.startswith("=?base64?")
    )
    return value if safe else f"=?base64?{base64.b64encode(value.encode()).decode()}?="


class Said:
    """An answer: status, head, and its messages, of which the last one is the answer to a request."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body
        if headers.get("content-type", "").startswith("text/event-stream"):
            lines = body.decode().splitlines()
            self.messages = [
                json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip()
            ]
        else:
            self.messages = [json.loads(body)] if body else []

    @property
    def message(self) -> Json:
        return self.messages[-1]

    @property
    def result(self) -> Json:
        assert "result" in self.message, self.message
        result: Json = self.message["result"]
        return result

    @property
    def error(self) -> tuple[int, int]:
        """HTTP status and JSON-RPC code."""
        return self.status, self.message["error"]["code"]

    @property
    def reason(self) -> str | None:
        reason: str | None = (self.message["error"].get("data") or {}).get("reason")
        return reason


class Client:
    """One client of one revision at one endpoint, which says exactly what it is told to."""

    def __init__(
        self, http: httpx2.AsyncClient, path: str, key: str, version: str, capabilities: Json
    ) -> None:
        self.http, self.path, self.version, self.capabilities = http, path, version, capabilities
        self.fields = {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        self._number = 0

    @property
    def modern(self) -> bool:
        return self.version == MODERN

    async def open(self) -> Said:
        """The handshake of a legacy client."""
        info = {"name": "teller", "version": "1"}
        hello = {"protocolVersion": self.version, "capabilities": self.capabilities, "clientInfo": info}
        said = await self.ask("initialize", hello)
        self.fields["Mcp-Session-Id"] = said.headers["mcp-session-id"]
        self.fields["MCP-Protocol-Version"] = self.version
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return said

    async def ask(self, method: str, params: Json | None = None, *, id: Any = None, **fields: str) -> Said:  # noqa: A002
        message = self.message(method, params, id=id)
        return await self.post(message, self.heads(message) | fields)

    async def call(self, tool: str = "echo", /, **arguments: Any) -> Said:
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})

    def message(self, method: str, params: Json | None = None, *, id: Any = None) -> Json:  # noqa: A002
        if id is None:
            self._number += 1
            id = self._number  # noqa: A001
        given = dict(params or {})
        if self.modern:
            envelope = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": self.capabilities}
            given["_meta"] = envelope | given.get("_meta", {})
        return {"jsonrpc": "2.0", "id": id, "method": method, "params": given}

    def heads(self, message: Json) -> dict[str, str]:
        """What the transport has a client of this revision say beside a message."""
        if not self.modern:
            return {}
        fields = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
        member = NAMED.get(message["method"])
        if member is not None and member in message["params"]:
            fields["Mcp-Name"] = plain(message["params"][member])
        return fields

    async def post(self, body: Any, fields: Mapping[str, str] | None = None) -> Said:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self.http.post(self.path, content=data, headers=self.fields | dict(fields or {}))
        return Said(response.status_code, response.headers, response.content)

    @asynccontextmanager
    async def stream(self, message: Json | None = None) -> AsyncIterator[AsyncIterator[Json]]:
        """The messages of a stream as they come: of a request, or of the session."""
        verb, body = ("GET", None) if message is None else ("POST", json.dumps(message).encode())
        fields = self.fields | ({} if message is None else self.heads(message))
        async with self.http.stream(verb, self.path, content=body, headers=fields) as response:
            assert response.status_code == 200, await response.aread()
            yield _messages(response)


async def _messages(response: httpx2.Response) -> AsyncIterator[Json]:
    async for line in response.aiter_lines():
        if line.startswith("data:") and line[5:].strip():
            yield json.loads(line[5:])


class World:
    """`client` makes one of an agent; `process` is the gateway, `url` where it listens."""

    def __init__(self, process: Process, url: str, http: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        self.process, self.url, self.http, self.keys = process, url, http, keys
        self.peers: Mapping[str, Peer] = {}

    async def client(
        self, path: str = "/mcp/lab", version: str = LATEST, *, agent: str = "bot", **capabilities: Any
    ) -> Client:
        made = Client(self.http, path, self.keys[agent], version, capabilities)
        if version != MODERN:
            await made.open()
        return made

    async def bearer(self, token: str, path: str = "/mcp/lab", version: str = LATEST, **more: Any) -> Client:
        """A client with a token instead of a key."""
        made = Client(self.http, path, token, version, more)
        if version != MODERN:
            await made.open()
        return made

    async def another_key(self, agent: str) -> str:
        """Of the same name: what a rotation makes."""
        return (await asyncio.to_thread(_keys, self.process.world.loaded, [agent]))[agent]


@asynccontextmanager
async def world(
    folder: Path,
    peers: Mapping[str, Peer],
    *,
    agents: Json | None = None,
    more: Json | None = None,
    **settings: Json,
) -> AsyncIterator[World]:
    """A gateway in front of these servers; `settings` by server, agents with all grants unless given, `more`
    of the configuration by section (of `gateway` and `servers` beside what they have)."""
    async with serving(*peers.values()):
        given = {"bot": EVERYTHING, "other": EVERYTHING} if agents is None else agents
        config: Json = {
            "version": 1,
            "gateway": {"listen": "127.0.0.1:0", "state": "state"},
            "auth": {"keys": True},
            "servers": {name: {"url": peer.url, **settings.get(name, {})} for name, peer in peers.items()},
            "agents": given,
        }
        for section, said in (more or {}).items():
            config[section] = {**config[section], **said} if section in ("gateway", "servers") else said
        file = folder / "doorward.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        loaded = load(file)
        secrets = await asyncio.to_thread(_keys, loaded, list(given))
        process = await Process.open(loaded, Issuers)
        try:
            url = (await process.listen(lambda _: None))[0].removesuffix("/mcp")
            try:
                async with (
                    asyncio.timeout(60),
                    httpx2.AsyncClient(base_url=url, timeout=30, verify=False) as http,
                ):
                    made = World(process, url, http, secrets)
                    made.peers = peers
                    yield made
            finally:  # or what a failed test leaves open fails the next one
                await process.drain(1.0)
        finally:
            await process.close()


def _keys(loaded: Loaded, agents: list[str]) -> dict[str, str]:
    """As the command line makes them; it runs a loop of its own."""
    with key_commands.open_keys(loaded) as keys:
        return {agent: keys.create(Wanted(agent=agent, name="k"))["key"] for agent in agents}
