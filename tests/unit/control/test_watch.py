import asyncio
from collections.abc import Callable

import pytest

from doorward.backends.memory.store import MemoryStore
from doorward.control.outbox import BATCH, drain
from doorward.control.watch import StoreWatch
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.store import KeyRecord, StoreFacts
from tests.contract.store import RECORD, key


class Log:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = False

    async def append(self, record: bytes, waiter: object = None) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full")
        self.lines.append(record)


class FlakyStore(MemoryStore):
    broken = False

    def epoch(self) -> int:
        if self.broken:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "disk gone")
        return super().epoch()


class World:
    """A watch, what it watches, and what it did in order."""

    def __init__(self, poll_s: float = 0.01) -> None:
        self.store = FlakyStore()
        self.log = Log()
        self.applied: list[tuple[list[KeyRecord], int]] = []
        self.confirmed = 0
        self.watch = StoreWatch(self.store, self.log, apply=self.apply, confirm=self.confirm, poll_s=poll_s)

    def apply(self, facts: StoreFacts) -> None:
        self.applied.append((list(facts.keys), len(self.log.lines)))

    def confirm(self) -> None:
        self.confirmed += 1


@pytest.mark.asyncio
async def test_the_first_look_applies_what_there_is() -> None:
    world = World()
    await world.watch.look()
    assert world.applied == [([], 0)]
    await world.watch.look()
    assert len(world.applied) == 1
    assert world.confirmed == 1


@pytest.mark.asyncio
async def test_the_change_record_is_in_the_log_before_the_change_is_applied() -> None:
    world = World()
    await world.watch.look()
    world.store.add_key(RECORD, b"added")
    await world.watch.look()
    assert world.log.lines == [b"added"]
    assert world.applied[-1] == ([RECORD], 1)
    assert world.store.outbox(0, 10) == []


@pytest.mark.asyncio
async def test_a_change_whose_record_cannot_be_written_is_not_applied() -> None:
    world = World()
    world.store.add_key(RECORD, b"added")
    world.log.broken = True
    with pytest.raises(GatewayError):
        await world.watch.look()
    assert world.applied == []
    assert world.confirmed == 0
    world.log.broken = False
    await world.watch.look()
    assert world.applied == [([RECORD], 1)]


@pytest.mark.asyncio
async def test_runs_on_through_failures_and_sees_changes() -> None:
    world = World()
    running = asyncio.create_task(world.watch.run())
    async with asyncio.timeout(5):
        while not world.applied:  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.001)
        world.store.broken = True
        while world.watch.failure is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        world.store.add_key(RECORD, b"added")
        world.store.broken = False
        while len(world.applied) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        while world.watch.failure is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.log.lines == [b"added"]


@pytest.mark.asyncio
async def test_wake_does_not_wait_for_the_next_poll() -> None:
    world = World(poll_s=3600)
    running = asyncio.create_task(world.watch.run())
    async with asyncio.timeout(5):
        while not world.applied:  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.001)
        world.store.add_key(RECORD, b"added")
        world.watch.wake()
        while len(world.applied) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_whoever_waits_is_told_when_it_is_in_force() -> None:
    world = World(poll_s=3600)
    running = asyncio.create_task(world.watch.run())
    await _until(lambda: bool(world.applied))
    world.store.add_key(RECORD, b"added")
    async with asyncio.timeout(5):
        await asyncio.gather(world.watch.applied(), world.watch.applied())
    assert world.applied[-1] == ([RECORD], 1)
    running.cancel()


@pytest.mark.asyncio
async def test_whoever_waits_is_told_that_it_cannot_be() -> None:
    world = World(poll_s=3600)
    running = asyncio.create_task(world.watch.run())
    await _until(lambda: bool(world.applied))
    world.store.add_key(RECORD, b"added")
    world.log.broken = True
    with pytest.raises(GatewayError, match="disk full"):
        async with asyncio.timeout(5):
            await world.watch.applied()
    world.log.broken = False
    async with asyncio.timeout(5):
        await world.watch.applied()
    assert world.applied[-1] == ([RECORD], 1)
    running.cancel()


@pytest.mark.asyncio
async def test_nobody_need_wait_to_the_end() -> None:
    world = World(poll_s=3600)
    gone = asyncio.create_task(world.watch.applied())
    await asyncio.sleep(0)
    gone.cancel()
    running = asyncio.create_task(world.watch.run())
    await _until(lambda: bool(world.applied))
    async with asyncio.timeout(5):
        await world.watch.applied()
    assert not running.done()
    running.cancel()


@pytest.mark.asyncio
async def test_drain_moves_everything_in_order() -> None:
    store, log = MemoryStore(), Log()
    total = BATCH * 2 + 3
    for number in range(total):
        store.add_key(key(str(number)), str(number).encode())
    assert await drain(store, log) == total
    assert log.lines == [str(number).encode() for number in range(total)]
    assert store.outbox(0, 1) == []
    assert await drain(store, log) == 0


@pytest.mark.asyncio
async def test_drain_forgets_nothing_that_was_not_written() -> None:
    store, log = MemoryStore(), Log()
    store.add_key(RECORD, b"added")
    log.broken = True
    with pytest.raises(GatewayError):
        await drain(store, log)
    assert [entry.record for entry in store.outbox(0, 10)] == [b"added"]
