"""What the state machines of this folder share: a loop that lives as long as one, and how far they go.

FUZZ_MACHINES multiplies the number of runs: 1 in `make test` (a few seconds for each machine), 50 by hand.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

T = TypeVar("T")
_TIMES: Final = int(os.environ.get("FUZZ_MACHINES", "1"))


def bounded(runs: int, steps: int) -> settings:
    """Without a deadline for one step: other jobs share this machine."""
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(
        max_examples=runs * _TIMES, stateful_step_count=steps, deadline=None, suppress_health_check=slow
    )


class Machine(RuleBasedStateMachine):
    """`run` takes a coroutine to its end on the machine's own loop; a task that fails unseen fails it."""

    def __init__(self) -> None:
        super().__init__()
        self._runner: asyncio.Runner | None = None
        self._unseen: list[dict[str, Any]] = []

    @property
    def runner(self) -> asyncio.Runner:
        """Made when it is first needed: Hypothesis makes machines that it never runs."""
        if self._runner is None:
            self._runner = asyncio.Runner()
            self.loop.set_exception_handler(lambda _, context: self._unseen.append(context))
        return self._runner

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.runner.get_loop()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        async def bounded_doing() -> T:
            async with asyncio.timeout(20):
                return await doing

        result = self.runner.run(bounded_doing())
        assert self._unseen == []
        return result

    def settle(self, turns: int = 20) -> None:
        """Everybody has their turn."""

        async def turn() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(turn())

    def finish(self) -> None:
        """What holds when everything is over."""

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            if self._runner is not None:
                self._runner.close()


def finds(machine: type[RuleBasedStateMachine]) -> None:
    """The machine finds a fault that was planted, and in the same way each time."""
    quickly = settings(bounded(300, 40), phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises((AssertionError, TimeoutError, ExceptionGroup)):
        run_state_machine_as_test(machine, settings=quickly)
