"""Waits without futures, as a task sees them; tests/unit/pipeline/test_drive.py has the driver's view."""

import asyncio
from typing import Any

import pytest

from doorward.ports.waits import PARK, PARKED, Arrival

pytestmark = pytest.mark.asyncio


def arrival() -> Arrival:
    return Arrival(asyncio.get_running_loop(), asyncio.CancelledError)


async def taken(one: Arrival) -> Any:
    await one
    return one.result()


async def test_a_park_gives_its_mark_once_and_ends() -> None:
    async def work() -> str:
        await PARK
        return "gone on"

    doing = work()

    assert doing.send(None) is PARKED
    with pytest.raises(StopIteration, match="gone on"):
        doing.send(None)


@pytest.mark.parametrize("way", ["land", "set_result"])
async def test_a_task_may_wait_for_an_arrival(way: str) -> None:
    one = arrival()
    task = asyncio.create_task(taken(one))
    await asyncio.sleep(0)
    getattr(one, way)("here")

    assert await task == "here"


async def test_a_failure_is_raised_by_whoever_asks() -> None:
    one = arrival()
    task = asyncio.create_task(taken(one))
    await asyncio.sleep(0)
    one.set_exception(OSError("gone"))

    with pytest.raises(OSError, match="gone"):
        await task


async def test_a_cancelled_task_cancels_what_it_waits_for() -> None:
    one = arrival()
    task = asyncio.create_task(taken(one))
    await asyncio.sleep(0)
    task.cancel("enough")

    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.done()
    assert not one.cancel()


@pytest.mark.parametrize("failed", [False, True])
async def test_what_has_come_before_anybody_waited_is_there(failed: bool) -> None:
    one = arrival()
    if failed:
        one.set_exception(OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            await taken(one)
    else:
        one.set_result("here")
        assert await taken(one) == "here"


class Steps:
    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self) -> None:
        self.said.append("step")

    def pace(self) -> None:
        self.said.append("pace")

    def fail(self, failure: Exception) -> None:
        self.said.append(str(failure))


async def test_a_waiter_goes_on_at_once_when_it_lands_and_else_in_the_next_turn() -> None:
    at_once, later, late = Steps(), Steps(), Steps()
    one, two, three = arrival(), arrival(), arrival()
    one.attend(at_once)
    two.attend(later)
    one.land("here")
    two.set_exception(OSError("gone"))
    three.set_result("here")
    three.attend(late)

    assert (at_once.said, later.said, late.said) == (["pace"], [], [])
    await asyncio.sleep(0)
    assert (at_once.said, later.said, late.said) == (["pace"], ["step"], ["step"])
