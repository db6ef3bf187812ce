"""What callers are told when the lists that they see have changed by something that operators did."""

import asyncio
from collections.abc import Collection

from doorward.app.world import KINDS, World
from doorward.pipeline.notices import Notices
from doorward.pipeline.views import View
from doorward.policy.engine import Engine


async def reloaded(notices: Notices, old: World, new: World) -> None:
    """Another configuration is in force; others have their turn between two servers."""
    for name in sorted({*old.servers, *new.servers}):
        for kind in KINDS:
            await notices.list_changed(name, kind, old.view(name, kind), new.view(name, kind))
        await asyncio.sleep(0)


async def shut(notices: Notices, world: World, before: Engine, servers: Collection[str]) -> None:
    """These were blocked, or are not any more: what they offer disappears, or appears."""
    for name in sorted(set(servers) & world.servers.keys()):
        for kind in KINDS:
            now = world.view(name, kind)
            await notices.list_changed(name, kind, View(before, now.definitions), now)
