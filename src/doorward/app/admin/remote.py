"""The admin process's end of the channel: port Live, for the threads that answer requests."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import msgspec

from doorward.app.admin import messages
from doorward.app.admin.messages import Answer, Question
from doorward.control.errors import Unavailable
from doorward.model.grants import AgentRules
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow

ANSWER_S: Final = 10.0
TELL_S: Final = 0.25
MOST_ALIKE: Final = 64
"""Reasons and peers of refusals that are told together; other peers are told as none."""
_HINT: Final = "doorward status says more"
T = TypeVar("T")


class RemoteLive:
    """Implements ports.Live over a socket pair; every verb may be called from any thread but the loop's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: asyncio.StreamReader,
        write: Callable[[bytes], None],
        *,
        answer_s: float = ANSWER_S,
    ) -> None:
        """`loop`: where `run` runs. `reader`: with a limit of `messages.MAX_ANSWER`. `write`: called in the
        loop."""
        self._loop = loop
        self._reader = reader
        self._write = write
        self._answer_s = answer_s
        self._asked: dict[int, Future[Answer]] = {}
        self._next = 1
        self._gone = False
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._telling = False
        """Whether refusals were told just now, and those that come meanwhile wait."""

    async def run(self) -> None:
        """Hand answers to who waits for them, until the gateway is gone."""
        try:
            while text := await self._reader.readline():
                said = messages.answer(text)
                waiting = self._asked.pop(said.id, None)
                if waiting is not None:
                    waiting.set_result(said)
        except (ValueError, OSError):
            return  # the gateway says nothing that could be understood: as if it were gone
        finally:
            self._gone = True
            for waiting in self._asked.values():
                waiting.set_exception(_gone())
            self._asked.clear()

    def apply(self) -> None:
        """See ports/live.py."""
        self._ask("apply", None, type(None))

    def state(self) -> dict[str, Any]:
        """See ports/live.py."""
        return self._ask("state", None, dict[str, Any])

    def servers(self) -> list[ServerRow]:
        """See ports/live.py."""
        return self._ask("servers", None, list[ServerRow])

    def tools(self, server: str | None, after: tuple[str, str] | None, limit: int) -> list[ToolRow]:
        """See ports/live.py."""
        return self._ask("tools", {"server": server, "after": after, "limit": limit}, list[ToolRow])

    def agents(self) -> list[AgentRules]:
        """See ports/live.py."""
        return self._ask("agents", None, list[AgentRules])

    def calls(self, selector: Selector, limit: int) -> list[CallRow]:
        """See ports/live.py."""
        return self._ask("calls", {"selector": selector, "limit": limit}, list[CallRow])

    def cancel(self, selector: Selector) -> list[CallRow]:
        """See ports/live.py."""
        return self._ask("cancel", {"selector": selector}, list[CallRow])

    def refused(self, reason: str, peer: str) -> None:
        """See ports/live.py."""
        self._loop.call_soon_threadsafe(self._note, reason, peer)

    def _note(self, reason: str, peer: str) -> None:
        """The first is told at once, those that follow together: a flood here is no flood over there."""
        known = (reason, peer) in self._refusals or len(self._refusals) < MOST_ALIKE
        self._refusals[reason, peer if known else ""] += 1
        if not self._telling:
            self._tell()

    def _tell(self) -> None:
        told = [(reason, peer, count) for (reason, peer), count in self._refusals.items()]
        self._refusals.clear()
        self._telling = bool(told) and not self._gone
        if self._telling:
            given = messages.raw({"refusals": told})
            self._write(messages.line(Question(0, "refused", given)))  # nobody waits for an answer to 0
            self._loop.call_later(TELL_S, self._tell)

    def _ask(self, verb: str, given: Any, kind: type[T]) -> T:
        """Raises Unavailable, GatewayError."""
        waiting: Future[Answer] = Future()
        asked = messages.raw({} if given is None else given)
        self._loop.call_soon_threadsafe(self._send, verb, asked, waiting)
        try:
            said = waiting.result(self._answer_s)
        except TimeoutError:
            raise Unavailable(f"the gateway did not answer within {self._answer_s:g} s", _HINT) from None
        if said.fault is not None:
            raise messages.raised(said.fault)
        return msgspec.json.decode(said.said, type=kind)

    def _send(self, verb: str, given: msgspec.Raw, waiting: "Future[Answer]") -> None:
        if self._gone:
            waiting.set_exception(_gone())
            return
        number, self._next = self._next, self._next + 1
        self._asked[number] = waiting
        self._loop.call_later(self._answer_s, self._asked.pop, number, None)
        self._write(messages.line(Question(number, verb, given)))


def _gone() -> Unavailable:
    return Unavailable("the gateway is gone", _HINT)
