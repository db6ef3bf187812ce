"""A whole gateway between a hostile server, an honest one, and clients of both eras: whatever the one does,
the clients of the other notice nothing, and memory stays where it was."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.attack.players import memory_stays
from tests.spec.peers import LATEST, Json, Peer
from tests.spec.world import Client, World, world

CALM_S = 10.0
"""No call to the honest server takes longer, however busy the machine; usually it is a few milliseconds."""


@asynccontextmanager
async def beside(
    folder: Path,
    evil: Peer,
    *,
    within_mb: float = 80,
    good: Peer | None = None,
    agents: Json | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """`settings` of the server `evil`. The server `good` is called all the while, in both ways."""
    honest = good or Peer(LATEST)
    async with world(folder, {"evil": evil, "good": honest}, agents=agents, evil=settings) as made:
        calm = await made.client("/mcp/good", agent="other")
        together = await made.client("/mcp", agent="other")
        await calm.call(text="warm")
        async with memory_stays(within_mb):
            calling = asyncio.create_task(_calls(calm, together))
            try:
                yield made
                await asyncio.sleep(0.05)
            finally:
                calling.cancel()
                ended = (await asyncio.gather(calling, return_exceptions=True))[0]
        assert isinstance(ended, asyncio.CancelledError), ended
        await _calm(calm, "last")


async def _calls(calm: Client, together: Client) -> None:
    turn = 0
    while True:
        turn += 1
        await _calm(calm, f"turn {turn}")
        if not turn % 5:
            said = await together.call("good__echo", text=f"turn {turn}")
            assert json.loads(said.result["content"][0]["text"]) == {"text": f"turn {turn}"}
        await asyncio.sleep(0.02)


async def _calm(client: Client, text: str) -> None:
    began = time.monotonic()
    said = await client.call(text=text)
    assert json.loads(said.result["content"][0]["text"]) == {"text": text}
    took = time.monotonic() - began
    assert took < CALM_S, f"the honest server's caller waited {took:.1f} s"
