"""The clock of a call stands still while its client is asked."""

import asyncio
import math

import pytest

from doorward.upstream.timeouts import Due, Timeouts, timeouts_of
from doorward.upstream.waiting import ASK_S, WAIT_S, Waiting

pytestmark = [pytest.mark.asyncio]


class Timed:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline


async def forever() -> None:
    await asyncio.Event().wait()


def begin(waiting: Waiting, request_id: int | str) -> asyncio.Task[None]:
    task = asyncio.create_task(forever())
    waiting.begin(request_id, task)
    return task


async def test_the_deadline_moves_by_what_was_waited() -> None:
    loop = asyncio.get_running_loop()
    due = loop.time() + 5
    timed = Timed(due)
    waiting = Waiting(timed)
    begin(waiting, 1)
    assert timed.deadline == math.inf
    assert timeouts_of(timed.deadline, Timeouts(idle_s=1)).idle_s == math.inf
    begin(waiting, 2)
    await asyncio.sleep(0.03)
    waiting.end(1)
    assert timed.deadline == math.inf  # the other one still waits
    waiting.end(2)
    assert 0.03 <= timed.deadline - due < 1
    assert waiting.left_s == pytest.approx(ASK_S)
    await waiting.close()


async def test_the_limits_of_a_tool_are_kept() -> None:
    slow = Timeouts(idle_s=7, total_s=70)
    timed = Timed(Due.of(slow, 100.0))
    waiting = Waiting(timed)
    begin(waiting, 1)
    waiting.end(1)
    assert timeouts_of(timed.deadline, Timeouts()) is slow


@pytest.mark.spec("DW-253")
async def test_all_questions_of_a_call_have_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(None)
    now = 1_000.0
    monkeypatch.setattr(waiting, "_loop", type("Loop", (), {"time": lambda _: now})())
    for asked, number in enumerate(range(int(WAIT_S / ASK_S)), 1):
        assert waiting.left_s == ASK_S
        task = begin(waiting, number)
        now += ASK_S
        waiting.end(number)
        task.cancel()
        assert waiting.count == asked
    assert waiting.left_s == 0


@pytest.mark.spec("DW-023")
async def test_an_id_keeps_its_type_and_a_call_ends_its_questions() -> None:
    waiting = Waiting(None)
    number, text = begin(waiting, 1), begin(waiting, "1")
    assert waiting.knows(1)
    assert waiting.knows("1")
    assert not waiting.withdraw("2")
    assert not waiting.withdraw(None)
    assert waiting.withdraw("1")
    await asyncio.sleep(0)
    assert text.cancelled()
    assert not number.done()
    await waiting.close()
    assert number.cancelled()
