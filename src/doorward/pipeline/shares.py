"""Long work in short shares: whoever has little to do never waits for whoever has much.

A step of Python cannot be interrupted, so what takes long is written as a generator that yields between its
steps. Each turn of the event loop gives one of those that wait a share of SHARE_S, in their order; between
two shares everybody else is served.
"""

import asyncio
import time
from collections import deque
from typing import Final, TypeVar

from doorward.model.steps import Steps

SHARE_S: Final = 0.0005
"""Seconds of one share. A small call takes some five turns of the loop, so it waits five shares at most."""
T = TypeVar("T")


class Shares:
    """Implements ports.Shares."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def run(self, steps: Steps[T]) -> T:
        """What the generator returns. Raises what it raises, and CancelledError between two shares."""
        loop = asyncio.get_running_loop()
        while True:
            began = time.perf_counter()
            while time.perf_counter() - began < SHARE_S:
                try:
                    next(steps)
                except StopIteration as done:
                    result: T = done.value
                    return result
            await self._turn(loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)
        return turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """The oldest that still waits goes on; a cancelled one takes nobody's turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            loop.call_soon(self._next, loop)
