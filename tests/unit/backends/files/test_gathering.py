"""When a sync begins: once the event loop has nothing to take in, and never much later."""

import asyncio
from collections.abc import Callable

import pytest

from doorward.backends.files import gathering
from doorward.backends.files.gathering import ENOUGH, LONGEST, Gathering


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a turn may take longer than a sync is put off."""
    monkeypatch.setattr(gathering, "LONGEST", 60.0)


class Waiting:
    """A waiter; here they are only counted."""

    def step(self) -> None: ...
    def pace(self) -> None: ...
    def fail(self, failure: Exception) -> None:
        raise failure


class Log:
    """Takes records, and writes at the end of a turn what it has brought."""

    def __init__(self) -> None:
        self.pending: list[bytes] = []
        self.groups: list[int] = []
        self.gathering = Gathering(lambda: self.pending, self.sync)

    def sync(self) -> None:
        self.groups.append(len(self.gathering.take()))

    def append(self, *, durable: int = 1) -> None:
        if not self.pending:
            asyncio.get_running_loop().call_soon(self.flush, durable)
        self.pending.append(b"{}")

    def flush(self, durable: int) -> None:
        self.pending = []
        self.gathering.waiting += [Waiting() for _ in range(durable)]
        self.gathering.begin()


async def turns(count: int, each: Callable[[], None] = lambda: None) -> None:
    for _ in range(count):
        each()
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_call_that_is_alone_waits_for_no_other() -> None:
    log = Log()
    log.append()
    await turns(3)
    assert log.groups == [1]


@pytest.mark.asyncio
async def test_as_long_as_turns_bring_records_those_who_wait_grow_more() -> None:
    log = Log()
    await turns(10, log.append)
    assert log.groups == []
    await turns(3)
    assert log.groups == [10]


@pytest.mark.asyncio
async def test_records_that_nobody_waits_for_are_a_reason_to_wait_as_well() -> None:
    log = Log()
    log.append()
    await turns(5, lambda: log.append(durable=0))
    assert log.groups == []
    await turns(3)
    assert log.groups == [1]


@pytest.mark.asyncio
async def test_enough_are_enough() -> None:
    log = Log()
    await turns(ENOUGH + 2, log.append)
    assert log.groups == [ENOUGH]


@pytest.mark.asyncio
async def test_a_loop_without_rest_keeps_nobody_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    monkeypatch.setattr(gathering, "ENOUGH", 1_000_000)
    monkeypatch.setattr(gathering, "LONGEST", LONGEST)
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(20):
        while not log.groups:
            await turns(1, log.append)
    assert asyncio.get_running_loop().time() - began >= LONGEST
    assert log.groups[0] >= 1


@pytest.mark.asyncio
async def test_nothing_is_synced_for_those_whom_somebody_else_has_taken() -> None:
    log = Log()
    log.append()
    await turns(1)
    log.flush(1)
    assert len(log.gathering.take()) == 2
    await turns(3)
    assert log.groups == []
    log.append()  # and the next one is
    await turns(3)
    assert log.groups == [1]
