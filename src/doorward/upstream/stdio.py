"""Conversations over stdio: one child process each, requests in flight told apart by id."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.conversation import initialize_params, result_of
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.introduction import Introduction, read_initialize
from doorward.upstream.live import Answer, Live
from doorward.upstream.process import Process
from doorward.upstream.relay import MESSAGE, PROGRESS, Relay, wanted
from doorward.upstream.settings import ServerSettings
from doorward.wire import jsonrpc
from doorward.wire.errors import WireError


class StdioConversation:
    """Implements conversation.Conversation."""

    def __init__(
        self, settings: ServerSettings, deadlines: Deadlines, relay: Relay, key: str | None, era: Era
    ) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self._relay = relay
        self._process: Process | None = None
        self._live: dict[int, Live] = {}
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self.on_end: Callable[[UpstreamError], None] | None = None
        """Told when the process ends by itself."""
        self.key = key
        self.era = era
        self.introduction = Introduction("", {}, {}, None)
        self.busy = 0
        self.last_used = self._loop.time()
        self.log_level: str | None = None

    @property
    def usable(self) -> bool:
        return self._process is not None and self._process.alive

    @property
    def last_words(self) -> str:
        """The end of the process's stderr."""
        return self._process.last_words if self._process is not None else ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process, and nothing more. Raises UpstreamError(UPSTREAM_UNREACHABLE)."""
        self._process = await Process.start(self._settings, self._line, self._end)

    async def handshake(self, live: Live) -> None:
        """`initialize` (`live`) and `notifications/initialized`. Raises UpstreamError."""
        name = self._settings.name
        answer = await self.request(live, initialize_params())
        self.introduction = read_initialize(name, result_of(name, "initialize", answer))
        await self.notify("notifications/initialized", None)

    async def request(
        self, live: Live, params: dict[str, Any], schema: dict[str, Any] | None = None
    ) -> Answer:
        self._write(jsonrpc.encode_request(live.id, live.method, params))
        self._live[live.id] = live
        self._deadlines.watch(live)
        self.busy += 1
        try:
            while True:
                message = await live.next()
                if not isinstance(message, jsonrpc.UpstreamNotification):
                    return message
                await self._relay.note(message, live.id, live.call, self.key)
        except asyncio.CancelledError:
            if not live.done:
                self._cancel(live, "cancelled by the caller")
            raise
        except UpstreamError as error:
            if error.reason is Reason.UPSTREAM_TIMEOUT:
                self._cancel(live, "timed out")
            raise
        finally:
            self._deadlines.forget(live)
            self._live.pop(live.id, None)
            self.busy -= 1
            self.last_used = self._loop.time()

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        self._write(jsonrpc.encode_notification(method, params))

    async def close(self, within: float) -> None:
        self._closing = True
        if self._process is not None:
            await self._process.stop(within)

    def _write(self, message: bytes) -> None:
        assert self._process is not None
        self._process.write(message)

    def _cancel(self, live: Live, why: str) -> None:
        """Both eras cancel by a notification on stdio; `initialize` must not be cancelled."""
        if live.method != "initialize":
            params = {"requestId": live.id, "reason": why}
            with contextlib.suppress(UpstreamError):
                self._write(jsonrpc.encode_notification("notifications/cancelled", params))

    def _end(self, error: UpstreamError) -> None:
        for live in list(self._live.values()):
            live.end(error)
        if self.on_end is not None and not self._closing:
            self.on_end(error)

    def _line(self, line: bytes) -> None:
        try:
            message = jsonrpc.parse_upstream(line)
        except WireError:
            self._relay.dropped["not JSON-RPC"] += (
                1  # servers print banners and debug output; the spec forbids it
            )
            return
        match message:
            case jsonrpc.UpstreamNotification():
                self._notification(message)
            case jsonrpc.UpstreamRequest():
                with contextlib.suppress(UpstreamError):
                    self._write(self._relay.answer(message))
            case _:
                live = self._live.get(message.id) if type(message.id) is int else None
                if live is None or live.done:
                    self._relay.dropped["answer to nothing we asked"] += 1
                else:
                    live.end(message)

    def _notification(self, message: jsonrpc.UpstreamNotification) -> None:
        params = message.params or {}
        live: Live | None = None
        if message.method == PROGRESS:
            token = params.get("progressToken")
            live = self._live.get(token) if type(token) is int else None
        elif message.method == MESSAGE and self.key is not None:
            live = self._listener(params)
        if live is not None:
            live.note(message)
        else:
            self._relay.unrelated(message, self.key)

    def _listener(self, params: dict[str, Any]) -> Live | None:
        """The newest call that wants a log message of this level.

        On stdio none says which call it is about. In a principal's own process all calls are that
        principal's; in a shared one nobody gets it.
        """
        for live in reversed(self._live.values()):
            if live.call is not None and live.call.events is not None and wanted(live.call, params):
                return live
        return None
