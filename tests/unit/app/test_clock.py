"""A machine that slept, and a clock that was set, are on record."""

import asyncio
from typing import Any

import pytest

from doorward.app.clock import Clocks, ClockWatch
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

pytestmark = pytest.mark.asyncio


class Machine(Clocks):
    def __init__(self) -> None:
        self.now, self.ticks, self.boot = 1_760_000_000.0, 50.0, 70.0

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.ticks

    def awake_or_not(self) -> float:
        return self.boot

    def passes(self, seconds: float) -> None:
        self.now, self.ticks, self.boot = self.now + seconds, self.ticks + seconds, self.boot + seconds

    def sleeps(self, seconds: float) -> None:
        self.now, self.boot = self.now + seconds, self.boot + seconds


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.fails = False

    async def lifecycle(self, event: str, **detail: Any) -> None:
        if self.fails:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "full")
        self.events.append((event, detail))


def made(look_s: float = 1.0) -> tuple[ClockWatch, Machine, Recorder]:
    machine, recorder = Machine(), Recorder()
    return ClockWatch(lambda: recorder, machine, look_s), machine, recorder  # type: ignore[arg-type,return-value]


async def test_time_that_passes_is_no_event() -> None:
    watch, machine, recorder = made()
    for seconds in (1.0, 400.0, 1.0):  # a process that was stopped was silent, and that is a fault
        machine.passes(seconds)
        await watch.look()
    assert recorder.events == []


async def test_a_machine_that_slept() -> None:
    watch, machine, recorder = made()
    machine.sleeps(3600.0)
    await watch.look()
    await watch.look()
    assert recorder.events == [("suspended", {"seconds": 3600.0})]


@pytest.mark.parametrize("seconds", [7200.0, -7200.0, 6.0])
async def test_a_clock_that_was_set(seconds: float) -> None:
    watch, machine, recorder = made()
    machine.now += seconds
    await watch.look()
    await watch.look()
    assert recorder.events == [("clock_moved", {"seconds": seconds})]


async def test_a_clock_that_is_slewed_is_none() -> None:
    watch, machine, recorder = made()
    for _ in range(100):
        machine.now += 0.5
        await watch.look()
    assert recorder.events == []


async def test_what_could_not_be_written_is_written_later() -> None:
    watch, machine, recorder = made()
    machine.sleeps(3600.0)
    recorder.fails = True
    await watch.look()
    recorder.fails = False
    await watch.look()
    assert recorder.events == [("suspended", {"seconds": 3600.0})]


async def test_it_looks_again_and_again() -> None:
    watch, machine, recorder = made(look_s=0.005)
    watching = asyncio.create_task(watch.run())
    async with asyncio.timeout(20):
        for count in (1, 2):
            machine.sleeps(60.0)
            while len(recorder.events) < count:  # noqa: ASYNC110 - there is nothing to be told by
                await asyncio.sleep(0.001)
    watching.cancel()


async def test_the_clocks_of_this_machine_do_not_jump() -> None:
    recorder = Recorder()
    watch = ClockWatch(lambda: recorder)  # type: ignore[arg-type,return-value]
    await watch.look()
    assert recorder.events == []
