"""How long a server that says that it has changed is let wait before it is asked what it has now. Pure."""

import math
from collections.abc import Hashable
from typing import Final, NamedTuple

PAUSE_S: Final = 0.5
"""Between two renewals of one list: each new list is compiled anew, and a server may announce changes
without end."""
LONGEST_S: Final = 10.0
"""The pause doubles up to this for a server that goes on announcing. Whoever asks for a list is answered by
`keeper.RECENT_S` all the same."""
BURST: Final = 10
"""Renewals without a break before the pause grows: servers do change several lists within seconds, and who
listens is to hear of each (the official suite waits 1.5 s)."""


class _Renewed(NamedTuple):
    at: float = -math.inf
    times: int = 0
    """Without a break."""


class Pauses:
    """Of all lists of all servers, each for itself. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._renewed: dict[Hashable, _Renewed] = {}

    def left(self, lists: Hashable, now: float) -> float:
        """How long to wait yet, zero or less for not at all. `lists`: of one server, that change together."""
        last = self._renewed.get(lists, _Renewed())
        return last.at + pause(last.times) - now

    def renewing(self, lists: Hashable, now: float, *, waited: bool) -> None:
        """They are asked for now; `waited`: after a pause, so that no break was between."""
        times = self._renewed.get(lists, _Renewed()).times if waited else 0
        self._renewed[lists] = _Renewed(now, times + 1)


def pause(times: int) -> float:
    """After so many renewals without a break."""
    doublings = min(max(0, times - BURST), 16)
    return float(min(PAUSE_S * 2**doublings, LONGEST_S))
