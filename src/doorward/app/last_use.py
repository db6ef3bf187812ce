"""When keys were last used: noticed in memory, told to the store twice a minute and at the end.

Nothing is written on the way of a call. What the store does not take is kept and told with the rest.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from doorward.model.errors import GatewayError
from doorward.ports.store import Store

TELL_S: Final = 30.0


class LastUse:
    """Of one process, whatever worlds it has had."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._untold: dict[str, float] = {}

    def note(self, used: Mapping[str, float]) -> None:
        """`used`: ids with seconds since 1970, as `KeyDirectory.take_used` has them."""
        for used_id, at in used.items():
            self._untold[used_id] = max(at, self._untold.get(used_id, at))

    async def tell(self) -> None:
        """Whatever the store has not been told yet; it is tried again with the next when that fails."""
        untold, self._untold = self._untold, {}
        if not untold:
            return
        try:
            await asyncio.to_thread(self._store.touch, untold)
        except GatewayError:
            self.note(untold)  # /readyz says that the store cannot be used
