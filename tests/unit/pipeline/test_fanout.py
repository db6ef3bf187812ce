"""Updates are told in turns, once per round, however often they are said."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from doorward.pipeline import fanout
from doorward.pipeline.fanout import MOST_WAITING, SHARE, Fanout

pytestmark = pytest.mark.asyncio


class Told:
    def __init__(self) -> None:
        self.shares: list[tuple[str, str, int]] = []
        self.turns = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.fanout = Fanout(self.tell, self.spawn)

    def tell(self, server: str, uri: str, holders: Iterable[tuple[str, str]]) -> None:
        self.shares.append((server, uri, len(list(holders))))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    async def done(self) -> None:
        await asyncio.wait(self.tasks)
        for task in self.tasks:
            task.result()


async def test_the_first_change_is_told_at_once_and_a_flood_once_per_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fanout, "PAUSE_S", 0.01)
    told = Told()

    told.fanout.updated("s", None, "u:1", lambda: [("a", "u:1")])
    await asyncio.sleep(0)
    assert told.shares == [("s", "u:1", 1)]
    for _ in range(10_000):
        told.fanout.updated("s", None, "u:1", lambda: [("a", "u:1")])
        told.fanout.updated("s", None, "u:2", lambda: [("a", "u:2")])
    await told.done()

    assert told.shares == [("s", "u:1", 1), ("s", "u:1", 1), ("s", "u:2", 1)]
    assert len(told.tasks) == 1


async def test_many_listeners_are_told_in_shares() -> None:
    told = Told()
    told.fanout.updated("s", None, "u:1", lambda: [(str(n), "u:1") for n in range(2 * SHARE + 1)])
    await asyncio.sleep(0)
    assert told.shares == [("s", "u:1", SHARE)]
    await told.done()
    assert [count for _, _, count in told.shares] == [SHARE, SHARE, 1]


async def test_too_many_different_changes_are_counted_and_dropped() -> None:
    told = Told()
    for number in range(MOST_WAITING + 7):
        told.fanout.updated("s", None, f"u:{number}", list)
    assert told.fanout.dropped == 7
    await told.done()


async def test_it_begins_again_after_a_rest() -> None:
    told = Told()
    for _ in range(2):
        told.fanout.updated("s", "key", "u:1", lambda: [("a", "u:1")])
        await told.done()
    assert len(told.shares) == 2
