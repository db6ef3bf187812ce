"""One request on its way to a server."""

import asyncio
import math
from collections import deque
from typing import Final

import msgspec

from doorward.model.call import Call
from doorward.model.errors import DoorwardError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.timeouts import limit
from doorward.upstream.waiting import Waiting
from doorward.wire import jsonrpc

Answer = jsonrpc.UpstreamResult | jsonrpc.UpstreamError
"""The server's own word on a request."""
MAX_NOTES: Final = 256
"""Notifications that wait for a slow caller; a process serves many and must not wait for one of them."""


class Live(msgspec.Struct, eq=False):
    """Its id and progress token are the same integer: unique among everything in flight on this server."""

    server: str
    id: int
    method: str
    call: Call | None
    """None for what we ask ourselves: the handshake, lists."""
    deadline: float
    within: float = math.inf
    """Seconds that it had when it began, for who is told that they are over."""
    lost: int = 0
    """Notifications dropped because the caller reads too slowly."""
    questions: Waiting | None = None
    """What the server has asked about it, if anything."""
    progress: float = -math.inf
    """As the server last said."""
    _notes: deque[jsonrpc.UpstreamNotification] | None = None
    _over: Answer | DoorwardError | None = None
    _wake: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        return self._over is not None

    async def next(self) -> Answer | jsonrpc.UpstreamNotification:
        """Notifications in their order, then the answer. Raises UpstreamError."""
        while True:
            if self._notes:
                return self._notes.popleft()
            if self._over is not None:
                if isinstance(self._over, DoorwardError):
                    raise self._over
                return self._over
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    def note(self, notification: jsonrpc.UpstreamNotification) -> None:
        """Nothing belongs to it any more once it has ended."""
        if self._over is not None:
            return
        if self._notes is None:
            self._notes = deque()
        if len(self._notes) >= MAX_NOTES:
            self._notes.popleft()
            self.lost += 1
        self._notes.append(notification)
        self._rouse()

    def end(self, over: Answer | DoorwardError) -> None:
        """The first end counts."""
        if self._over is None:
            self._over = over
            self._rouse()

    def expire(self) -> None:
        self.end(failure(Reason.UPSTREAM_TIMEOUT, self.server, f"did not answer within {limit(self.within)}"))

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
