import asyncio

import pytest

from doorward.upstream.deadlines import SWEEP_S, Deadlines

pytestmark = [pytest.mark.asyncio]


class Item:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1


async def test_only_what_is_due_and_still_watched_expires() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    due, later, forgotten = Item(loop.time()), Item(loop.time() + 60), Item(loop.time())
    for item in (due, later, forgotten):
        deadlines.watch(item)
    deadlines.forget(forgotten)
    await asyncio.sleep(SWEEP_S * 3)
    assert (due.expired, later.expired, forgotten.expired) == (1, 0, 0)
    assert len(deadlines) == 1
    deadlines.close()
    assert len(deadlines) == 0
