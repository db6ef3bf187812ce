"""Whether a process still works: one that answers nothing and says nothing is of no use to anybody.

Promises: one that writes anything at all, however slowly, is never taken for wedged; nor is one by calls that
merely ran side by side.
"""


class Silence:
    """Counts the calls in a row that ended without an answer, while the process said nothing.

    A call counts once the one that was counted before it had ended when it began: a burst of calls that wait
    for the same slow work says no more than one of them.
    """

    def __init__(self, most: int, least_s: float) -> None:
        """Wedged is who left `most` calls unanswered (0: nobody ever is), and that for `least_s` seconds."""
        self._most = most
        self._least_s = least_s
        self._row = 0
        self._since = 0.0
        self._given_up = 0.0

    def unanswered(self, *, began: float, now: float, spoke: bool) -> bool:
        """A call is given up `now`; `spoke`: whether anything came since this was asked last. True when that
        makes it wedged, once.
        """
        if spoke or not self._row:
            self._row, self._since = 1, began
            self._given_up = now
            return False
        if began < self._given_up:
            return False
        self._row += 1
        self._given_up = now
        if not self._most or self._row < self._most or now - self._since < self._least_s:
            return False
        self._row = 0
        return True

    @property
    def most(self) -> int:
        return self._most
