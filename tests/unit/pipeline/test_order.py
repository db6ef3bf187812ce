"""The table of stages (pipeline/order.py)."""

from doorward.backends.memory.rates import MemoryRates
from doorward.model.bounds import Rate
from doorward.model.principal import Principal
from doorward.pipeline.order import BEFORE, OnError, before
from doorward.pipeline.run import BeforePhase
from doorward.stages.rate import RateStage

SLOW = Principal("default", "a", "slow", "key", "A")
QUICK = Principal("default", "a", "quick", "key", "A")


def test_every_stage_of_the_phase_has_its_row_and_its_reason() -> None:
    slots = before(RateStage(MemoryRates(), {}))
    assert [slot.stage.id for slot in slots] == [row.id for row in BEFORE]
    assert [slot.why_here for slot in slots] == [row.why_here for row in BEFORE]
    assert all(row.why_here for row in BEFORE)


def test_a_rate_that_cannot_be_judged_denies() -> None:
    [slot] = before(RateStage(MemoryRates(), {}))
    assert slot.on_error is OnError.DENY


def test_a_phase_without_limits_is_empty() -> None:
    phase = BeforePhase(before(None))
    assert (phase.slots, phase.off, phase.concerning(SLOW)) == ((), (), ())


def test_stages_concern_those_of_whom_they_say_something() -> None:
    phase = BeforePhase(before(RateStage(MemoryRates(), {"slow": Rate(1, 1.0)})))
    assert phase.concerning(SLOW) == ("rate",)
    assert phase.concerning(QUICK) == ()
    assert (phase.concerns(SLOW), phase.concerns(QUICK)) == (True, False)


def test_one_stage_that_concerns_everybody_is_enough() -> None:
    [limits] = before(RateStage(MemoryRates(), {"slow": Rate(1, 1.0)}))
    phase = BeforePhase((limits, limits._replace(concerns=None)))
    assert (phase.concerns(SLOW), phase.concerns(QUICK)) == (True, True)
    phase = BeforePhase((limits, limits))
    assert (phase.concerns(SLOW), phase.concerns(QUICK)) == (True, False)
