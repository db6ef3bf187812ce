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


def settle() -> None:
    """Once the gateway serves, and again with each configuration: what a reload replaced is let go first."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
