"""A record every minute, also of a gateway that nobody uses: so silence in its log is a gap."""

import asyncio
from collections.abc import Callable

from doorward.audit.recorder import Recorder
from doorward.backends.files.sealer import Sealer
from doorward.model.errors import GatewayError

EVERY_S = 60.0


class Heartbeat:
    """Counts from the moment it is made."""

    def __init__(self, sealer: Sealer, recorder: Callable[[], Recorder], every_s: float = EVERY_S) -> None:
        self._sealer = sealer
        self._recorder = recorder
        self._every_s = every_s
        self._counted = sealer.size

    async def run(self) -> None:
        """Until cancelled, without drifting. One that cannot be written is missing, as it should be."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._every_s, loop.time())  # a machine that slept has none to make up for
            await asyncio.sleep(due - loop.time())
            await self.beat()

    async def beat(self) -> None:
        """One record. What a failed one would have counted is counted by the next."""
        size = self._sealer.size
        try:
            await self._recorder().heartbeat(
                written=size - self._counted, size=size, checkpoint=self._sealer.checkpoint
            )
        except GatewayError:
            return  # /readyz says so
        self._counted = size
