"""Keep-alive connections to one server, the most recently used first, so that the others may age.

Guarantees: never more than `size` of them, connections being opened included; who finds none free waits in
line, and the line is served in its order; one that was idle for long, or that the server has closed, gets no
request; giving up costs nobody else a connection.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from functools import partial

from doorward.model.reasons import Reason
from doorward.upstream.dial import Dial
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection
from doorward.upstream.timeouts import Timeouts, limit, span, timeouts_of

SWEEP_S = 1.0
"""How often idle connections are looked at; half of `keep_alive_s` where that is less."""
GRACE_S = 0.1
"""How much longer one waits than a connection may take to open: its failure has words of its own."""


class _Place:
    """A place in the line."""

    __slots__ = ("dialled", "timeouts", "waiter", "within")

    def __init__(self, waiter: asyncio.Future[Connection], timeouts: Timeouts, within: str) -> None:
        self.waiter = waiter
        self.timeouts = timeouts
        self.within = within
        """How long it waits at the most, in words."""
        self.dialled = False
        """Whether a connection is being opened on its account: if that fails it is told."""


class Pool:
    """Belongs to the running loop."""

    def __init__(self, dial: Dial, *, size: int, keep_alive_s: float) -> None:
        self._dial = dial
        self._server = dial.server
        self._size = size
        self._keep_alive_s = keep_alive_s
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._apart: set[Connection] = set()
        """Dedicated ones, which do not count."""
        self._dialling: set[asyncio.Task[Connection]] = set()
        self._line: deque[_Place] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._all) + len(self._dialling)

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def connections(self) -> frozenset[Connection]:
        """Those that are open and shared, whatever they do."""
        return frozenset(self._all)

    def take(self, now: float) -> Connection | None:
        """An idle connection that is still good, without waiting; None when there is none.

        `now`: `loop.time()`.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable(now):
                return connection
            connection.close()
        return None

    async def open(self, due: float = math.inf) -> Connection:
        """A connection, as soon as it is this one's turn: a used one or a new one, whichever comes first.

        Raises UpstreamError(UPSTREAM_UNREACHABLE | UPSTREAM_OVERLOADED), at `due` at the latest; then nothing
        was sent.
        """
        timeouts = timeouts_of(due, self._dial.timeouts)
        patience = timeouts.connect_s + (timeouts.tls_s if self._dial.tls else 0.0)
        now = self._loop.time()
        end = min(due, now + patience + GRACE_S)
        within = span(due, timeouts) if due == end else limit(patience, "connect")
        at = self._line.append
        while True:
            if self._closed:
                raise failure(Reason.UPSTREAM_UNREACHABLE, self._server, "is being closed")
            connection = await self._stand_in_line(at, end, timeouts, within)
            if connection.clean:
                return connection
            connection.close()
            at = self._line.appendleft  # it ended between being handed over and being taken

    def give(self, connection: Connection) -> None:
        """Back after an exchange; one that cannot be used again is closed."""
        if self._closed or connection in self._apart or not connection.clean:
            connection.close()
            return
        connection.idle_since = self._loop.time()
        if not self._line or not self._hand_over(connection):
            self._idle.append(connection)

    def give_usual(self, connection: Connection, now: float) -> None:
        """Back after a usual answer, which leaves nothing to be looked at before the connection is taken.

        `now`: `loop.time()`.
        """
        if self._line or self._apart or self._closed:
            self.give(connection)
            return
        connection.idle_since = now
        self._idle.append(connection)

    async def dedicated(self) -> Connection:
        """One for a long-lived stream, outside of `size`. Raises UpstreamError(UPSTREAM_UNREACHABLE)."""
        opening = self._loop.create_task(self._dial.open(self._lost))
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_abandon)
            opening.cancel()
            raise
        self._apart.add(connection)
        if self._closed:
            connection.close()
        return connection

    def close(self) -> None:
        """All of them; what is in flight fails, and so does who waits."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in [*self._all, *self._apart]:
            connection.close()
        self._idle.clear()
        for opening in self._dialling:
            opening.cancel()
        while self._line:
            _tell(self._line.popleft(), failure(Reason.UPSTREAM_UNREACHABLE, self._server, "is being closed"))

    async def _stand_in_line(
        self, at: Callable[[_Place], None], end: float, timeouts: Timeouts, within: str
    ) -> Connection:
        place = _Place(self._loop.create_future(), timeouts, within)
        at(place)
        timer = self._loop.call_at(end, self._give_up, place)
        self._dial_more()
        try:
            return await place.waiter
        except asyncio.CancelledError:
            self._leave(place)
            raise
        finally:
            timer.cancel()

    def _leave(self, place: _Place) -> None:
        """What it was given in the very moment it gave up goes to the next in line."""
        waiter = place.waiter
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.give(waiter.result())
        elif place in self._line:
            self._line.remove(place)

    def _give_up(self, place: _Place) -> None:
        if place.waiter.done():
            return
        if place in self._line:
            self._line.remove(place)
        if place.dialled or self._dialling:
            text = f"did not accept a connection within {place.within}"
            _tell(place, failure(Reason.UPSTREAM_UNREACHABLE, self._server, text))
        else:
            text = f"had all its connections in use for {place.within}"
            _tell(place, failure(Reason.UPSTREAM_OVERLOADED, self._server, text))

    def _hand_over(self, connection: Connection) -> bool:
        """To the first in line; False when nobody waits any more."""
        while self._line:
            place = self._line.popleft()
            if not place.waiter.done():
                place.waiter.set_result(connection)
                return True
        return False

    def _dial_more(self) -> None:
        """One connection being opened for each that waits, as far as there is room."""
        for place in self._line:
            if self._closed or len(self) >= self._size or len(self._dialling) >= len(self._line):
                return
            if not place.dialled:
                place.dialled = True
                opening = self._loop.create_task(self._dial.open(self._lost, place.timeouts))
                self._dialling.add(opening)
                opening.add_done_callback(partial(self._dialled, place))

    def _dialled(self, place: _Place, opening: asyncio.Task[Connection]) -> None:
        self._dialling.discard(opening)
        if opening.cancelled():
            return
        error = opening.exception()
        if error is None:
            connection = opening.result()
            self._all.add(connection)
            self._watch()
            self._adopt(connection, place)
            return
        place.dialled = False
        if place in self._line:
            self._line.remove(place)
            _tell(place, error)
        self._dial_more()

    def _adopt(self, connection: Connection, place: _Place) -> None:
        """A new connection: first come, first served, whoever it was opened for."""
        place.dialled = False
        if connection.clean or self._closed:
            self.give(connection)
            return
        self._all.discard(connection)
        if place in self._line:
            self._line.remove(place)
            _tell(place, failure(Reason.UPSTREAM_UNREACHABLE, self._server, "closed the connection at once"))
        self._dial_more()

    def _lost(self, connection: Connection) -> None:
        self._apart.discard(connection)
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._dial_more()

    def _watch(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = self._loop.call_later(min(SWEEP_S, self._keep_alive_s / 2), self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long, so that it holds no descriptor here and nothing there."""
        self._timer = None
        now = self._loop.time()
        stale = [connection for connection in self._idle if not connection.usable(now)]
        for connection in stale:
            self._idle.remove(connection)
            connection.close()
        if self._all:
            self._watch()


def _tell(place: _Place, error: BaseException) -> None:
    if not place.waiter.done():
        place.waiter.set_exception(error)


def _abandon(opening: asyncio.Task[Connection]) -> None:
    """It was opened in the very moment in which nobody wanted it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
