"""When a process that crashed may be started again: exponential backoff inside a budget."""

from collections import deque

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0


class Restarts:
    """At most `budget` restarts in any `window` seconds; the delay doubles with each crash in the window."""

    def __init__(self, budget: int, window: float) -> None:
        self._budget = budget
        self._window = window
        self._crashes: deque[float] = deque()

    def crashes(self, now: float) -> int:
        """Within the window."""
        self._forget(now)
        return len(self._crashes)

    def crashed(self, now: float) -> None:
        self._forget(now)
        self._crashes.append(now)

    def wait(self, now: float) -> float:
        """Seconds until a start is allowed; 0.0 when it is allowed now."""
        self._forget(now)
        if not self._crashes:
            return 0.0
        if len(self._crashes) > self._budget:
            return max(0.0, self._crashes[-self._budget - 1] + self._window - now)
        delay = min(FIRST_DELAY_S * 2.0 ** (len(self._crashes) - 1), LONGEST_DELAY_S)
        return max(0.0, self._crashes[-1] + delay - now)

    def _forget(self, now: float) -> None:
        while self._crashes and self._crashes[0] <= now - self._window:
            self._crashes.popleft()
