"""Knows whether a server is up and which era it speaks; asks again when that is in doubt."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.conversation import Conversation
from doorward.upstream.dialers import Dialer
from doorward.upstream.failure import again, shared
from doorward.upstream.http import Refused
from doorward.upstream.introduction import Introduction
from doorward.upstream.probe import Evidence, Verdict
from doorward.upstream.settings import ServerState
from doorward.upstream.statuses import CHALLENGE

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
FRESH_FAILURE_S = 1.0
"""A call to a server that failed this recently is told so at once instead of trying again."""
NOT_MODERN = (400, 404, 405)
"""A server of 2026-07-28 says with a JSON-RPC error what it means by these ("Backward Compatibility")."""
DOUBT_AGAIN_S = 2.0
"""Between two doubts: what a caller can make a server answer must not make us ask it without end."""


class Discovery:
    """One attempt at a time, whoever wants it. `introduce` opens the conversation that discovery uses."""

    def __init__(
        self,
        name: str,
        dialer: Dialer,
        introduce: Callable[[], Awaitable[Conversation]],
        era_changed: Callable[[], None],
    ) -> None:
        self._dialer = dialer
        self._introduce = introduce
        self._era_changed = era_changed
        self._loop = asyncio.get_running_loop()
        self._attempt: asyncio.Task[None] | None = None
        self._failed_at = -1e9
        self._problem: UpstreamError | None = None
        self._doubt = asyncio.Event()
        self._asked_at = -1e9
        self.verdict: Verdict | None = None
        self.era: Era | None = None
        """As the verdict has it."""
        self.introduction: Introduction | None = None
        self.state = ServerState(name, "starting", None, None, None, time.time(), dialer.transport)

    async def run(self) -> None:
        """For ever: find out; look again when in doubt, when the verdict is old, and after a failure."""
        wait = FIRST_WAIT_S
        while True:
            self._doubt.clear()
            await asyncio.wait([self.attempt()])
            if self.state.level == "up":
                wait = FIRST_WAIT_S
                await self._pause(self._dialer.verdict_ttl)
                if not self._doubt.is_set():
                    self._asked_at = -1e9
            else:
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_S)

    async def ready(self) -> Verdict:
        """The era, found out now if it must be. Raises UpstreamError; nothing of a call was sent then."""
        stale = self._problem is None or self._loop.time() - self._failed_at > FRESH_FAILURE_S
        if self.verdict is None and stale:
            await shared(self.attempt(), self.state.name)
        if self.verdict is None:
            assert self._problem is not None
            raise again(self._problem, self._problem.reason)
        return self.verdict

    def attempt(self) -> asyncio.Task[None]:
        """The running one, or a new one. It never raises UpstreamError; see `state`."""
        if self._attempt is None or self._attempt.done():
            self._attempt = self._loop.create_task(self._find_out())
        return self._attempt

    def succeeded(self) -> None:
        """An answer came: it is up."""
        if self.state.level != "up" and self.introduction is not None:
            self._say("up", None)

    def failed(self, error: UpstreamError) -> None:
        """A call found that it cannot be reached, does not let us in, or no longer speaks our era."""
        if error.reason in (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_AUTH_FAILED):
            self.lost(error)
        elif self._sounds_older(error) and self._loop.time() - self._asked_at > DOUBT_AGAIN_S:
            self.doubt_era()

    def _sounds_older(self, error: UpstreamError) -> bool:
        return self.era is Era.MODERN and isinstance(error, Refused) and error.status in NOT_MODERN

    def lost(self, error: UpstreamError) -> None:
        """It is down as far as we know; look again."""
        self._say("down", error)
        self._doubt.set()

    def remark(self, note: str) -> None:
        """Something that an operator should know of and that keeps no call from being served."""
        self.state = msgspec.structs.replace(self.state, note=note)

    def doubt_era(self) -> None:
        """A server that speaks our era would not have answered so."""
        self._asked_at = -1e9
        self._doubt.set()

    async def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])

    async def _find_out(self) -> None:
        try:
            if self.verdict is None or self._loop.time() - self._asked_at >= self._dialer.verdict_ttl:
                await self._probe()
            conversation = await self._introduce()
        except UpstreamError as error:
            self._failed_at = self._loop.time()
            self._problem = error
            self._say("down", error)
            return
        self.introduction = conversation.introduction
        if self.introduction.note is not None:
            self.remark(self.introduction.note)
        self._problem = None
        self._say("up", None)

    async def _probe(self) -> None:
        verdict = await self._dialer.probe()
        if verdict.problem is not None:
            raise verdict.problem
        before, self.verdict = self.era, verdict
        self.era = Era.MODERN if verdict.evidence is Evidence.MODERN else Era.LEGACY
        self._asked_at = self._loop.time()
        if before is not None and before is not self.era:
            self._era_changed()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, 1e6)):
                await self._doubt.wait()
        except TimeoutError:
            return

    def _say(self, level: str, problem: UpstreamError | None) -> None:
        old = self.state
        self.state = ServerState(
            old.name,
            level,
            None if problem is None else problem.message,
            self.era,
            self.introduction.version if self.introduction is not None else None,
            old.since if old.level == level else time.time(),
            self._dialer.transport,
            old.note,
            None if problem is None else _details(problem),
        )


def _details(error: UpstreamError) -> str | None:
    """What no caller gets: a server's challenge, or a process's stderr (the error's notes)."""
    notes = getattr(error, "__notes__", [])
    asked = [note for note in notes if note.startswith(CHALLENGE)]
    last_words = "".join(note for note in notes if note not in asked)[-2000:]
    return "; ".join([*asked[:1], *([f"stderr: {last_words}"] if last_words else [])]) or None
