"""Conversations over stdio: one child process each, requests in flight told apart by id."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.channel import Channel
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.failure import failure, told
from doorward.upstream.live import Live
from doorward.upstream.process import CROWDED, MAX_UNREAD, Process
from doorward.upstream.relay import Relay
from doorward.upstream.settings import ServerSettings
from doorward.upstream.warden import Warden
from doorward.upstream.wedged import Silence
from doorward.wire import jsonrpc


class StdioConversation(Channel):
    """Implements conversation.Conversation."""

    def __init__(
        self,
        settings: ServerSettings,
        deadlines: Deadlines,
        relay: Relay,
        key: str | None,
        era: Era,
        *,
        warden: Warden | None = None,
    ) -> None:
        super().__init__(settings.name, deadlines, relay, key, era)
        self._settings = settings
        self._warden = warden
        self._process: Process | None = None
        self._noisy = self._own_way = False
        self._silence = Silence(settings.unanswered, settings.timeout_s)
        self.on_noise: Callable[[str], None] | None = None
        """Told, in words for an operator, that its stdout carries what is not JSON-RPC, or that what it
        offers changes where nobody sees it; each once."""

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
        self._process = await Process.start(self._settings, self._take, self._end, self._warden)

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        self._write(jsonrpc.encode_notification(method, params))

    async def close(self, within: float) -> None:
        self.on_end = None
        if self._process is not None:
            await self._process.stop(within)

    def _send(self, live: Live, message: bytes) -> None:
        self._write(message)

    def _tell(self, message: bytes) -> None:
        process = self._process
        taken = process is not None and (process.unread <= MAX_UNREAD or process.look() <= MAX_UNREAD)
        if taken and self.usable:
            self._write(message)
        else:
            self._relay.dropped["message to a server that does not take it"] += 1

    def _write(self, message: bytes) -> None:
        process = self._process
        assert process is not None
        process.write(message)
        self._full = process.unread > CROWDED

    async def _room(self, live: Live) -> None:
        """Nothing wakes us: what the pipe takes, it takes without a word. Only callers of a server that does
        not read its input ever wait here."""
        process = self._process
        assert process is not None
        while process.alive and process.look() > CROWDED:
            if self._loop.time() >= live.deadline:
                error = failure(Reason.UPSTREAM_OVERLOADED, self._server, "does not read its input")
                self._unanswered(live, error)
                raise error
            await asyncio.sleep(0.01)
        self._full = False

    def _unanswered(self, live: Live, error: UpstreamError | None = None) -> None:
        """A process that says nothing while one call after the other is given up is ended, and its next call
        starts another."""
        process = self._process
        assert process is not None
        if live.deadline == math.inf or any(one.questions is not None for one in self._live.values()):
            return  # a listen is not to be answered, and who has asked a person may wait for the person
        wedged = process.alive and self._silence.unanswered(
            began=live.deadline - live.within,
            now=self._loop.time(),
            spoke=process.spoke(),
        )
        if not wedged:
            return
        text = f"said nothing while {self._silence.most} calls in a row went unanswered, and was ended"
        process.give_up(text)
        if error is not None:
            words = f"{told(error)}; it {text}: the next call starts it again"
            raise failure(error.reason, self._server, words)

    def _notification(self, message: jsonrpc.UpstreamNotification) -> None:
        changed = message.method.endswith("/list_changed")
        if changed and self.key is not None and not self._own_way and self.on_noise is not None:
            self._own_way = True
            self.on_noise(
                f"announces {message.method.removeprefix('notifications/')} in the process of one caller; "
                "lists show what another process of it offers (see `shared`)"
            )
        super()._notification(message)

    def _noise(self, data: bytes) -> None:
        """Servers print banners and debug output although the spec forbids it."""
        if not self._noisy and self.on_noise is not None:
            shown = data[:80].decode("utf-8", "replace")
            self.on_noise(f"writes to its standard output what is not JSON-RPC, such as {shown!r}")
        self._noisy = True
