"""Silence is noticed, whoever is silent and wherever in the answer; who is heard is left alone."""

import asyncio
import math
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.patience import Patience
from doorward.upstream.timeouts import Due, Timeouts, ToolTimeouts

pytestmark = [pytest.mark.asyncio]


class FakeConnection:
    def __init__(self, deadline: float = 100.0) -> None:
        self.deadline = deadline
        self.heard = 0
        self.waits = True
        self.silent = True
        self.error: UpstreamError | None = None

    def fail(self, error: UpstreamError) -> None:
        self.error, self.waits = error, False


class Clock:
    """Ticks when it is told to."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        patience._tick_s = 60.0  # none of its own accord

    async def tick(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._patience._look()


def watched(connection: Any, **timeouts: float) -> tuple[Patience, Clock]:
    made = Patience("lab", lambda: [connection], Timeouts(**timeouts))
    return made, Clock(made)


async def test_an_answer_must_begin_in_time() -> None:
    connection = FakeConnection()
    patience, clock = watched(connection, first_byte_s=0.05)
    await clock.tick(0)
    assert connection.error is None
    await clock.tick(0.06)
    patience.close()
    assert connection.error is not None
    assert connection.error.reason is Reason.UPSTREAM_TIMEOUT
    assert connection.error.message == "server lab did not begin to answer within 0.05 s (timeout.first_byte)"


async def test_an_answer_must_go_on() -> None:
    connection = FakeConnection()
    patience, clock = watched(connection, idle_s=0.05)
    await clock.tick(0)
    await clock.tick(0.06)  # nothing has come yet: that is another limit's business
    connection.silent = False
    for _ in range(4):
        connection.heard += 1
        await clock.tick(0.02)
    assert connection.error is None
    await clock.tick(0.06)
    patience.close()
    assert connection.error is not None
    assert "no more of its answer for 0.05 s" in connection.error.message


async def test_silence_of_ours_is_not_the_server_s() -> None:
    connection = FakeConnection()
    connection.silent = False
    patience, clock = watched(connection, idle_s=0.4)
    await clock.tick(0)
    connection.waits = False
    await clock.tick(0.45)
    connection.waits = True
    await clock.tick(0)
    await clock.tick(0.01)
    patience.close()
    assert connection.error is None


async def test_another_exchange_begins_anew() -> None:
    connection = FakeConnection()
    patience, clock = watched(connection, first_byte_s=0.05)
    for number in range(4):
        connection.deadline = 100.0 + number
        await clock.tick(0.06)
    patience.close()
    assert connection.error is None


async def test_a_tool_has_limits_of_its_own() -> None:
    loop = asyncio.get_running_loop()
    slow = FakeConnection(Due.of(Timeouts(first_byte_s=60.0), loop.time()))
    patience, clock = watched(slow, first_byte_s=0.01)
    await clock.tick(0)
    await clock.tick(0.03)
    patience.close()
    assert slow.error is None
    quick = FakeConnection(Due.of(Timeouts(first_byte_s=0.01), loop.time()))
    patience, clock = watched(quick)
    await clock.tick(0)
    await clock.tick(0.03)
    patience.close()
    assert quick.error is not None


@pytest.mark.parametrize(
    ("usual", "tool", "tick"),
    [
        (math.inf, math.inf, None),
        (10.0, math.inf, 1.0),
        (math.inf, 2.0, 0.4),
        (0.001, math.inf, 0.05),
    ],
)
async def test_it_looks_as_often_as_the_shortest_limit_needs(
    usual: float, tool: float, tick: float | None
) -> None:
    asked: list[float] = []
    loop = asyncio.get_running_loop()
    patience = Patience("lab", lambda: asked.append(loop.time()) or [], Timeouts(idle_s=usual))  # type: ignore[func-returns-value]
    rules = (ToolTimeouts("quiet", None), ToolTimeouts("*", Timeouts(first_byte_s=tool)))
    patience.start(rules)
    timer = patience._timer
    patience.close()
    if tick is None:
        assert timer is None
    else:
        assert timer is not None
        assert timer.when() - loop.time() == pytest.approx(tick, abs=0.02)
        await asyncio.sleep(0.06)
        assert asked == []
