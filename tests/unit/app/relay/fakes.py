"""A client at one end and a gateway at the other, both in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from doorward.app.relay.leg import Reply
from doorward.app.relay.peer import Fields
from doorward.app.relay.relay import Relay
from doorward.model.errors import UpstreamError

Json = dict[str, Any]

MODERN = "2026-07-28"


class FakeReply:
    """Streams when it has events; an event that is an error breaks the stream, an Event holds it."""

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        *,
        headers: dict[bytes, bytes] | None = None,
        events: list[bytes | UpstreamError | asyncio.Event] | None = None,
        content_type: bytes = b"application/json",
    ) -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.streams = events is not None
        self.content_type = b"text/event-stream" if self.streams else content_type
        self._events = list(events or [])

    async def next(self) -> bytes | None:
        while self._events:
            event = self._events.pop(0)
            if isinstance(event, UpstreamError):
                raise event
            if isinstance(event, bytes):
                return event
            await event.wait()
        return None


class Asked:
    """One HTTP request as the fake gateway saw it."""

    def __init__(self, verb: bytes, fields: Fields, body: bytes | None) -> None:
        self.verb = verb.decode()
        self.headers = {name.decode(): value.decode() for name, value in fields}
        self.body = body or b""
        self.cut = False
        """Whether the bridge closed the connection before the reply had ended."""

    @property
    def message(self) -> Json:
        found: Json = json.loads(self.body)
        return found


Handler = Callable[[Asked], Awaitable[FakeReply]]


class FakeLeg:
    """Implements Leg; `handler` is the gateway."""

    name = "gateway.test"

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.asked: list[Asked] = []
        self.unsendable = asyncio.Event()
        self.unsendable.set()
        """Clear it to keep requests from getting a connection."""

    @asynccontextmanager
    async def exchange(
        self,
        verb: bytes,
        fields: Fields,
        body: bytes | None = None,
        *,
        sent: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Reply]:
        await self.unsendable.wait()
        asked = Asked(verb, fields, body)
        self.asked.append(asked)
        sent()
        try:
            yield await self._handler(asked)
        except asyncio.CancelledError:
            asked.cut = True
            raise

    def verbs(self) -> list[str]:
        return [asked.verb for asked in self.asked]


class Output:
    """Implements ByteWriter."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    def write(self, data: bytes, /) -> None:
        self.queue.put_nowait(data)

    async def drain(self) -> None:
        pass


class Client:
    """Writes lines to a relay and reads its lines."""

    def __init__(self, handler: Handler, *, has_key: bool = True) -> None:
        self.leg = FakeLeg(handler)
        self.reports: list[str] = []
        self._input = asyncio.StreamReader()
        self._output = Output()
        self.relay = Relay(self.leg, self._input, self._output, self.reports.append, has_key=has_key)
        self._running = asyncio.create_task(self.relay.run())

    def say(self, message: Json | bytes) -> None:
        self._input.feed_data(
            (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n"
        )

    async def raw(self) -> bytes:
        async with asyncio.timeout(20):
            return (await self._output.queue.get()).removesuffix(b"\n")

    async def hear(self) -> Any:
        return json.loads(await self.raw())

    async def ask(self, message: Json | bytes) -> Any:
        self.say(message)
        return await self.hear()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 - what is waited for happens in code that knows no event
                await asyncio.sleep(0)

    async def quiet(self) -> bool:
        """Whether nothing more comes of what has been said so far."""
        for _ in range(50):
            await asyncio.sleep(0)
        return self._output.queue.empty()

    async def end(self) -> None:
        """Closes stdin and waits for the relay's end."""
        self._input.feed_eof()
        async with asyncio.timeout(8):
            await self._running
            await self.relay.close()


def request(request_id: int | str, method: str, params: Json | None = None) -> Json:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}


def modern(request_id: int | str, method: str, params: Json | None = None) -> Json:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return request(request_id, method, {**(params or {}), "_meta": meta})


def notification(method: str, params: Json | None = None) -> Json:
    return {"jsonrpc": "2.0", "method": method, "params": params or {}}


INITIALIZE = request(
    0,
    "initialize",
    {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
)
INITIALIZED = notification("notifications/initialized")


def result(request_id: int | str, **members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": members}).encode()


def error(request_id: int | str | None, code: int, message: str, **data: Any) -> bytes:
    body: Json = {"jsonrpc": "2.0", "error": {"code": code, "message": message, "data": data}}
    if request_id is not None:
        body["id"] = request_id
    return json.dumps(body).encode()


def legacy_gateway(then: Handler, sessions: list[str] | None = None) -> Handler:
    """Answers the handshake with the next of `sessions` and offers no GET stream; the rest is `then`'s."""
    names = iter(sessions or ["s1"])

    async def handler(asked: Asked) -> FakeReply:
        if asked.verb == "GET":
            return FakeReply(405)
        if asked.verb == "DELETE":
            return FakeReply(200)
        message = asked.message if asked.body.startswith(b"{") else {}
        if message.get("method") == "initialize":
            body = result(message["id"], protocolVersion="2025-11-25", capabilities={})
            return FakeReply(200, body, headers={b"mcp-session-id": next(names).encode()})
        if message.get("method") == "notifications/initialized":
            return FakeReply(202)
        return await then(asked)

    return handler


async def echo(asked: Asked) -> FakeReply:
    """Answers each request with its own method."""
    message = asked.message
    return (
        FakeReply(200, result(message["id"], echo=message["method"])) if "id" in message else FakeReply(202)
    )


async def shake_hands(client: Client) -> None:
    """A legacy handshake; returns when the gateway has accepted it."""
    await client.ask(INITIALIZE)
    client.say(INITIALIZED)
    await client.until(lambda: "GET" in client.leg.verbs())
