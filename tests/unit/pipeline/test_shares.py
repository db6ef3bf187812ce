"""Long work gives way: to everybody after each share, and to other long work in turn."""

import asyncio
import time
from collections.abc import Generator

import pytest

from doorward.pipeline.shares import SHARE_S, Shares


def busy(name: str, steps: int, log: list[str]) -> Generator[None, None, str]:
    for _ in range(steps):
        until = time.perf_counter() + SHARE_S
        while time.perf_counter() < until:
            pass
        log.append(name)
        yield
    return name


@pytest.mark.asyncio
async def test_it_returns_what_the_generator_returns() -> None:
    assert await Shares().run(busy("a", 3, [])) == "a"


@pytest.mark.asyncio
async def test_it_raises_what_the_generator_raises() -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Shares().run(failing())


@pytest.mark.asyncio
async def test_two_take_turns() -> None:
    shares, log = Shares(), list[str]()
    await asyncio.gather(shares.run(busy("a", 5, log)), shares.run(busy("b", 5, log)))
    assert log == ["a", "b"] * 5


@pytest.mark.asyncio
async def test_one_share_a_turn_however_many_wait() -> None:
    """What is scheduled meanwhile waits for one share, not for one of each."""
    shares, log = Shares(), list[str]()
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(shares.run(busy(str(n), 20, log))) for n in range(8)]
    await asyncio.sleep(0)  # all of them have begun
    between = []
    for _ in range(10):
        before = len(log)
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
        between.append(len(log) - before)
    assert max(between) <= 2
    assert sum(between) > 0
    await asyncio.gather(*tasks)


@pytest.mark.asyncio
async def test_a_cancelled_one_leaves_its_turn_to_the_next() -> None:
    shares, log = Shares(), list[str]()
    first = asyncio.create_task(shares.run(busy("a", 1000, log)))
    second = asyncio.create_task(shares.run(busy("b", 5, log)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "b"
    with pytest.raises(asyncio.CancelledError):
        await first
