"""Who is counted, for what, and what it hears (stages/rate.py)."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from doorward.backends.memory.rates import MemoryRates
from doorward.model.bounds import Bounds, Rate
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Deny, Facts
from doorward.ports.stage import Pass
from doorward.stages.rate import COUNTED, RateStage
from tests.contract.rates import Clock

KEY = Principal("default", "alice", "ci", "key", "AAAAAAAAAAAA", rate=Rate(2, 60.0))
OTHER = replace(KEY, key_id="BBBBBBBBBBBB", subject="bob", rate=None)
TARGET = Target("git", Kind.TOOL, "push", OperationClass.WRITE)


class Asked:
    """As much of a call as the stage looks at."""

    def __init__(self, method: str) -> None:
        self.method = method


class Gate:
    """A stage and its clock."""

    def __init__(self, agents: Mapping[str, Rate] | None = None) -> None:
        self.clock = Clock()
        self.stage = RateStage(MemoryRates(self.clock), agents or {})

    def ask(self, principal: Principal = KEY, method: str = "tools/call") -> Pass | Deny:
        call: Any = Asked(method)
        asking = self.stage.check(call, principal, TARGET, Facts())
        with pytest.raises(StopIteration) as ended:  # it never waits
            asking.send(None)
        said: Pass | Deny = ended.value.value
        return said

    def refusal(self, principal: Principal = KEY) -> Deny:
        said = self.ask(principal)
        assert isinstance(said, Deny)
        return said

    def passes(self, principal: Principal, times: int = 1) -> bool:
        return all(isinstance(self.ask(principal), Pass) for _ in range(times))


def test_a_key_is_refused_beyond_its_rate_and_told_when_to_come_again() -> None:
    gate = Gate()
    assert gate.passes(KEY, 2)
    said = gate.refusal()
    assert (said.reason, said.visible, said.softenable) == (Reason.RATE_LIMITED, True, False)
    assert (said.retry_after_s, said.bound) == (30, "key")
    assert said.message == "this key is limited to 2/min; try again in 30 s"
    gate.clock.pass_s(29)
    assert gate.refusal().retry_after_s == 1
    gate.clock.pass_s(1)
    assert gate.passes(KEY)


def test_an_agent_is_refused_for_all_its_callers_together() -> None:
    gate = Gate({"ci": Rate(3, 3600.0)})
    assert gate.passes(OTHER, 2)
    assert gate.passes(replace(OTHER, key_id="C"))
    said = gate.refusal(replace(OTHER, key_id="D"))
    assert (said.message, said.bound) == ("agent ci is limited to 3/h; try again in 1200 s", "agent:ci")
    assert gate.passes(replace(OTHER, agent="dev"), 9)


def test_who_is_refused_by_one_has_used_up_nothing_of_the_other() -> None:
    gate = Gate({"ci": Rate(3, 60.0)})
    assert gate.passes(KEY, 2)
    assert [gate.refusal().bound for _ in range(5)] == ["key"] * 5
    assert gate.passes(OTHER, 1)
    assert gate.refusal(OTHER).bound == "agent:ci"


def test_keys_of_one_name_have_rates_of_their_own() -> None:
    gate = Gate()
    assert gate.passes(KEY, 2)
    assert gate.passes(replace(KEY, key_id="ZZZZZZZZZZZZ"), 2)


def test_agents_of_a_delegation_are_counted_too() -> None:
    gate = Gate({"helper": Rate(1, 60.0)})
    chain = replace(OTHER, bounds=Bounds(agents=("helper", "other")))
    assert gate.stage.concerns(chain)
    assert gate.passes(chain)
    assert gate.refusal(chain).bound == "agent:helper"
    assert gate.refusal(replace(OTHER, agent="helper")).bound == "agent:helper"


def test_an_agent_that_stands_twice_in_a_chain_is_counted_once() -> None:
    gate = Gate({"ci": Rate(2, 60.0)})
    assert gate.passes(replace(OTHER, bounds=Bounds(agents=("ci", "ci"))), 2)


@pytest.mark.parametrize(
    ("principal", "concerned"),
    [
        (KEY, True),
        (OTHER, False),
        (replace(OTHER, agent="slow"), True),
        (replace(OTHER, bounds=Bounds()), False),
        (replace(OTHER, bounds=Bounds(agents=("slow",))), True),
    ],
)
def test_it_concerns_those_who_have_a_rate(principal: Principal, concerned: bool) -> None:
    assert Gate({"slow": Rate(1, 1.0)}).stage.concerns(principal) is concerned


@pytest.mark.parametrize("method", sorted(COUNTED))
def test_what_goes_to_a_server_is_counted(method: str) -> None:
    gate = Gate()
    assert gate.passes(KEY, 1)
    assert isinstance(gate.ask(method=method), Pass)
    assert isinstance(gate.ask(method=method), Deny)


@pytest.mark.parametrize(
    "method", ["tools/list", "initialize", "ping", "resources/templates/list", "resources/subscribe"]
)
def test_what_we_answer_ourselves_is_not_counted(method: str) -> None:
    gate = Gate()
    assert all(isinstance(gate.ask(method=method), Pass) for _ in range(9))
    assert gate.passes(KEY, 2)
