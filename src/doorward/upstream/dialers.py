"""How conversations with a server come to be: the era probe and the opening, for each kind of transport."""

import asyncio
import math
import sys
from collections.abc import Callable
from typing import Final, Protocol

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.conversation import LATEST_MODERN, Conversation, own_params, result_of
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.failure import failure, told
from doorward.upstream.http import refused
from doorward.upstream.introduction import Introduction, read_discover
from doorward.upstream.live import Live
from doorward.upstream.probe import LEGACY, Evidence, Verdict, of_answer, of_response
from doorward.upstream.relay import Relay
from doorward.upstream.restarts import Restarts
from doorward.upstream.session import HttpConversation, Means, NoSession, open_session, probe_request
from doorward.upstream.settings import ServerSettings
from doorward.upstream.sse import NoStream, SseConversation
from doorward.upstream.stdio import StdioConversation
from doorward.upstream.timeouts import Ours
from doorward.upstream.warden import Warden

MAX_WAIT_S: Final = 2.0
"""A call waits this long for a process that may not be restarted yet; beyond it the caller is told."""
LOSSES_WINDOW_S: Final = 60.0
"""Event streams lost within it make us wait longer before the next one is opened."""
STARTING_S: Final = 10.0
"""What a process may take to start: on a busy machine an interpreter alone takes seconds."""

Ask = Callable[[str], Live]
"""A request of our own by method, with a fresh id and the usual deadline."""


Crashed = Callable[[str | None, UpstreamError], None]
"""Key of the conversation whose process ended by itself, and why."""


class Dialer(Protocol):
    """One kind of transport to one server."""

    verdict_ttl: float
    transport: str
    """"http", "sse" (HTTP+SSE of 2024-11-05) or "stdio"; as last found out."""

    async def probe(self) -> Verdict:
        """Ask for the era. Raises UpstreamError when the server cannot be asked."""
        ...

    async def open(self, key: str | None, verdict: Verdict) -> Conversation:
        """Raises UpstreamError."""
        ...

    async def open_older(self, key: str) -> Conversation:
        """A legacy conversation with a server that speaks 2026-07-28. Raises UpstreamError."""
        ...

    async def close(self) -> None:
        """What no conversation has taken over ends."""
        ...


class HttpDialer:
    """Implements Dialer. What refuses `initialize` as only an old server does is tried as HTTP+SSE."""

    def __init__(self, means: Means, ask: Ask, deadlines: Deadlines, lost: Callable[[], None]) -> None:
        """`lost` is told, a while later, that the event stream which discovery uses has ended."""
        self._means = means
        self._ask = ask
        self._deadlines = deadlines
        self._lost = lost
        self._losses = Restarts(sys.maxsize, LOSSES_WINDOW_S)
        self._later: asyncio.TimerHandle | None = None
        self.transport = "http"
        self.verdict_ttl = means.settings.probe_ttl_s

    async def probe(self) -> Verdict:
        live = self._ask("server/discover")
        settings, leg = self._means.settings, self._means.leg
        head, body = probe_request(leg, settings, live)
        deadline = Ours.within(settings.probe_s, settings.timeouts, asyncio.get_running_loop().time())
        response, streamed = await leg.probe(head, body, live, deadline)
        if response.status < 300:
            self.transport = "http"  # it takes POSTs by now
        return of_response(settings.name, response, streamed)

    async def open(self, key: str | None, verdict: Verdict) -> Conversation:
        if verdict.evidence is Evidence.MODERN:
            return await self._modern(key, verdict.introduction)
        if self.transport == "sse":
            try:
                return await self._stream(key)
            except NoStream as gone:
                self.transport = "http"  # for the next attempt: it may have been upgraded
                raise refused(self._means.settings.name, gone.response) from None
        try:
            return await open_session(self._means, key, self._ask("initialize"))
        except NoSession as refusal:
            error = refusal.error
        try:
            conversation = await self._stream(key)
        except NoStream:
            raise error from None
        self.transport = "sse"
        return conversation

    async def open_older(self, key: str) -> Conversation:
        try:
            return await open_session(self._means, key, _trial(self._ask, self._means.settings))
        except NoSession as refusal:
            raise refusal.error from None

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
        self._means.leg.close()

    async def _stream(self, key: str | None) -> Conversation:
        conversation = SseConversation(self._means, self._deadlines, key, self._ask)
        try:
            await conversation.start()
            await conversation.handshake(self._ask("initialize"))
        except BaseException:
            await conversation.close(0.0)
            raise
        if key is None:
            conversation.on_end = self._stream_ended
        return conversation

    def _stream_ended(self, error: UpstreamError) -> None:
        """The others' are opened again by their next call, this one after a moment: news come on it."""
        loop = asyncio.get_running_loop()
        self._losses.crashed(loop.time())
        if self._later is not None:
            self._later.cancel()
        self._later = loop.call_later(self._losses.wait(loop.time()), self._lost)

    async def _modern(self, key: str | None, known: Introduction | None) -> Conversation:
        unknown = Introduction(LATEST_MODERN, {}, {}, None)
        conversation = HttpConversation(self._means, key, Era.MODERN, known or unknown)
        if known is None:
            conversation.introduction = await _discover(self._means.settings.name, conversation, self._ask)
        return conversation


class StdioDialer:
    """Implements Dialer. A process that crashes too often is left alone for a while, each key by itself."""

    transport = "stdio"
    verdict_ttl = math.inf
    """The command decides, and it does not change while we run."""

    def __init__(
        self,
        settings: ServerSettings,
        deadlines: Deadlines,
        relay: Relay,
        ask: Ask,
        crashed: Crashed,
        *,
        warden: Warden | None = None,
        noise: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._warden = warden
        self._noise = noise
        self._deadlines = deadlines
        self._relay = relay
        self._ask = ask
        self._crashed = crashed
        self._restarts: dict[str | None, Restarts] = {}
        self._why: dict[str | None, UpstreamError] = {}
        """What the last crash was."""
        self._spare: StdioConversation | None = None
        """A process that a probe has found to be modern, until a conversation takes it over."""
        self._ending: set[asyncio.Task[None]] = set()

    async def probe(self) -> Verdict:
        """In a process of its own: some servers exit on a request before `initialize` (brief 2.4).

        One that turns out to be modern is kept for the conversation to come: starts take long.
        """
        name = self._settings.name
        sibling = self._conversation(None, Era.MODERN)
        live = self._ask("server/discover")
        verdict = LEGACY
        try:
            await sibling.start()
            async with asyncio.timeout(self._settings.probe_s):
                answer = await sibling.request(live, own_params({}, Era.MODERN, LATEST_MODERN))
            verdict = of_answer(name, answer)
        except TimeoutError:
            pass  # silence: a legacy server may ignore what comes before initialize
        except UpstreamError as error:
            if error.reason is not Reason.UPSTREAM_CONNECTION_LOST:
                raise
        finally:
            if verdict.introduction is None:
                self._let_go(sibling)
            else:
                sibling.introduction, self._spare = verdict.introduction, sibling
        return verdict

    async def open(self, key: str | None, verdict: Verdict) -> Conversation:
        era = Era.MODERN if verdict.evidence is Evidence.MODERN else Era.LEGACY
        await self._allowed(key)
        conversation, self._spare = self._spare, None
        if conversation is None or not conversation.usable or key is not None or era is Era.LEGACY:
            if conversation is not None:
                self._let_go(conversation)
            conversation = await self._begin(key, era, verdict.introduction)
        conversation.on_end = lambda error: self._ended(conversation, error)
        return conversation

    async def open_older(self, key: str) -> Conversation:
        """In a process of its own. One that ends over it has not crashed: it was asked for too much."""
        await self._allowed(key)
        conversation = self._conversation(key, Era.LEGACY)
        try:
            await conversation.start()
            await conversation.handshake(_trial(self._ask, self._settings, STARTING_S))
        except BaseException:
            await conversation.close(min(self._settings.stop_s, 1.0))
            raise
        conversation.on_end = lambda error: self._ended(conversation, error)
        return conversation

    async def _begin(self, key: str | None, era: Era, known: Introduction | None) -> StdioConversation:
        conversation = self._conversation(key, era)
        try:
            await conversation.start()
            if era is Era.LEGACY:
                await conversation.handshake(self._ask("initialize"))
            else:
                conversation.introduction = known or await _discover(
                    self._settings.name, conversation, self._ask
                )
        except BaseException as error:
            await conversation.close(min(self._settings.stop_s, 1.0))
            if isinstance(error, UpstreamError):
                error.add_note(conversation.last_words)
                self._note_crash(key, error)
            raise
        return conversation

    async def close(self) -> None:
        self._restarts.clear()
        self._why.clear()
        if self._spare is not None:
            self._let_go(self._spare)
        if self._ending:
            await asyncio.wait(self._ending)

    def _let_go(self, conversation: StdioConversation) -> None:
        """Nobody waits for its end but `close`: the next process starts meanwhile."""
        task = asyncio.create_task(conversation.close(min(self._settings.stop_s, 1.0)))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _conversation(self, key: str | None, era: Era) -> StdioConversation:
        settings, deadlines, relay = self._settings, self._deadlines, self._relay
        made = StdioConversation(settings, deadlines, relay, key, era, warden=self._warden)
        made.on_noise = self._noise
        return made

    def _ended(self, conversation: StdioConversation, error: UpstreamError) -> None:
        error.add_note(conversation.last_words)
        self._note_crash(conversation.key, error)
        self._crashed(conversation.key, error)

    def _note_crash(self, key: str | None, error: UpstreamError) -> None:
        now = asyncio.get_running_loop().time()
        for old in [one for one, known in self._restarts.items() if not known.crashes(now)]:
            del self._restarts[old], self._why[old]
        if key not in self._restarts:
            self._restarts[key] = Restarts(self._settings.restart_budget, self._settings.restart_window_s)
        self._restarts[key].crashed(now)
        self._why[key] = error

    async def _allowed(self, key: str | None) -> None:
        known = self._restarts.get(key)
        if known is None:
            return
        wait = known.wait(asyncio.get_running_loop().time())
        if wait > MAX_WAIT_S:
            name, why = self._settings.name, self._why[key]
            text = f"keeps crashing ({told(why)}) and is not restarted for another {wait:.0f} s"
            error = failure(Reason.UPSTREAM_UNREACHABLE, name, text)
            for words in getattr(why, "__notes__", ()):
                error.add_note(words)
            raise error
        await asyncio.sleep(wait)


def _trial(ask: Ask, settings: ServerSettings, more_s: float = 0.0) -> Live:
    """An `initialize` that may be in vain: a call waits for it."""
    live = ask("initialize")
    live.deadline = min(live.deadline, asyncio.get_running_loop().time() + settings.probe_s + more_s)
    return live


async def _discover(server: str, conversation: Conversation, ask: Ask) -> Introduction:
    live = ask("server/discover")
    answer = await conversation.request(live, own_params({}, Era.MODERN, LATEST_MODERN))
    found = read_discover(server, result_of(server, live.method, answer))
    if found is None:
        raise failure(
            Reason.UPSTREAM_PROTOCOL_ERROR, server, "names no protocol version that Doorward speaks"
        )
    return found
