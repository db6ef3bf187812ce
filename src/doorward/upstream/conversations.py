"""The open conversations with one server, by whose they are: opened once for all, closed when idle."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.upstream import keys
from doorward.upstream.conversation import Conversation
from doorward.upstream.failure import failure, shared

Open = Callable[[str | None], Awaitable[Conversation]]
Over = Callable[[Principal, float], bool]
"""Whether it is over with somebody who was here last so many seconds ago."""
LOOK_S = 0.05


class Conversations:
    """Keys are strangers to each other: what one caller's process or session does never meets another's.

    At most `most` at a time, those on their way out included: a process that takes its time to end still is
    one.
    """

    def __init__(self, server: str, open_one: Open, *, most: int, idle_s: float, stop_s: float) -> None:
        self._server = server
        self._open_one = open_one
        self._most = most
        self._idle_s = idle_s
        self._stop_s = stop_s
        self.open: dict[str | None, Conversation] = {}
        """By key: for those who look at what `find` looks at in steps of their own."""
        self.holders: dict[str, Principal] = {}
        """Who was seen last with each key. Only of conversations that are somebody's own."""
        self._opening: dict[str | None, asyncio.Task[Conversation]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self.open) + len(self._opening)

    def find(self, key: str | None) -> Conversation | None:
        """The usable one, without waiting."""
        found = self.open.get(key)
        return found if found is not None and found.usable else None

    async def get(self, key: str | None) -> Conversation:
        """Opened now if there is none. Giving up stops it for nobody else. Raises UpstreamError."""
        found = self.find(key)
        if found is not None:
            return found
        task = self._opening.get(key)
        if task is None:
            if self._closed:  # nobody would end a process that is started now
                raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, "is being closed")
            self._make_room()
            task = asyncio.get_running_loop().create_task(self._begin(key))
            self._opening[key] = task
            task.add_done_callback(_observe)
        return await shared(task, self._server)

    def end(self, key: str | None, *, gently: bool = False) -> None:
        """Close it in the background; the next call opens another. `gently`: the calls that are in it end
        first, by themselves, and nobody else gets into it meanwhile."""
        found = self.open.pop(key, None)
        if key is not None:
            self.holders.pop(key, None)
        if found is not None:
            self._let_go(found, gently=gently)

    def end_where(self, over: Over, owners: Collection[str], now: float) -> None:
        """Gently, of everybody with whom it is over, and what these owners only listened in. `now`: of the
        loop."""
        for key in list(self.open):
            if key is not None and key not in self.holders and keys.owner_in(key) in owners:
                self.end(key, gently=True)
        for key, holder in list(self.holders.items()):
            opening, one = self._opening.get(key), self.open.get(key)
            if opening is None and one is None:
                del self.holders[key]  # it ended by itself
            elif over(holder, 0.0 if one is None or one.busy else now - one.last_used):
                if opening is not None:
                    opening.add_done_callback(partial(self._end_opened, key))
                self.end(key, gently=True)

    def _end_opened(self, key: str, _opened: "asyncio.Task[Conversation]") -> None:
        self.end(key, gently=True)

    def end_all(self) -> None:
        for key in list(self.open):
            self.end(key)

    def end_idle(self, now: float) -> None:
        """Those that nobody has used for long. The one that discovery uses stays."""
        for key, one in list(self.open.items()):
            if not one.usable or (key is not None and not one.busy and now - one.last_used >= self._idle_s):
                self.end(key)

    async def drain(self, within: float) -> None:
        """Returns when no request is in flight or waits for its conversation, or when the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        # Asked at a close only: counting is cheaper on every call than an event would be.
        while (self._opening or any(one.busy for one in self.open.values())) and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def close(self, within: float) -> None:
        """All of them, at the same time, and no new ones."""
        self._closed = True
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        if opening:
            await asyncio.wait(opening)
        for one in self.open.values():
            self._let_go(one, within)
        self.open.clear()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _begin(self, key: str | None) -> Conversation:
        try:
            old = self.open.pop(key, None)
            if old is not None:
                self._let_go(old)  # it has ended, but its process group may not be gone
            while self._ending and len(self) + len(self._ending) > self._most:
                await asyncio.wait(self._ending, return_when=asyncio.FIRST_COMPLETED)
            conversation = await self._open_one(key)
            self.open[key] = conversation
            return conversation
        finally:
            del self._opening[key]

    def _let_go(
        self, conversation: Conversation, within: float | None = None, *, gently: bool = False
    ) -> None:
        within = self._stop_s if within is None else within
        closing = self._close_after(conversation, within) if gently else conversation.close(within)
        task = asyncio.get_running_loop().create_task(closing)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _close_after(self, conversation: Conversation, within: float) -> None:
        """Calls have deadlines, so the wait is bounded; a server that is closed waits for none."""
        # Asked when somebody was blocked only: counting is cheaper on every call than an event would be.
        while conversation.busy and conversation.usable and not self._closed:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await conversation.close(within)

    def _make_room(self) -> None:
        if len(self) < self._most:
            return
        idle = [(one.last_used, key) for key, one in self.open.items() if key is not None and not one.busy]
        if not idle:
            raise failure(
                Reason.UPSTREAM_OVERLOADED, self._server, f"has {self._most} busy conversations already"
            )
        self.end(min(idle, key=lambda one: one[0])[1])


def _observe(task: asyncio.Task[Conversation]) -> None:
    """Whoever waited has the error; when nobody waits any more it is nobody's."""
    if not task.cancelled():
        task.exception()
