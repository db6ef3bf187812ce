"""Long work in short steps, so that whoever wakes up meanwhile has the processor soon.

A scheduler lets even the least important process finish its slice, which is 3 ms on Linux: more than a call
takes. A process that rests by itself gives it back after a twelfth of that.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.00025
REST: Final = 4.0
"""Rests are that many times as long as the steps before them."""


class Rests(threading.local):
    """Called between two pieces of work; each thread has steps of its own."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    def __call__(self) -> None:
        """Rest, if it is time to."""
        worked = self._clock() - self._began
        if worked < STEP_S:
            return
        self._sleep(REST * min(worked, 10 * STEP_S))  # who comes back after a while has not worked all along
        self._began = self._clock()
