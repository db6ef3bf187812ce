"""Ends exchanges in which the server says nothing for too long: before its answer, or in the middle of it.

One timer looks at all connections of a server now and then; a call itself pays nothing for it, and a server
without such limits has no timer.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Final

from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection
from doorward.upstream.timeouts import Timeouts, ToolTimeouts, limit, timeouts_of

SHORTEST_TICK_S: Final = 0.05
LONGEST_TICK_S: Final = 1.0
"""A limit is kept to within one tick: a fifth of the shortest, between these two."""

_Mark = tuple[float, int]
"""Deadline and `heard`: both the same means the same exchange, and nothing new in it."""


class Patience:
    """Belongs to the running loop. `connections` are asked for at each tick."""

    def __init__(self, server: str, connections: Callable[[], Iterable[Connection]], usual: Timeouts) -> None:
        self._server = server
        self._connections = connections
        self._usual = usual
        self._loop = asyncio.get_running_loop()
        self._seen: dict[Connection, tuple[_Mark, float]] = {}
        self._tick_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, rules: Iterable[ToolTimeouts]) -> None:
        """Begin to look, if the server or any of its tools has such a limit."""
        every = [self._usual, *(rule.timeouts for rule in rules if rule.timeouts is not None)]
        shortest = min(min(one.first_byte_s, one.idle_s) for one in every)
        if shortest < math.inf:
            self._tick_s = min(max(shortest / 5, SHORTEST_TICK_S), LONGEST_TICK_S)
            self._timer = self._loop.call_later(self._tick_s, self._look)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._tick_s, self._look)
        now = self._loop.time()
        seen: dict[Connection, tuple[_Mark, float]] = {}
        for connection in self._connections():
            if not connection.waits:
                continue  # also while we make the server wait: its silence is ours then
            mark = (connection.deadline, connection.heard)
            known = self._seen.get(connection)
            since = known[1] if known is not None and known[0] == mark else now
            if not self._lost(connection, now - since):
                seen[connection] = (mark, since)
        self._seen = seen

    def _lost(self, connection: Connection, silence: float) -> bool:
        timeouts = timeouts_of(connection.deadline, self._usual)
        bound = timeouts.first_byte_s if connection.silent else timeouts.idle_s
        if silence < bound:
            return False
        text = f"sent no more of its answer for {limit(bound, 'idle')}"
        if connection.silent:
            text = f"did not begin to answer within {limit(bound, 'first_byte')}"
        connection.fail(failure(Reason.UPSTREAM_TIMEOUT, self._server, text))
        return True
