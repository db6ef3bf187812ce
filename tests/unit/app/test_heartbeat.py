"""A gateway that lives says so once a minute, whatever else it does."""

import asyncio
from collections.abc import Sequence

import pytest

from doorward.app.heartbeat import Heartbeat
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

pytestmark = pytest.mark.asyncio


class Sealer:
    def __init__(self) -> None:
        self.size, self.checkpoint = 5, 3


class Recorder:
    def __init__(self) -> None:
        self.beats: list[Sequence[int]] = []
        self.fails = False

    async def heartbeat(self, *, written: int, size: int, checkpoint: int) -> None:
        if self.fails:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "full")
        self.beats.append((written, size, checkpoint))


def made(every_s: float = 60.0) -> tuple[Heartbeat, Sealer, Recorder]:
    sealer, recorder = Sealer(), Recorder()
    return Heartbeat(sealer, lambda: recorder, every_s), sealer, recorder  # type: ignore[arg-type,return-value]


async def test_a_beat_counts_what_was_written_since_the_last() -> None:
    heartbeat, sealer, recorder = made()
    await heartbeat.beat()
    sealer.size, sealer.checkpoint = 25, 20
    await heartbeat.beat()
    assert recorder.beats == [(0, 5, 3), (20, 25, 20)]


async def test_what_a_lost_beat_would_have_counted_is_in_the_next() -> None:
    heartbeat, sealer, recorder = made()
    recorder.fails = True
    sealer.size = 15
    await heartbeat.beat()
    recorder.fails = False
    sealer.size = 16
    await heartbeat.beat()
    assert recorder.beats == [(11, 16, 3)]


async def test_an_idle_gateway_beats() -> None:
    heartbeat, _, recorder = made(every_s=0.01)
    beating = asyncio.create_task(heartbeat.run())
    async with asyncio.timeout(20):
        while len(recorder.beats) < 3:  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.005)
    beating.cancel()
    assert recorder.beats[:3] == [(0, 5, 3)] * 3


async def test_beats_that_were_slept_through_are_not_made_up_for() -> None:
    heartbeat, _, recorder = made(every_s=0.05)
    beating = asyncio.create_task(heartbeat.run())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    ahead = loop.time
    loop.time = lambda: ahead() + 100.0  # type: ignore[method-assign]
    await asyncio.sleep(0.3)
    beating.cancel()
    assert len(recorder.beats) < 20
