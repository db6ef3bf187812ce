"""When the admin process has nothing left to do."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from doorward.app.admin.main import _end_when_idle


def server(requests: int = 0, connections: int = 0) -> Any:
    state = SimpleNamespace(total_requests=requests, connections=set(range(connections)))
    return SimpleNamespace(server_state=state, should_exit=False)


@pytest.mark.asyncio
async def test_it_ends_when_nobody_asks_any_more() -> None:
    idle = server(requests=3)
    async with asyncio.timeout(10):
        await _end_when_idle(idle, 0.01)
    assert idle.should_exit


@pytest.mark.asyncio
async def test_it_stays_while_somebody_is_connected_or_asks() -> None:
    held, asked = server(connections=1), server()
    tasks = [asyncio.create_task(_end_when_idle(each, 0.02)) for each in (held, asked)]
    for _ in range(50):
        asked.server_state.total_requests += 1
        await asyncio.sleep(0.005)
    assert (held.should_exit, tasks[0].done()) == (False, False)
    held.server_state.connections.clear()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    assert (held.should_exit, asked.should_exit) == (True, True)
