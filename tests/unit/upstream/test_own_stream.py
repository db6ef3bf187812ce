"""A session's own stream: asked for again when it ends, and waited for where that is of use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import own_stream as module
from doorward.upstream.http import SessionGone
from doorward.upstream.own_stream import MOST_BRIEF, Manners, OwnStream

pytestmark = pytest.mark.asyncio
FAR = 1e9
LOST = UpstreamError(Reason.UPSTREAM_CONNECTION_LOST, "lab", "gone")


class Stream:
    """What a server says on one stream: bytes, an error, or None for its end."""

    def __init__(self, *, retry_s: float | None = None, resume_field: bytes = b"") -> None:
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.retry_s, self.resume_field = retry_s, resume_field
        self.closed = False

    async def next(self) -> bytes | None:
        said = await self.said.get()
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> None:
        self.closed = True
        self.said.put_nowait(None)


class Leg:
    """Answers GET with what is put into `answers`, and waits where there is nothing."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.heads: list[bytes] = []

    async def listen(self, head: bytes) -> Stream | None:
        self.heads.append(head)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    def __init__(self) -> None:
        self.leg = Leg()
        self.heard: list[bytes] = []
        self.gone = 0
        self.missed = 0
        self.manners = Manners()
        self.own = OwnStream(
            self.leg,  # type: ignore[arg-type]
            lambda: b"GET",
            self.heard.append,
            self._gone,
            missed=self._missed,
            manners=self.manners,
        )

    def _gone(self) -> None:
        self.gone += 1

    def _missed(self) -> None:
        self.missed += 1

    def opens(self, **of: Any) -> Stream:
        stream = Stream(**of)
        self.leg.answers.put_nowait(stream)
        return stream

    def waits(self, *, patient: bool = True) -> asyncio.Task[None]:
        """A call that wants to be sent."""
        return asyncio.create_task(self.own.ready(FAR, patient=patient))

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(20):
            while len(self.leg.heads) < times:  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.own.run())
    try:
        yield bench
    finally:
        bench.own.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_waits_until_the_server_listens() -> None:
    async with running() as bench:
        call = bench.waits()
        await settle()
        assert not call.done()
        stream = bench.opens()
        await call
        assert bench.own.certain
        stream.said.put_nowait(b"hello")
        await settle()
        assert bench.heard == [b"hello"]


@pytest.mark.parametrize("answer", [None, LOST])
async def test_a_server_that_offers_no_stream_is_not_waited_for(answer: UpstreamError | None) -> None:
    async with running() as bench:
        bench.leg.answers.put_nowait(answer)
        await bench.waits()


async def test_a_session_that_the_server_forgot_is_over() -> None:
    async with running() as bench:
        bench.leg.answers.put_nowait(SessionGone())
        await bench.waits()
        assert bench.gone == 1


@pytest.mark.parametrize(("patient", "constant"), [(True, "PATIENT_S"), (False, "IMPATIENT_S")])
async def test_a_server_that_keeps_its_head_back_holds_calls_up_for_a_while(
    monkeypatch: pytest.MonkeyPatch, patient: bool, constant: str
) -> None:
    monkeypatch.setattr(module, constant, 0.01)
    async with running() as bench:
        await bench.waits(patient=patient)
        assert bench.own.certain  # and those behind it not at all
        assert not bench.manners.prompt
        bench.opens()
        await settle()
        assert bench.manners.prompt


async def test_a_server_that_was_late_is_not_waited_for_so_long_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "IMPATIENT_S", 0.01)
    async with running() as bench:
        bench.manners.prompt = False
        async with asyncio.timeout(module.PATIENT_S / 2):
            await bench.waits()


async def test_nobody_waits_beyond_the_time_of_the_call() -> None:
    async with running() as bench:
        due = asyncio.get_running_loop().time() + 0.01
        async with asyncio.timeout(module.PATIENT_S / 2):
            await bench.own.ready(due, patient=True)


@pytest.mark.parametrize("end", [None, LOST])
async def test_a_call_in_the_gap_has_the_stream_opened_at_once(
    monkeypatch: pytest.MonkeyPatch, end: UpstreamError | None
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 60.0)
    async with running() as bench:
        first = bench.opens(resume_field=b"Last-Event-ID: 7\r\n")
        await bench.waits()
        first.said.put_nowait(end)
        await settle()
        assert first.closed
        assert not bench.own.certain
        assert len(bench.leg.heads) == 1

        call = bench.waits()
        await bench.until_asked(2)
        assert not call.done()
        bench.opens()
        await call
        assert bench.leg.heads == [b"GET", b"GETLast-Event-ID: 7\r\n"]


async def test_without_a_call_it_is_opened_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    async with running() as bench:
        bench.opens().said.put_nowait(None)
        await bench.until_asked(1)
        await settle()
        assert len(bench.leg.heads) == 1
        await asyncio.sleep(0.02)
        await bench.until_asked(2)


async def test_no_call_cuts_the_time_short_that_the_server_asked_for() -> None:
    async with running() as bench:
        first = bench.opens(retry_s=0.05)
        await bench.waits()
        first.said.put_nowait(None)
        await settle()
        began = asyncio.get_running_loop().time()
        bench.opens()
        await bench.waits()
        assert asyncio.get_running_loop().time() - began >= 0.04
        assert len(bench.leg.heads) == 2


async def test_streams_that_end_as_soon_as_they_are_opened_hold_no_calls_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 60.0)
    async with running() as bench:
        for times in range(1, MOST_BRIEF + 1):
            assert not bench.own.certain
            stream = bench.opens()
            await bench.waits()
            stream.said.put_nowait(None)
            await settle()
            assert len(bench.leg.heads) == times
        assert bench.own.certain


async def test_a_close_ends_the_stream_and_whoever_waits() -> None:
    async with running() as bench:
        stream = bench.opens()
        await bench.waits()
        bench.own.close()
        assert stream.closed
    async with running() as bench:
        call = bench.waits()
        await settle()
        bench.own.close()
        await call


async def test_a_stream_that_comes_after_the_close_is_not_kept() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.own.run())
    await settle()
    bench.own.close()
    late = bench.opens()
    await task
    assert late.closed


async def test_what_was_said_to_nobody_is_told_of_when_the_stream_is_there_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    async with running() as bench:
        first = bench.opens()
        await bench.waits()
        assert bench.missed == 0
        first.said.put_nowait(None)
        await bench.until_asked(2)
        bench.leg.answers.put_nowait(LOST)
        await bench.until_asked(3)
        assert bench.missed == 0  # not before: it would be missed once more
        bench.opens()
        await bench.waits()
        await settle()
        assert bench.missed == 1


async def test_a_server_that_says_again_what_followed_its_last_event_lets_nothing_be_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    async with running() as bench:
        bench.opens(resume_field=b"Last-Event-ID: 7\r\n").said.put_nowait(None)
        await bench.until_asked(2)
        bench.opens()
        await bench.waits()
        await settle()
        assert bench.missed == 0


async def test_who_waited_in_vain_for_the_first_stream_is_told_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENT_S", 0.01)
    async with running() as bench:
        await bench.waits()
        bench.opens()
        await settle()
        assert bench.missed == 1
