"""Never more than its size, in the order of the line, and nothing lost when somebody gives up."""

import asyncio
import random
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import pool as module
from doorward.upstream.pool import Pool
from doorward.upstream.timeouts import Due, Timeouts

pytestmark = [pytest.mark.asyncio]


class FakeConnection:
    """Open until it is closed, by either side."""

    def __init__(self, number: int, on_lost: Any) -> None:
        self.number, self._on_lost = number, on_lost
        self.clean = True
        self.idle_since = 0.0
        self.idle_limit = 60.0

    def usable(self, now: float) -> bool:
        return self.clean and now - self.idle_since < self.idle_limit

    def close(self) -> None:
        if self.clean:
            self.clean = False
            asyncio.get_running_loop().call_soon(self._on_lost, self)


class FakeDial:
    """Opens connections when `gate` lets it; `errors` are raised first, one for each attempt."""

    server, tls = "lab", False

    def __init__(self, **timeouts: float) -> None:
        self.timeouts = Timeouts(**timeouts)
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.opened: list[FakeConnection] = []
        self.attempts = 0
        self.limits: list[Timeouts | None] = []

    async def open(self, on_lost: Any, timeouts: Timeouts | None = None) -> Any:
        self.attempts += 1
        self.limits.append(timeouts)
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.opened.append(FakeConnection(len(self.opened), on_lost))
        return self.opened[-1]

    def alive(self) -> int:
        return sum(one.clean for one in self.opened)


@pytest.fixture
def dial() -> FakeDial:
    return FakeDial(connect_s=5.0)


def pool_of(dial: Any, size: int = 2, keep_alive_s: float = 60.0) -> Pool:
    return Pool(dial, size=size, keep_alive_s=keep_alive_s)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def refused(waiting: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await waiting
    assert caught.value.server == "lab"
    return caught.value


async def test_the_line_is_served_in_its_order(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    held = await pool.open()
    order: list[int] = []

    async def call(number: int) -> None:
        connection = await pool.open()
        order.append(number)
        await asyncio.sleep(0)
        pool.give(connection)

    calls = []
    for number in range(20):
        calls.append(asyncio.create_task(call(number)))
        await asyncio.sleep(0)
    assert pool.take(asyncio.get_running_loop().time()) is None
    pool.give(held)
    await asyncio.gather(*calls)
    assert order == list(range(20))
    assert dial.attempts == 1
    assert pool.waiting == 0


async def test_who_comes_later_does_not_overtake_the_line(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    held = await pool.open()
    first = asyncio.create_task(pool.open())
    await settle()
    pool.give(held)
    assert pool.take(asyncio.get_running_loop().time()) is None  # it is promised already
    second = asyncio.create_task(pool.open())
    await settle()
    assert first.done()
    assert not second.done()
    pool.give(await first)
    assert await second is held


async def test_there_are_never_more_than_its_size(dial: FakeDial) -> None:
    pool = pool_of(dial, size=3)
    chance = random.Random(4)
    held: set[int] = set()

    async def call() -> None:
        connection: Any = pool.take(asyncio.get_running_loop().time()) or await pool.open()
        assert connection.number not in held
        held.add(connection.number)
        try:
            assert len(held) <= 3
            assert len(pool) <= 3
            await asyncio.sleep(chance.random() / 200)
        finally:
            held.discard(connection.number)
            if chance.random() < 0.3:
                connection.close()
            pool.give(connection)

    async def caller() -> None:
        for _ in range(20):
            task = asyncio.create_task(call())
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 300)
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None

    async with asyncio.timeout(20.0):
        await asyncio.gather(*(caller() for _ in range(10)))
    assert dial.alive() <= 3
    assert dial.attempts > 3
    assert pool.waiting == 0


async def test_cancelled_waiters_lose_no_connection(dial: FakeDial) -> None:
    """In every order in which handing over and giving up can meet."""
    pool = pool_of(dial, size=1)
    for turns in range(6):
        held = await pool.open() if not (found := pool.take(asyncio.get_running_loop().time())) else found
        waiting = [asyncio.create_task(pool.open()) for _ in range(3)]
        await settle()
        pool.give(held)
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for one in results:
            if not isinstance(one, BaseException):
                pool.give(one)
        await settle()
        assert pool.waiting == 0
        assert len(pool) == 1
    again = pool.take(asyncio.get_running_loop().time())
    assert again is not None
    assert dial.attempts == 1


async def test_a_cancelled_opening_is_kept_for_the_next(dial: FakeDial) -> None:
    dial.gate.clear()
    pool = pool_of(dial)
    task = asyncio.create_task(pool.open())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    dial.gate.set()
    await settle()
    assert pool.take(asyncio.get_running_loop().time()) is not None
    assert dial.attempts == 1


async def test_a_connection_that_comes_back_first_is_taken_first(dial: FakeDial) -> None:
    pool = pool_of(dial, size=2)
    held = await pool.open()
    dial.gate.clear()
    waiting = asyncio.create_task(pool.open())
    await settle()
    assert dial.attempts == 2
    pool.give(held)
    assert await waiting is held
    dial.gate.set()
    await settle()
    assert pool.take(asyncio.get_running_loop().time()) is dial.opened[1]


async def test_a_failed_opening_is_told_to_one_and_tried_for_the_next(dial: FakeDial) -> None:
    dial.errors = [UpstreamError(Reason.UPSTREAM_UNREACHABLE, "lab", "server lab cannot be reached")]
    dial.gate.clear()
    pool = pool_of(dial, size=1)
    first, second = asyncio.create_task(pool.open()), asyncio.create_task(pool.open())
    await settle()
    dial.gate.set()
    assert (await refused(first)).reason is Reason.UPSTREAM_UNREACHABLE
    assert await second is dial.opened[0]
    assert dial.attempts == 2


async def test_a_bug_in_opening_reaches_who_waits(dial: FakeDial) -> None:
    dial.errors = [RuntimeError("bug")]
    with pytest.raises(RuntimeError, match="bug"):
        await pool_of(dial).open()


async def test_a_full_pool_says_so_in_time(dial: FakeDial) -> None:
    dial.timeouts = Timeouts(connect_s=0.02)
    pool = pool_of(dial, size=1)
    held = await pool.open()
    assert (await refused(pool.open())).reason is Reason.UPSTREAM_OVERLOADED
    assert pool.waiting == 0
    pool.give(held)
    assert pool.take(asyncio.get_running_loop().time()) is held


async def test_a_server_that_does_not_accept_is_unreachable_in_time(dial: FakeDial) -> None:
    dial.timeouts = Timeouts(connect_s=0.02)
    dial.gate.clear()
    pool = pool_of(dial)
    assert (await refused(pool.open())).reason is Reason.UPSTREAM_UNREACHABLE
    pool.close()


async def test_a_call_waits_no_longer_than_its_own_time_or_its_tool_s(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    await pool.open()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(4.0):  # less than the usual wait of one
        await refused(pool.open(loop.time() + 0.02))
        await refused(pool.open(Due.of(Timeouts(connect_s=0.02, total_s=60.0), loop.time())))
        await refused(pool.open(loop.time() - 1.0))


async def test_a_connection_is_opened_within_the_limits_of_the_tool_that_wants_it(dial: FakeDial) -> None:
    pool = pool_of(dial)
    patient = Timeouts(connect_s=20.0)
    await pool.open(Due.of(patient, asyncio.get_running_loop().time()))
    await pool.open()
    assert dial.limits == [patient, dial.timeouts]


async def test_what_ends_while_it_is_handed_over_costs_nobody_its_place(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    held: Any = await pool.open()
    first, second = asyncio.create_task(pool.open()), asyncio.create_task(pool.open())
    await settle()
    pool.give(held)
    held.close()  # before `first` has run again
    await settle()
    assert first.done()
    assert not second.done()
    assert first.result() is dial.opened[1]


async def test_a_server_that_closes_what_it_accepts_is_not_asked_for_ever(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    opening = dial.open

    async def closed_at_once(on_lost: Any, timeouts: Timeouts | None = None) -> Any:
        connection = await opening(on_lost, timeouts)
        connection.close()
        return connection

    dial.open = closed_at_once  # type: ignore[method-assign]
    assert (await refused(pool.open())).reason is Reason.UPSTREAM_UNREACHABLE
    assert dial.attempts == 1
    assert len(pool) == 0


async def test_idle_connections_are_closed_in_time(dial: FakeDial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_S", 0.01)
    pool = pool_of(dial, size=3)
    held: list[Any] = [await pool.open() for _ in range(3)]
    for one in held:
        one.idle_limit = 0.02
        pool.give(one)
    held[2].idle_limit = 60.0
    async with asyncio.timeout(20.0):
        while len(pool) > 1:  # noqa: ASYNC110 - there is nothing to be woken by
            await asyncio.sleep(0.005)
    assert dial.alive() == 1
    assert pool.take(asyncio.get_running_loop().time()) is held[2]


async def test_a_dedicated_one_does_not_count_and_is_not_shared(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    apart = await pool.dedicated()
    assert len(pool) == 0
    assert pool.connections == frozenset()
    pool.give(apart)
    await settle()
    assert pool.take(asyncio.get_running_loop().time()) is None
    assert dial.alive() == 0
    pool.close()
    assert (await refused(pool.open())).reason is Reason.UPSTREAM_UNREACHABLE


async def test_giving_up_a_dedicated_one_leaves_nothing_open(dial: FakeDial) -> None:
    pool = pool_of(dial)
    for turns in range(5):
        dial.gate.clear()
        task = asyncio.create_task(pool.dedicated())
        await settle()
        dial.gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result().close()
        await settle()
        assert dial.alive() == 0


async def test_closing_tells_everybody(dial: FakeDial) -> None:
    pool = pool_of(dial, size=1)
    held: Any = await pool.open()
    apart: Any = await pool.dedicated()
    waiting = [asyncio.create_task(pool.open()) for _ in range(3)]
    await settle()
    pool.close()
    assert not apart.clean
    for task in waiting:
        assert (await refused(task)).reason is Reason.UPSTREAM_UNREACHABLE
    assert (await refused(pool.open())).reason is Reason.UPSTREAM_UNREACHABLE
    assert not held.clean
    pool.give(held)
    assert pool.take(asyncio.get_running_loop().time()) is None


async def test_what_is_being_opened_when_it_closes_is_not_left_behind(dial: FakeDial) -> None:
    for turns in range(5):
        dial.gate.clear()
        pool = pool_of(dial)
        task = asyncio.create_task(pool.open())
        await settle()
        dial.gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        pool.close()
        await asyncio.wait([task])
        await settle()
        assert dial.alive() == 0
