"""The data plane's HTTP face: paths, headers and streams around the one door.

Everything that is decided here is decided from the head of the request alone; the body is not looked at before
the caller is known. Rules: MCP transports of 2025-11-25 and 2026-07-28 (research brief 2.1-2.3), DESIGN section 4.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from doorward.edge.guard import Guard
from doorward.edge.exchange import Exchange
from doorward.edge.streams import SseStreams
from doorward.model.call import Credential, Inbound
from doorward.model.errors import CallerError, DoorwardError
from doorward.model.reasons import Reason
from doorward.pipeline import rescue
from doorward.pipeline.door import Door
from doorward.pipeline.rescue import Answer
from doorward.wire import sse, versions

SSE_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
MODERN: Final = frozenset(version.encode() for version in versions.MODERN_VERSIONS)
ALLOW: Final = ((b"allow", b"POST, GET, DELETE"),)


class PlaneSettings(msgspec.Struct, frozen=True):
    """What a reload may change of the HTTP face."""

    endpoints: dict[str, str | None]
    """Path to server name; "/mcp" to None."""
    guard: Guard


class ReplyStream:
    """The answer of one POST: stays a plain JSON answer until a notification has to go first, then it is SSE."""

    __slots__ = ("_exchange", "_headers", "_started")

    def __init__(self, exchange: Exchange, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._exchange = exchange
        self._headers = headers
        self._started = False

    async def emit(self, message: bytes) -> None:
        if self._exchange.disconnected:
            return
        if not self._started:
            self._exchange.start(200, SSE_HEADERS + self._headers)
            self._started = True
        await self._exchange.write(sse.encode_event(message))

    def end(self, answer: Answer) -> None:
        """Send the answer as the stream's last event, or as the whole reply."""
        if self._exchange.disconnected:
            return
        if not self._started:
            self._exchange.respond(answer.status, answer.headers + self._headers, answer.body)
            return
        if answer.body:
            self._exchange.write_nowait(sse.encode_event(answer.body))
        self._exchange.finish()


class DataPlane:
    """Hands each request to the door; one task per POST, none per connection."""

    def __init__(
        self, door: Door, streams: SseStreams, settings: PlaneSettings, readiness: Callable[[], dict[str, Any]]
    ) -> None:
        self._door = door
        self._streams = streams
        self.settings = settings
        self._readiness = readiness
        self._running: set[asyncio.Task[None]] = set()

    def handle(self, exchange: Exchange) -> None:
        """Called by the HTTP server for one request at a time per connection."""
        settings = self.settings
        try:
            cors = settings.guard.check(exchange.request)
            endpoint = settings.endpoints.get(exchange.request.path, ...)
            if endpoint is ...:
                self._other(exchange)
                return
            self._dispatch(exchange, endpoint, cors)
        except DoorwardError as error:
            answer = rescue.failed(error, request_id=None, era=None, call=None, decision_id=None)
            headers = answer.headers
            if error.reason is Reason.HTTP_METHOD_NOT_ALLOWED:
                headers += ALLOW
            exchange.respond(answer.status, headers, answer.body)

    def _dispatch(self, exchange: Exchange, endpoint: str | None, cors: tuple[tuple[bytes, bytes], ...]) -> None:
        method = exchange.request.method
        if method == b"POST":
            self.settings.guard.check_post(exchange.request)
            task = asyncio.get_running_loop().create_task(self._post(exchange, endpoint, cors))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            if exchange.request.headers.get(b"mcp-protocol-version") in MODERN:
                # Modern: closing the response stream is the cancellation. Legacy: it is none (brief 2.5).
                exchange.on_disconnect = lambda: cancel(task)
        elif method == b"GET":
            self._get(exchange, endpoint, cors)
        elif method == b"DELETE":
            self._delete(exchange, endpoint, cors)
        elif method == b"OPTIONS" and cors:
            exchange.respond(204, cors + self.settings.guard.preflight(exchange.request))
        else:
            raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "use POST, GET or DELETE")

    async def _post(
        self, exchange: Exchange, endpoint: str | None, cors: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        stream = ReplyStream(exchange, cors)
        answer = await self._door.serve(self._inbound(exchange, endpoint, stream))
        stream.end(answer)

    def _inbound(self, exchange: Exchange, endpoint: str | None, stream: ReplyStream | None) -> Inbound:
        request = exchange.request
        return Inbound(
            transport="http",
            endpoint=endpoint,
            credential=self.settings.guard.credential(request, exchange.peer),
            headers=request.headers,
            body=request.body,
            events=stream,
            received=time.monotonic(),
        )

    def _get(self, exchange: Exchange, endpoint: str | None, cors: tuple[tuple[bytes, bytes], ...]) -> None:
        headers = exchange.request.headers
        if b"mcp-session-id" not in headers or headers.get(b"mcp-protocol-version") in MODERN:
            raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "GET opens the stream of a legacy session only")
        if b"text/event-stream" not in headers.get(b"accept", b""):
            raise CallerError(Reason.NOT_ACCEPTABLE, "GET needs Accept: text/event-stream")
        found = self._door.session(self._inbound(exchange, endpoint, None))
        if isinstance(found, Answer):
            exchange.respond(found.status, found.headers + cors, found.body)
            return
        session, principal = found
        exchange.start(200, SSE_HEADERS + cors)
        self._streams.open(session, principal, exchange)

    def _delete(self, exchange: Exchange, endpoint: str | None, cors: tuple[tuple[bytes, bytes], ...]) -> None:
        if b"mcp-session-id" not in exchange.request.headers:
            raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "DELETE ends a legacy session only")
        found = self._door.session(self._inbound(exchange, endpoint, None))
        if isinstance(found, Answer):
            exchange.respond(found.status, found.headers + cors, found.body)
            return
        self._door.end_session(found[0])
        exchange.respond(200, cors)

    def _other(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.method not in (b"GET", b"HEAD") or request.path not in ("/healthz", "/readyz"):
            raise CallerError(Reason.PATH_NOT_FOUND, "nothing is served at this path")
        if request.path == "/healthz":
            exchange.respond(200, (rescue.JSON,), b'{"status":"ok"}')
            return
        state = self._readiness()
        credential: Credential = self.settings.guard.credential(request, exchange.peer)
        if not credential.local or credential.proxied:
            state = {"status": state["status"]}
        status = 200 if state["status"] != "not_ready" else 503
        exchange.respond(status, (rescue.JSON,), msgspec.json.encode(state))

    @property
    def running(self) -> int:
        """Calls being worked on, whether or not their caller is still connected."""
        return len(self._running)

    async def drain(self, timeout: float) -> int:
        """Wait for running calls, then cancel what is left. Returns how many were cut."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
        left = list(self._running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=5.0)
        return len(left)


def cancel(task: asyncio.Task[None]) -> None:
    """The caller is gone: nobody waits for the answer."""
    task.cancel()
