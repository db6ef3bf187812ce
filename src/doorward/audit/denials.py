"""Denials that repeat are counted, not written (DESIGN section 9): a client that asks in vain all day is no
lever against the log.

What is alike: caller, effect, reason, method, server and name. Those of one minute are written singly up to a
hundred; a denial that differs in any of these is another one, and always written.
"""

from typing import Final

import msgspec

SINGLY: Final = 100
WINDOW_S: Final = 60.0
MOST: Final = 4096
"""Kinds of denials that are told apart in one minute. Others are written singly: nothing is lost, only
saved."""


class Alike(msgspec.Struct, frozen=True, gc=False):
    """What denials that are counted together have in common."""

    tenant: str
    subject: str
    agent: str
    proven: str
    """How the caller was proven: Principal.method."""
    key_id: str | None
    effect: str
    reason: str
    method: str | None
    server: str | None
    name: str | None
    issuer: str | None = None
    client_id: str | None = None


class Counted(msgspec.Struct, eq=False):
    """Denials that were not written. Times in seconds since 1970."""

    alike: Alike
    count: int
    since: float
    last: str
    """Id of the last of them."""
    peer: str
    """Network of the last of them."""


class DenialTally:
    """Of one process; shared by the recorders of all its configurations."""

    def __init__(self, singly: int = SINGLY, most: int = MOST) -> None:
        self._singly = singly
        self._most = most
        self._minute = -1
        self._seen: dict[Alike, int] = {}
        self._counted: dict[Alike, Counted] = {}

    def admit(self, alike: Alike, now: float, last: str, peer: str) -> bool:
        """True when this one is to be written; False when it was counted. `now`: seconds since 1970."""
        minute = int(now // WINDOW_S)
        if minute != self._minute:
            self._minute, self._seen = minute, {}
        seen = self._seen.get(alike, 0)
        if not seen and len(self._seen) >= self._most:
            return True
        if seen < self._singly:
            self._seen[alike] = seen + 1
            return True
        counted = self._counted.get(alike)
        if counted is None:
            if len(self._counted) >= self._most:
                return True  # the log fails, and those of minutes before wait
            self._counted[alike] = Counted(alike, 1, now, last, peer)
            return False
        counted.count += 1
        counted.last, counted.peer = last, peer
        return False

    def take(self) -> Counted | None:
        """The oldest count, which starts again at none; None when nothing was counted."""
        if not self._counted:
            return None
        return self._counted.pop(next(iter(self._counted)))

    def put_back(self, counted: Counted) -> None:
        """It could not be written: count it again."""
        since = self._counted.get(counted.alike)
        if since is not None:
            since.count += counted.count
            since.since = min(since.since, counted.since)
        else:
            self._counted[counted.alike] = counted
