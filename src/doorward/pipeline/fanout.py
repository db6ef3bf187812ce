"""Updates of resources on their way to many listeners, in turns.

A server may say the same ten thousand times a second, and thousands may listen to it. So what has changed is
only noted, once, and told in shares with pauses between rounds: a flood costs everybody else nothing, and who
listens still learns of the last change.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

SHARE: Final = 50
"""Listeners that are told before others have their turn; each takes some 5 us."""
PAUSE_S: Final = 0.02
"""Between two rounds over everything that has changed."""
MOST_WAITING: Final = 4096
"""Changed resources of all servers. Only what somebody subscribed to is noted."""

Holders = list[tuple[str, str]]
Tell = Callable[[str, str, Iterable[tuple[str, str]]], None]
"""Server, URI, and whom: `Notices.resource_updated`."""


class Fanout:
    """One per process. Used from one event loop."""

    def __init__(self, tell: Tell, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._tell = tell
        self._spawn = spawn
        self._waiting: dict[tuple[str, str | None, str], Callable[[], Holders]] = {}
        self._running = False
        self.dropped = 0
        """Changes that nobody was told of, because too many waited."""

    def updated(self, server: str, key: str | None, uri: str, holders: Callable[[], Holders]) -> None:
        """A server says, in the conversation `key`, that a resource has changed. `holders` is asked then."""
        changed = (server, key, uri)
        if changed not in self._waiting and len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting[changed] = holders
        if not self._running:
            self._running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                round_of, self._waiting = self._waiting, {}
                for (server, _, uri), holders in round_of.items():
                    await self._share(server, uri, holders())
                await asyncio.sleep(PAUSE_S)
        finally:
            self._running = False

    async def _share(self, server: str, uri: str, holders: Holders) -> None:
        for at in range(0, len(holders), SHARE):
            self._tell(server, uri, holders[at : at + SHARE])
            await asyncio.sleep(0)
