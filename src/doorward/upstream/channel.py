"""Conversations on one shared channel: every answer comes the same way, and its id says whose it is.

A process's standard output and the event stream of HTTP+SSE are such channels. What carries the bytes is the
subclass's business; who gets what arrives is decided here.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Era
from doorward.model.errors import DoorwardError, UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.bridging import CANCEL_AFTER_S, UNASKED
from doorward.upstream.conversation import initialize_params, result_of
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.introduction import Introduction, read_initialize
from doorward.upstream.live import Answer, Live
from doorward.upstream.relay import CANCELLED, MESSAGE, PROGRESS, Relay, wanted
from doorward.wire import asking, jsonrpc, versions
from doorward.wire.errors import WireError
from doorward.wire.input_required import METHODS

AFTERMATH_S: Final = 5.0
"""How long after a request was given up a server may still speak of it."""


class Channel(ABC):
    """Implements conversation.Conversation but for `usable` and `close`."""

    def __init__(self, server: str, deadlines: Deadlines, relay: Relay, key: str | None, era: Era) -> None:
        self._server = server
        self._deadlines = deadlines
        self._relay = relay
        self._live: dict[int, Live] = {}
        self._loop = asyncio.get_running_loop()
        self.on_end: Callable[[UpstreamError], None] | None = None
        """Told when the channel ends by itself."""
        self._full = False
        """Whether the other side does not take what was sent already; then `_room` is awaited first."""
        self.key = key
        self.era = era
        self.introduction = Introduction("", {}, {}, None)
        self.busy = 0
        self.last_used = self._loop.time()
        self.log_level: str | None = None
        self._settled_at = 0.0
        """From when on what is said of a call is said of one in flight."""

    @property
    @abstractmethod
    def usable(self) -> bool: ...

    @abstractmethod
    async def close(self, within: float) -> None: ...

    @abstractmethod
    def _send(self, live: Live, message: bytes) -> None:
        """Put one request on its way. Raises UpstreamError; then nothing of it was sent."""

    @abstractmethod
    def _tell(self, message: bytes) -> None:
        """Send in passing what has no answer. Never raises; what cannot be sent is lost."""

    @abstractmethod
    async def notify(self, method: str, params: dict[str, Any] | None) -> None: ...

    async def _room(self, live: Live) -> None:
        """Returns when the other side takes messages again. Raises UpstreamError; nothing was sent then."""
        assert not self._full, "a channel that can be full waits for room"

    async def handshake(self, live: Live) -> None:
        """`initialize` (`live`) and `notifications/initialized`. Raises UpstreamError."""
        capabilities = self._relay.questions.introduced(self.key)
        answer = await self.request(live, initialize_params(capabilities))
        result = result_of(self._server, "initialize", answer)
        self.introduction = read_initialize(self._server, result)
        await self.notify("notifications/initialized", None)

    async def request(
        self, live: Live, params: dict[str, Any], schema: dict[str, Any] | None = None
    ) -> Answer:
        message = jsonrpc.encode_request(live.id, live.method, params)
        self.busy += 1
        try:
            if self._full:
                await self._room(live)
            self._live[live.id] = live
            self._deadlines.watch(live)
            self._send(live, message)
            while True:
                heard = await live.next()
                if not isinstance(heard, jsonrpc.UpstreamNotification):
                    return heard
                await self._relay.note(heard, live, self.key)
        except asyncio.CancelledError:
            if live.id in self._live and not live.done:
                self._cancel(live, "cancelled by the caller")
                self._gave_up(live)
                self._unanswered(live)
            raise
        except UpstreamError as error:
            if error.reason is Reason.UPSTREAM_TIMEOUT and live.id in self._live:
                self._cancel(live, "timed out")
                self._gave_up(live)
                self._unanswered(live, error)
            raise
        finally:
            self._deadlines.forget(live)
            self._live.pop(live.id, None)
            if live.questions is not None:
                await live.questions.close()
            self.busy -= 1
            self.last_used = self._loop.time()

    async def listen_on(self, live: Live, params: dict[str, Any]) -> None:
        """See listening.Listens: what it brings comes among everything else."""
        self.busy -= 1  # nobody waits for it: neither a drain nor an idle conversation is held up
        try:
            await self.request(live, params)
        finally:
            self.busy += 1

    def _gave_up(self, live: Live) -> None:
        """Of what we ask ourselves, such as a listen, no server logs: it carries no level."""
        if live.call is not None:
            self._settled_at = self._loop.time() + AFTERMATH_S

    def _cancel(self, live: Live, why: str) -> None:
        """Both eras cancel by a notification on a shared channel; `initialize` must not be cancelled."""
        if live.method != "initialize":
            params = {"requestId": live.id, "reason": why}
            self._tell(jsonrpc.encode_notification("notifications/cancelled", params))

    def _unanswered(self, live: Live, error: UpstreamError | None = None) -> None:
        """A request was given up: by its caller, or because its time is over, which is what `error` says.

        Whoever draws conclusions raises UpstreamError in the place of `error`.
        """
        return

    def _end(self, error: UpstreamError) -> None:
        """Nothing more will come: what is in flight fails with it."""
        for live in list(self._live.values()):
            live.end(error)
        if self.on_end is not None:
            self.on_end(error)

    def _take(self, data: bytes) -> bool:
        """One message that arrived. True when it answered a request of ours."""
        try:
            message = jsonrpc.parse_upstream(data)
        except WireError:
            if self.introduction.version == versions.BATCH_VERSION and (parts := jsonrpc.batched(data)):
                return sum([self._take(part) for part in parts]) > 0
            self._relay.dropped["not JSON-RPC"] += 1
            self._noise(data)
            return False
        match message:
            case jsonrpc.UpstreamResult() | jsonrpc.UpstreamError():
                live = self._live.get(message.id) if type(message.id) is int else None
                if live is not None and not live.done:
                    live.end(message)
                    return True
                self._relay.dropped["answer to nothing we asked"] += 1
            case jsonrpc.UpstreamNotification():
                self._notification(message)
            case _:
                self._asked(message)
        return False

    def _noise(self, data: bytes) -> None:
        """What is not JSON-RPC has been counted; whoever knows somebody to tell says more."""
        return

    def _asked(self, request: jsonrpc.UpstreamRequest) -> None:
        if self.era is Era.MODERN or request.method not in asking.KINDS:
            self._tell(self._relay.answer(request))
            return
        live = self._about(request)
        try:
            self._relay.questions.put(request, self.key, live, live, self._tell)
        except DoorwardError as error:
            if live is not None:
                self._loop.call_later(CANCEL_AFTER_S, self._cancel, live, UNASKED)
                live.end(error)

    def _about(self, request: jsonrpc.UpstreamRequest) -> Live | None:
        """The call that a question belongs to: none says so here, but the caller of all of them is the same.

        The newest that can carry it. Of calls of the other era only one that is alone can be meant, and not
        where the question may well be about none.
        """
        calls = [live for live in self._live.values() if live.call is not None and not live.done]
        for live in reversed(calls):
            if live.call is not None and live.call.era is Era.LEGACY and live.call.events is not None:
                return live
        foreign = [live for live in calls if live.method in METHODS]
        return foreign[0] if len(foreign) == 1 and request.method not in asking.ASIDE else None

    def _notification(self, message: jsonrpc.UpstreamNotification) -> None:
        params = message.params or {}
        live: Live | None = None
        if message.method == CANCELLED:
            if any(
                self._relay.questions.withdrawn(self.key, one, params) for one in [*self._live.values(), None]
            ):
                return
        elif message.method == PROGRESS:
            token = params.get("progressToken")
            live = self._live.get(token) if type(token) is int else None
        elif message.method == MESSAGE and (self.key is not None or self._unmistakable()):
            live = self._listener(params)
        if live is not None:
            live.note(message)
        else:
            self._relay.unrelated(message, self.key)

    def _listener(self, params: dict[str, Any]) -> Live | None:
        """The newest call that wants a log message of this level.

        Here none says which call it is about. In a caller's own conversation all calls are that caller's; in
        a shared one nobody gets it, unless there is but one that can be meant.
        """
        for live in reversed(self._live.values()):
            if live.call is not None and live.call.events is not None and wanted(live.call, params):
                return live
        return None

    def _unmistakable(self) -> bool:
        """Whether one call alone can be meant, among callers that share this conversation.

        A server of 2026-07-28 logs about requests in flight only (2026-07-28, logging); one of before may say
        what belongs to no request, and so to another caller.
        """
        if self.era is not Era.MODERN or self._loop.time() < self._settled_at:
            return False
        return sum(live.call is not None and not live.done for live in self._live.values()) == 1
