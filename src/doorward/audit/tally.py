"""The log is no lever for denial of service: what repeats is counted, not written (DESIGN section 9)."""

from typing import Final

import msgspec

SINGLY: Final = 10
WINDOW_S: Final = 60.0
_NETWORKS: Final = 10_000


class Rollup(msgspec.Struct, frozen=True, gc=False):
    """Refusals of one reason that were counted and not written."""

    reason: str
    peer: str
    """The network that was refused most often."""
    count: int
    networks: int
    since: float
    """Seconds since 1970 of the first of them."""


class RefusalTally:
    """Lets the first refusals of each network and minute through and counts the others by reason."""

    def __init__(self, singly: int = SINGLY) -> None:
        self._singly = singly
        self._minute = -1
        self._written: dict[str, int] = {}
        self._counted: dict[str, dict[str, int]] = {}
        self._since: dict[str, float] = {}

    def admit(self, reason: str, peer: str, now: float) -> bool:
        """True when this one is to be written; False when it was counted. `now`: seconds since 1970."""
        minute = int(now // WINDOW_S)
        if minute != self._minute:
            self._minute = minute
            self._written = {}
        written = self._written.get(peer, 0)
        # A flood from more networks than we can remember is counted from its first packet.
        if written < self._singly and (written or len(self._written) < _NETWORKS):
            self._written[peer] = written + 1
            return True
        counted = self._counted.setdefault(reason, {})
        self._since.setdefault(reason, now)
        if peer not in counted and len(counted) >= _NETWORKS:
            peer = ""  # the others, together
        counted[peer] = counted.get(peer, 0) + 1
        return False

    def take(self) -> Rollup | None:
        """What was counted of one reason, which starts again at none; None when nothing was counted."""
        if not self._counted:
            return None
        reason, by_peer = self._counted.popitem()
        most = max(by_peer, key=by_peer.__getitem__)
        return Rollup(reason, most, sum(by_peer.values()), len(by_peer), self._since.pop(reason))

    def put_back(self, rollup: Rollup) -> None:
        """A roll-up could not be written: count it again. Its networks are remembered as one."""
        counted = self._counted.setdefault(rollup.reason, {})
        counted[rollup.peer] = counted.get(rollup.peer, 0) + rollup.count
        self._since[rollup.reason] = min(rollup.since, self._since.get(rollup.reason, rollup.since))
