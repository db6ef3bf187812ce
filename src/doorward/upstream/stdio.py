"""Conversations over stdio: one child process each, requests in flight told apart by id."""

from typing import Any

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.upstream.channel import Channel
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.live import Live
from doorward.upstream.process import Process
from doorward.upstream.relay import Relay
from doorward.upstream.settings import ServerSettings
from doorward.wire import jsonrpc


class StdioConversation(Channel):
    """Implements conversation.Conversation."""

    def __init__(
        self, settings: ServerSettings, deadlines: Deadlines, relay: Relay, key: str | None, era: Era
    ) -> None:
        super().__init__(settings.name, deadlines, relay, key, era)
        self._settings = settings
        self._process: Process | None = None

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

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        self._write(jsonrpc.encode_notification(method, params))

    async def close(self, within: float) -> None:
        self.on_end = None
        if self._process is not None:
            await self._process.stop(within)

    def _send(self, live: Live, message: bytes) -> None:
        self._write(message)

    def _tell(self, message: bytes) -> None:
        try:
            self._write(message)
        except UpstreamError:
            self._relay.dropped["message to a server that does not take it"] += 1

    def _write(self, message: bytes) -> None:
        assert self._process is not None
        self._process.write(message)

    def _line(self, line: bytes) -> None:
        self._take(line)  # servers print banners and debug output although the spec forbids it
