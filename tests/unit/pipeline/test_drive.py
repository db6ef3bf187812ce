"""A coroutine without a task: steps, waits, cancellation, and what the standard library expects of a task."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from doorward.pipeline.drive import Drive
from doorward.ports.waits import PARK, Arrival

pytestmark = pytest.mark.asyncio


class Told(Drive, eq=False):
    """Keeps what it was told; goes on with `then`, if there is one."""

    said: list[Any]
    then: list[Coroutine[Any, Any, Any]]
    left: list[Any]
    """Where the coroutine leaves its result."""

    def ended(self) -> None:
        self._next(self.left.pop())

    def failed(self, failure: Exception | asyncio.CancelledError) -> None:
        self._next(failure)

    def _next(self, said: Any) -> None:
        self.said.append(said)
        if self.then:
            self.follow(leave(self.then.pop(0), self.left))
        else:
            self.close()


async def leave(doing: Coroutine[Any, Any, Any], left: list[Any]) -> None:
    left.append(await doing)


def told_of(doing: Coroutine[Any, Any, Any], *then: Coroutine[Any, Any, Any]) -> Told:
    left: list[Any] = []
    doing = leave(doing, left)
    return Told([], list(then), left, _loop=asyncio.get_running_loop(), _doing=doing.__await__())


def drive(doing: Coroutine[Any, Any, Any], *then: Coroutine[Any, Any, Any]) -> Told:
    told = told_of(doing, *then)
    told.begin()
    return told


async def over(told: Told) -> Any:
    async with asyncio.timeout(5):
        await told.end()
    return told.said[-1]


async def give(value: Any) -> Any:
    return value


async def fail(error: Exception) -> None:
    raise error


async def test_the_first_step_is_taken_at_once() -> None:
    told = drive(give(7))

    assert told.said == [7]
    assert told.over
    assert told.end().done()


async def test_it_waits_for_futures_tasks_and_turns_of_the_loop() -> None:
    future = asyncio.get_running_loop().create_future()

    async def work() -> list[Any]:
        await asyncio.sleep(0)
        return [await future, await asyncio.create_task(give(2)), await asyncio.gather(give(3), give(4))]

    told = drive(work())
    assert told.said == []
    future.set_result(1)

    assert await over(told) == [1, 2, [3, 4]]


async def test_what_is_raised_is_told_and_what_a_future_raises_is_raised_inside() -> None:
    future = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await future
        except OSError:
            return "caught"
        return "missed"

    raising, catching = drive(fail(ValueError("bad"))), drive(work())
    future.set_exception(OSError())

    assert isinstance(raising.said[0], ValueError)
    assert await over(catching) == "caught"


async def test_what_follows_is_driven_too() -> None:
    told = drive(fail(ValueError("bad")), asyncio.sleep(0, "then"))

    assert await over(told) == "then"
    assert isinstance(told.said[0], ValueError)


async def test_an_end_that_raises_is_told_as_a_failure() -> None:
    class Broken(Told, eq=False):
        def ended(self) -> None:
            raise ValueError("a bug")

    doing = leave(give(1), left := [])
    told = Broken([], [], left, _loop=asyncio.get_running_loop(), _doing=doing.__await__())
    told.begin()

    assert isinstance(told.said[0], ValueError)
    assert told.over


async def test_a_cancellation_reaches_what_is_waited_for() -> None:
    inner = asyncio.create_task(asyncio.sleep(3600))

    async def work() -> None:
        await inner

    told = drive(work())
    await asyncio.sleep(0)
    assert told.cancel()

    assert isinstance(await over(told), asyncio.CancelledError)
    assert inner.cancelled()
    assert not told.cancel()
    assert told.cancelling() == 1


async def test_a_cancellation_during_a_bare_yield_comes_with_the_next_step() -> None:
    told = drive(asyncio.sleep(0))
    told.cancel()

    assert isinstance(await over(told), asyncio.CancelledError)


async def test_a_cancellation_beats_a_result_that_came_in_the_same_turn() -> None:
    future = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await future

    told = drive(work())
    future.set_result(None)
    told.cancel()

    assert isinstance(await over(told), asyncio.CancelledError)


async def test_one_that_asked_for_its_own_cancellation_is_cancelled_where_it_next_waits() -> None:
    future = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await asyncio.sleep(0)
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await future

    told = drive(work())

    assert isinstance(await over(told), asyncio.CancelledError)
    assert future.cancelled()


async def test_a_cancellation_may_be_survived_and_comes_again() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)
        return "never"

    told = drive(stubborn())
    told.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not told.over
    told.cancel()

    assert isinstance(await over(told), asyncio.CancelledError)


async def test_what_follows_is_not_cancelled_by_what_came_too_late() -> None:
    async def cut_at_the_end() -> None:
        told[0].cancel()

    told: list[Told] = []
    told.append(told_of(cut_at_the_end(), asyncio.sleep(0, "then")))
    told[0].begin()

    assert await over(told[0]) == "then"


async def test_timeouts_work_inside() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(3600)
        except TimeoutError:
            me = asyncio.current_task()
            assert me is not None
            return f"timed out, {me.cancelling()} left"
        return "missed"

    assert await over(drive(work())) == "timed out, 0 left"


async def hasty() -> str:
    """Uses a timeout before it has waited for anything."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"
    return "missed"


async def test_one_that_begins_soon_may_use_a_timeout_at_once_and_its_own_one() -> None:
    outer = asyncio.current_task()
    assert outer is not None
    told = told_of(hasty())
    told.begin_soon()
    assert not told.over

    assert await over(told) == "timed out"
    assert outer.cancelling() == 0


async def test_one_that_begins_outside_of_any_task_is_told_that_it_is_in_none() -> None:
    loop = asyncio.get_running_loop()
    told = told_of(hasty())
    loop.call_soon(told.begin)
    await asyncio.sleep(0)

    assert isinstance(await over(told), RuntimeError)


async def test_one_that_is_cancelled_before_its_first_step_never_begins() -> None:
    told = Told([], [], [], _loop=asyncio.get_running_loop(), _doing=hasty().__await__())
    told.begin_soon()
    assert told.cancel()

    assert isinstance(await over(told), asyncio.CancelledError)


async def test_task_groups_work_inside() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(ValueError("bad")))
                group.create_task(asyncio.sleep(3600))
        except ExceptionGroup as group:
            return str(group.exceptions[0])
        return "missed"

    assert await over(drive(work())) == "bad"


async def test_it_is_the_current_task_in_each_of_its_steps_but_the_first_and_only_there() -> None:
    outer = asyncio.current_task()
    seen = []

    async def work() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    told = drive(work())
    assert asyncio.current_task() is outer
    await over(told)

    assert seen == [outer, told, told]


async def test_one_within_another_leaves_the_outer_one_in_its_place() -> None:
    seen = []

    async def outer() -> None:
        await asyncio.sleep(0)
        inner = drive(give(1))
        seen.append((inner.said, asyncio.current_task()))

    told = drive(outer())
    await over(told)

    assert seen == [([1], told)]


async def test_a_parked_one_is_stepped_by_whoever_took_it() -> None:
    seen: list[object] = []

    async def work() -> str:
        await PARK
        seen.append(asyncio.current_task())
        await PARK
        return "twice"

    told = drive(work())
    await asyncio.sleep(0)
    assert not told.said
    asyncio.get_running_loop().call_soon(told.step)
    await asyncio.sleep(0)
    assert seen == [told]
    asyncio.get_running_loop().call_soon(told.step)

    assert await over(told) == "twice"


async def test_what_went_wrong_is_raised_where_it_is_parked() -> None:
    async def work() -> str:
        try:
            await PARK
        except OSError as error:
            await PARK
            return str(error)
        return "missed"

    told = drive(work())
    told.fail(OSError("full"))
    assert not told.over
    asyncio.get_running_loop().call_soon(told.step)

    assert await over(told) == "full"


async def test_a_failure_may_end_it_where_it_is_parked() -> None:
    async def forgiving() -> int:
        try:
            await PARK
        except OSError:
            return 3
        return 4

    async def strict() -> None:
        await PARK

    forgave, broke = drive(forgiving()), drive(strict())
    error = OSError("full")
    forgave.fail(error)
    broke.fail(error)

    assert forgave.said == [3]
    assert broke.said == [error]


async def test_a_cancellation_of_a_parked_one_comes_with_its_next_step_and_after_a_failure() -> None:
    async def parked() -> None:
        await PARK

    async def careful() -> None:
        try:
            await PARK
        except OSError:
            await asyncio.sleep(3600)

    first, second = drive(parked()), drive(careful())
    assert first.cancel()
    assert second.cancel()
    await asyncio.sleep(0)
    assert not first.over
    asyncio.get_running_loop().call_soon(first.step)
    second.fail(OSError("full"))

    assert isinstance(await over(first), asyncio.CancelledError)
    assert isinstance(await over(second), asyncio.CancelledError)


async def test_an_arrival_steps_it_at_once() -> None:
    loop = asyncio.get_running_loop()
    arrival = Arrival(loop, asyncio.CancelledError)

    async def work() -> Any:
        await arrival
        return arrival.result()

    told = drive(work())
    arrival.land("here")

    assert told.said == ["here"]


async def test_a_cancellation_reaches_an_arrival_and_what_comes_later_is_not_taken() -> None:
    loop = asyncio.get_running_loop()
    arrival = Arrival(loop, asyncio.CancelledError)

    async def work() -> Any:
        await arrival
        return arrival.result()

    told = drive(work())
    assert told.cancel()
    assert arrival.done()

    assert isinstance(await over(told), asyncio.CancelledError)


async def test_what_is_no_future_is_a_bug_and_told() -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "not a future"

    async def work() -> None:
        await Odd()

    assert isinstance(await over(drive(work())), AttributeError)


async def test_nothing_is_left_to_the_garbage_collector() -> None:
    """A cycle in each call is a collection of some milliseconds for every few hundred calls."""

    async def wait(arrival: Arrival) -> Any:
        await arrival
        return arrival.result()

    loop = asyncio.get_running_loop()
    gc.collect()
    gc.disable()
    try:
        for number in range(50):
            arrival = Arrival(loop, asyncio.CancelledError)
            told = drive(wait(arrival))
            arrival.land(number + 1)
            assert told.said == [number + 1]
        del arrival, told
        assert gc.collect() < 50
    finally:
        gc.enable()
