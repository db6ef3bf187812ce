"""What is large is digested while others have their turn, and its record is written whatever happens."""

import asyncio

import pytest

from doorward.audit.digests import STEP, Digested, DigestKey
from doorward.audit.large import LargeRecords
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.pipeline.shares import Shares

pytestmark = pytest.mark.asyncio

KEY = DigestKey("k", b"secret")
DATA = b"x" * (STEP * 64 + 1)


class Log:
    def __init__(self, failure: Exception | None = None) -> None:
        self.digests: list[str] = []
        self._failure = failure

    async def write(self, key: DigestKey | Digested) -> None:
        if self._failure is not None:
            raise self._failure
        self.digests.append(key.digest(DATA))


async def test_the_record_has_the_digest_of_the_whole() -> None:
    log = Log()
    await LargeRecords(Shares()).write(DATA, KEY, log.write)
    assert log.digests == [KEY.digest(DATA)]


async def test_a_cancelled_wait_still_has_its_record() -> None:
    log, large = Log(), LargeRecords(Shares())
    waiting = asyncio.create_task(large.write(DATA, KEY, log.write))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await large.settled()

    assert log.digests == [KEY.digest(DATA)]


async def test_a_failure_reaches_whoever_waits_and_nobody_else() -> None:
    failure = GatewayError(Reason.AUDIT_UNAVAILABLE, "no")
    large = LargeRecords(Shares())
    with pytest.raises(GatewayError):
        await large.write(DATA, KEY, Log(failure).write)

    waiting = asyncio.create_task(large.write(DATA, KEY, Log(failure).write))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(GatewayError):  # so that its call does not go on as if it had that record
        await waiting
    await large.settled()  # an exception that nobody fetched would be a warning, and warnings are errors


async def test_a_cancelled_wait_ends_after_its_record() -> None:
    log, large = Log(), LargeRecords(Shares())
    waiting = asyncio.create_task(large.write(DATA, KEY, log.write))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(log.digests) == 1


async def test_others_have_their_turn_meanwhile() -> None:
    log, turns = Log(), 0

    async def others() -> None:
        nonlocal turns
        while not log.digests:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(others())
    many = LargeRecords(Shares())
    await asyncio.gather(*(many.write(DATA, KEY, log.write) for _ in range(4)))
    await counting
    assert turns > 3
    assert len(log.digests) == 4


async def test_nothing_has_to_settle_when_nothing_was_begun() -> None:
    await LargeRecords(Shares()).settled()
