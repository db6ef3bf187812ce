"""What the store says of callers, put in force: whose keys count, whose streams end, when they were used.

Nothing here is on the way of a call. What changes takes effect between two turns of the loop, in one piece.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from doorward.app.last_use import TELL_S, LastUse
from doorward.app.world import World
from doorward.control.standing import changed_keys, has_rates
from doorward.model.principal import Principal
from doorward.pipeline.gateway import Gateway
from doorward.ports.store import Store, StoreFacts


class OpenEnds(Protocol):
    """Streams, or listens: what goes on after its request was judged."""

    def close_where(self, ended: Callable[[Principal], bool]) -> None: ...


class Standing:
    """Of one process, whatever worlds it has had."""

    def __init__(
        self,
        store: Store,
        world: Callable[[], World],
        swap: Callable[[Gateway], None],
        *open_ends: OpenEnds,
    ) -> None:
        """`world`: the one in force. `swap`: puts its gateway in force, when it got another one."""
        self._world = world
        self._swap = swap
        self._open_ends = open_ends
        self._facts = StoreFacts(0)
        self._last_use = LastUse(store)

    def apply(self, facts: StoreFacts) -> None:
        """From now on this is what the store holds."""
        changed = changed_keys(self._facts, facts)
        self._facts = facts
        world = self._world()
        self._enter(world)
        self._swap(world.gateway)
        # What a stream shows was judged by what its key was worth when it was opened.
        self._close_where(lambda principal: principal.key_id in changed)

    def confirm(self) -> None:
        """The store still holds what it held."""
        self._world().directory.confirm()

    def pass_on(self, old: World, new: World) -> None:
        """What `old` knew holds in `new`, which takes its place. Nothing may be awaited between the two."""
        self._enter(new)
        new.directory.revoked = old.directory.revoked
        self._last_use.note(old.directory.take_used())

    def end_expired(self) -> None:
        """Streams of keys that are revoked or have expired: nothing else asks an open one who listens."""
        now = time.time()
        live = {
            key.id
            for key in self._facts.keys
            if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
        }
        self._close_where(lambda principal: principal.key_id not in {None, *live})

    async def run(self) -> None:
        """Until cancelled: tells the store which keys are used."""
        while True:
            await asyncio.sleep(TELL_S)
            await self.tell()

    async def tell(self) -> None:
        """Tell the store now."""
        self._last_use.note(self._world().directory.take_used())
        await self._last_use.tell()

    def _enter(self, world: World) -> None:
        world.directory.replace(self._facts.keys, self._facts.operators)
        world.limit_keys(has_rates(self._facts))

    def _close_where(self, ended: Callable[[Principal], bool]) -> None:
        for ends in self._open_ends:
            ends.close_where(ended)
