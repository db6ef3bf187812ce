"""One message on its way through the spine, from its first step to its one answer."""

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from doorward.model.call import Reply
from doorward.pipeline.drive import Drive
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.rescue import Answer, replied
from doorward.pipeline.trail import Ended, Trail


class Caller(Protocol):
    """Whoever handed the message in. Told exactly once, and by one of these."""

    def end(self, answer: Answer) -> None: ...

    def lost(self, bug: Exception | CancelledError) -> None:
        """There is no answer: a bug met the making of it."""


class Errand(Drive, eq=False):
    """Drives the spine; whatever comes of it but a reply is answered by `answers`, a coroutine that it drives
    next."""

    _gw: Gateway
    _trail: Trail
    _caller: Caller
    _answers: Callable[[Ended, Gateway, Trail], Coroutine[Any, Any, None]]
    """Leaves the answer with the trail."""
    _running: set["Errand"]
    _answering: bool = False

    @property
    def trail(self) -> Trail:
        """What is known of the message."""
        return self._trail

    def ended(self) -> None:
        """The spine's own end, or an answer."""
        trail = self._trail
        result, call = trail.ended, trail.call
        if type(result) is Reply and call is not None:
            answer = replied(call, result)
        elif type(result) is Answer:
            answer = result
        else:
            self._answering = True
            self.follow(self._answers(result, self._gw, trail))
            return
        self.close()
        self._caller.end(answer)

    def failed(self, failure: Exception | CancelledError) -> None:
        """Of the spine: to be answered. Of the answer: a bug, and nothing is left to try."""
        if not self._answering and not self.over:
            self._answering = True
            self.follow(self._answers(failure, self._gw, self._trail))
            return
        self.close()
        self._caller.lost(failure)

    def stop(self) -> None:
        """The spine ends with a cancellation. It comes too late once the answer is being made: cutting that
        would cost its record's receipt, and say that the log cannot be written."""
        if not self._answering:
            self.cancel()

    def close(self) -> None:
        """Forgotten before the answer goes out: the caller may use the id again at once."""
        if self.over:
            return
        trail = self._trail
        if trail.flight is not None:
            self._gw.calls.leave(trail)
        trail.drive = None  # they held each other
        self._running.discard(self)
        self.over = True  # and the rest as `Drive.close`, without its frame
        self._waits = None
        if self._end is not None:
            self._end.set_result(None)


class Waiting:
    """A caller that waits in a task of its own."""

    __slots__ = ("_loop", "_told", "answer", "bug")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: asyncio.Future[None] | None = None
        self.answer: Answer | None = None
        self.bug: Exception | CancelledError | None = None

    async def told(self) -> None:
        """Returns when there is an answer or a bug. May be cancelled and called again."""
        if self.answer is None and self.bug is None:
            self._told = self._loop.create_future()
            await self._told

    def end(self, answer: Answer) -> None:
        self.answer = answer
        self._wake()

    def lost(self, bug: Exception | CancelledError) -> None:
        self.bug = bug
        self._wake()

    def _wake(self) -> None:
        if self._told is not None and not self._told.done():
            self._told.set_result(None)
