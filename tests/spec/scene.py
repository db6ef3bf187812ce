"""Short forms that stories have in common."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.world import Client, World, world

ERAS = (LATEST, MODERN)
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
FULL: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "completions": {},
    "logging": {},
}
each_client = pytest.mark.parametrize("down", ERAS)
each_server = pytest.mark.parametrize("up", ERAS)
over_sockets = [pytest.mark.asyncio, pytest.mark.enable_socket]


def full(*versions: str) -> Peer:
    """A server that has something of everything."""
    peer = Peer(*versions)
    peer.capabilities = FULL if peer.versions[0] != MODERN else FULL | {"extensions": {}}
    peer.lists |= {
        "prompts": [{"name": "greet"}],
        "resources": [{"uri": "doc://rates", "name": "rates"}],
        "resourceTemplates": [{"uriTemplate": "acct://{id}", "name": "account"}],
    }
    return peer


@asynccontextmanager
async def scene(
    folder: Path, down: str = LATEST, peer: Peer | None = None, *, path: str = "/mcp/lab", **settings: Any
) -> AsyncIterator[tuple[Peer, Client, World]]:
    """One server `lab`, one client; `settings` of the server."""
    made = peer or full()
    async with world(folder, {"lab": made}, lab=settings) as around:
        yield made, await around.client(path, down), around
