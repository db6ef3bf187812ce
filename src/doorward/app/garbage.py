"""What the cyclic garbage collector need not look at.

Everything that was made until the gateway serves lives as long as it, some 150,000 objects. A full collection
walks them all, which holds the event loop for 40 ms, and a request of nested arrays is enough to bring one
about. Frozen, they are not walked: a collection then costs what sessions and calls in flight have.
"""

import gc
from typing import Final

YOUNG: Final = 10_000
"""Containers that are made before the youngest are looked at. A piece of a large message that is read, and
dropped again, makes fewer."""


LONGEST_S: Final = 60.0
"""How long a quiet moment is waited for."""


class Settling:
    """Settles again after a reload, in a moment when nobody waits: a collection holds the loop for as long as
    it takes, and what was replaced may still be on its way out."""

    def __init__(self) -> None:
        self._since: float | None = None

    def wanted(self, now: float) -> None:
        """What is new is not walked meanwhile. `now`: any clock in seconds, the same one for `look`."""
        gc.freeze()
        if self._since is None:
            self._since = now

    def look(self, now: float, *, quiet: bool) -> bool:
        """Whether it was settled now."""
        if self._since is None or not (quiet or now - self._since >= LONGEST_S):
            return False
        self._since = None
        settle()
        return True


def begin() -> None:
    """Before the gateway is built: nearly all that is made from now on stays. Walking it again and again is a
    third of the processor's time of a start with 200 servers. `settle` ends this."""
    gc.set_threshold(YOUNG, 50, 1_000)


def settle() -> None:
    """Before the gateway serves, and when a reload has replaced something: that is let go first."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
