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


class Connection(Item):
    def __init__(self, deadline: float, *, in_flight: bool) -> None:
        super().__init__(deadline)
        self.in_flight = in_flight

    def expire(self) -> None:
        super().expire()
        self.in_flight = False


async def test_what_is_overseen_expires_while_it_is_in_flight_and_costs_nothing_when_nothing_is() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    idle, due = Connection(loop.time(), in_flight=False), Connection(loop.time(), in_flight=True)
    later = Connection(loop.time() + 60, in_flight=True)
    everything = [idle]
    deadlines.oversee(lambda: list(everything))
    assert deadlines.timer is None
    deadlines.rouse()
    await asyncio.sleep(SWEEP_S * 3)
    assert deadlines.timer is None
    everything += [due, later]
    deadlines.rouse()
    await asyncio.sleep(SWEEP_S * 3)
    assert (idle.expired, due.expired, later.expired) == (0, 1, 0)
    assert deadlines.timer is not None
    later.in_flight = False
    await asyncio.sleep(SWEEP_S * 3)
    assert deadlines.timer is None
    deadlines.rouse()
    deadlines.close()
    later.in_flight, later.deadline = True, 0.0
    await asyncio.sleep(SWEEP_S * 2)
    assert later.expired == 0
