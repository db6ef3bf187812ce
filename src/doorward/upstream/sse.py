"""Conversations with servers of the first HTTP transport, HTTP+SSE (MCP 2024-11-05, basic/transports).

A GET opens an event stream whose first event, `endpoint`, names the URL for POSTs; every answer comes on the
stream. The stream is the session: when it ends, what is in flight fails, because it may have run, and nothing
is sent again. The next call opens another one.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.channel import Channel
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.endpoint import message_target
from doorward.upstream.events import BURST, feed_slowly, unreadable
from doorward.upstream.failure import again, failure
from doorward.upstream.h1 import Connection, Response
from doorward.upstream.http import refused
from doorward.upstream.introduction import Introduction
from doorward.upstream.live import Live
from doorward.upstream.output import REST_S
from doorward.upstream.session import BOTH, NOTICE_S, TYPE, Means
from doorward.upstream.settings import Fields
from doorward.upstream.timeouts import Ours
from doorward.wire import headers, jsonrpc
from doorward.wire.errors import WireError
from doorward.wire.sse import SseEvent, SseParser

QUIET_S: Final = 30.0
"""A stream on which nothing came for so long is asked whether somebody is there: a peer that vanished without
a word would never be noticed, and a proxy cuts what is silent."""
MAX_TELLING: Final = 16
"""Notifications, and answers to the server, on their way at the same time; a server that asks faster than it
takes answers does not get them all."""
_NO_STREAM: Final = (400, 404, 405, 406, 410)

Ask = Callable[[str], Live]


class NoStream(Exception):
    """The URL opens no event stream, so HTTP+SSE is not spoken there. Nothing was sent but a GET."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class SseConversation(Channel):
    """Implements conversation.Conversation. `start` and `handshake` come first."""

    def __init__(self, means: Means, deadlines: Deadlines, key: str | None, ask: Ask) -> None:
        super().__init__(means.settings.name, deadlines, means.relay, key, Era.LEGACY)
        self._settings = means.settings
        self._leg = means.leg
        self._spawn = means.spawn
        self._ask = ask
        self._stream: Connection | None = None
        self._endpoint: asyncio.Future[bytes] = self._loop.create_future()
        self._target = b""
        self._over: UpstreamError | None = None
        self._posts: dict[int, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._heard_at = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._pinging = False
        self._auth: Fields = []
        self._introduced: Introduction | None = None
        self._head = b""

    @property
    def usable(self) -> bool:
        return self._stream is not None and self._over is None

    async def start(self) -> None:
        """Open the stream and learn its endpoint. Raises UpstreamError, NoStream."""
        self._stream = stream = await self._listen()
        self._spawn(self._hear(stream))
        try:
            async with asyncio.timeout(self._settings.probe_s):
                self._target = await asyncio.shield(self._endpoint)
        except TimeoutError:
            text = f"opened an event stream and named no endpoint within {self._settings.probe_s:g} s"
            raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, self._server, text) from None
        if self._over is not None:  # it ended right after its endpoint
            raise again(self._over, self._over.reason)
        self._watch = self._loop.call_later(QUIET_S, self._look)

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        await self._post(jsonrpc.encode_notification(method, params), self._soon())

    async def close(self, within: float) -> None:
        """The stream's end is the session's end: there is nothing to say before it."""
        self.on_end = None
        self._lose(failure(Reason.UPSTREAM_CONNECTION_LOST, self._server, "was let go while it worked"))
        left = [*self._posts.values(), *self._telling]
        if left:
            await asyncio.wait(left)

    # the stream

    async def _listen(self) -> Connection:
        head = self._leg.head(b"GET", [], self._settings.auth_headers(), b"text/event-stream")
        connection = await self._leg.pool.dedicated()
        waiter: asyncio.Future[Response] = self._loop.create_future()
        connection.deadline = Ours.within(self._settings.probe_s, self._settings.timeouts, self._loop.time())
        self._deadlines.watch(connection)
        streams = False
        try:
            connection.send(head + b"\r\n", self._settings.max_reply_bytes, waiter)
            response = await waiter
            streams = response.streams
        finally:
            self._deadlines.forget(connection)
            if not streams:
                connection.close()
        if streams:
            return connection
        if 200 <= response.status < 300 or response.status in _NO_STREAM:
            raise NoStream(response)
        raise refused(self._server, response)

    async def _hear(self, stream: Connection) -> None:
        parser = SseParser(self._settings.max_reply_bytes)
        error = failure(Reason.UPSTREAM_CONNECTION_LOST, self._server, "ended its event stream")
        try:
            while data := await stream.read():
                self._heard_at = self._loop.time()
                began, wanted = self._loop.time(), 0
                for number, event in enumerate(await feed_slowly(parser, data), 1):
                    wanted += self._event(event)
                    if not number % BURST:
                        await self._rest(began, wanted)
                        began, wanted = self._loop.time(), 0
        except UpstreamError as broken:
            error = again(broken, broken.reason)
        except WireError as strange:
            error = unreadable(strange, self._server, self._settings.max_reply_bytes)
        except ValueError as unusable:  # of the endpoint
            error = failure(Reason.UPSTREAM_PROTOCOL_ERROR, self._server, str(unusable))
        finally:
            self._lose(error)

    async def _rest(self, began: float, wanted: int) -> None:
        """A server that floods us with what answers nothing waits as long as it has kept us."""
        spent = self._loop.time() - began
        await asyncio.sleep(0 if wanted > BURST // 2 else max(spent, REST_S))

    def _event(self, event: SseEvent) -> bool:
        """True when it answered a request of ours."""
        if event.event == "endpoint":
            if self._endpoint.done():
                # Some SDKs would follow it. What a session's messages go to must not change under it.
                self._relay.dropped["endpoint named again"] += 1
            else:
                said = event.data.decode("utf-8", "replace")
                self._endpoint.set_result(message_target(str(self._settings.url), said))
        elif event.event == "message" and self._endpoint.done():
            return self._take(event.data)
        else:
            self._relay.dropped["event of no known kind"] += 1
        return False

    def _lose(self, error: UpstreamError) -> None:
        """Once: the stream is closed, and what hangs on it ends."""
        if self._over is not None:
            return
        self._over = error
        if self._stream is not None:
            self._stream.close()
        if self._watch is not None:
            self._watch.cancel()
        if not self._endpoint.done():
            self._endpoint.set_exception(error)
            self._endpoint.exception()  # whoever waits has it; when nobody does it is nobody's
        self._end(error)
        for task in [*self._posts.values(), *self._telling]:
            task.cancel()

    def _look(self) -> None:
        """Is somebody there? Asked only where nothing came for a while."""
        silent = self._loop.time() - self._heard_at
        if silent >= QUIET_S and not self._pinging:
            self._spawn(self._ping())
        self._watch = self._loop.call_later(max(QUIET_S - silent, 1.0), self._look)

    async def _ping(self) -> None:
        """Not by `request`: that would be use, and a conversation that nobody uses is to end."""
        began = self._loop.time()
        live = self._ask("ping")
        self._pinging = True
        self._live[live.id] = live
        self._deadlines.watch(live)
        try:
            await self._post(jsonrpc.encode_request(live.id, "ping", {}), live.deadline)
            await live.next()
        except UpstreamError as error:
            if self._heard_at < began:
                self._lose(again(error, Reason.UPSTREAM_CONNECTION_LOST))
        finally:
            self._pinging = False
            self._deadlines.forget(live)
            self._live.pop(live.id, None)

    # the way there

    def _send(self, live: Live, message: bytes) -> None:
        if self._over is not None:
            raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, "has ended its event stream")
        task = self._loop.create_task(self._deliver(live, message))
        self._posts[live.id] = task
        task.add_done_callback(lambda _: self._posts.pop(live.id, None))

    async def _deliver(self, live: Live, message: bytes) -> None:
        """Beside the wait for the answer: some servers answer a POST only after they answered the call."""
        try:
            await self._post(message, live.deadline)
        except UpstreamError as error:
            live.end(error)

    async def _post(self, message: bytes, deadline: float) -> None:
        """Raises UpstreamError unless the server took it."""
        response = await self._leg.post(self._post_head(), message, deadline)
        if 200 <= response.status < 300:
            return
        if response.status in (404, 410):
            # Nothing is sent again: this revision has no rule by which a 404 proves that nothing ran.
            text = f"does not know its own event stream any more (HTTP {response.status})"
            lost = failure(Reason.UPSTREAM_CONNECTION_LOST, self._server, text)
            self._loop.call_soon(self._lose, lost)
        raise refused(self._server, response)

    def _soon(self) -> float:
        return Ours.within(NOTICE_S, self._settings.timeouts, self._loop.time())

    def _post_head(self) -> bytes:
        auth = self._settings.auth_headers()
        if auth is not self._auth or self.introduction is not self._introduced:
            self._auth, self._introduced = auth, self.introduction
            version = headers.upstream_headers(self.era, self.introduction.version, "", None)
            self._head = self._leg.head(b"POST", [TYPE, *version], auth, BOTH, self._target)
        return self._head

    def _cancel(self, live: Live, why: str) -> None:
        """A request that still waits for a connection is not sent any more."""
        post = self._posts.get(live.id)
        if post is not None:
            post.cancel()
        super()._cancel(live, why)

    def _tell(self, message: bytes) -> None:
        if self._over is not None or len(self._telling) >= MAX_TELLING:
            self._relay.dropped["message to a server that is slow to take it"] += 1
            return
        task = self._loop.create_task(self._pass_on(message))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _pass_on(self, message: bytes) -> None:
        try:
            await self._post(message, self._soon())
        except UpstreamError:
            self._relay.dropped["message that the server did not take"] += 1
