"""Cedar's traps, each with the wire that catches it (DESIGN section 6)."""

import pytest

from doorward.model.errors import PolicyError
from doorward.model.reasons import Reason
from doorward.policy.compile import Rule, Where, policy
from doorward.policy.encode import Record, Scalar
from doorward.policy.globs import Pattern
from doorward.policy.slices import FAILED, Answer, Slice
from tests.unit.policy.build import at

WHERE = Where("bot", "gh", "Doorward::gh", "pay")
GIVEN = Record({"amount": Scalar.LONG})
PERMIT = f"permit{WHERE.head()};"


def forbid(test: str) -> str:
    return f"forbid{WHERE.head()} when {{ {test} }};"


def test_a_forbid_that_errs_denies() -> None:
    """Cedar alone would skip it and allow."""
    asked = Slice(
        WHERE, [PERMIT, forbid(f"context.input has amount && context.input.amount * {2**62} > 5")], GIVEN
    )
    assert asked.ask({"amount": 1}) == Answer(allowed=False, failed=False, fired=(1,))
    assert asked.ask({"amount": 9}) == FAILED


def test_a_request_that_does_not_fit_the_schema_denies() -> None:
    asked = Slice(WHERE, [PERMIT, forbid("context.input has amount && context.input.amount > 5")], GIVEN)
    assert asked.ask({"amount": 1}).allowed
    assert asked.ask({"amount": "9999"}) == FAILED
    assert asked.ask({"other": 1}) == FAILED
    assert asked.ask({"amount": 2**63}) == FAILED


@pytest.mark.parametrize(
    "text",
    [
        forbid("context.input.amount > 5"),  # unguarded
        forbid("context.input.amuont > 5"),
        forbid('context.input has amount && context.input.amount == "5"'),
        forbid("context.input has"),
    ],
)
def test_policies_that_could_err_do_not_load(text: str) -> None:
    with pytest.raises(PolicyError) as refused:
        Slice(WHERE, [PERMIT, text], GIVEN)
    assert refused.value.reason is Reason.POLICY_EVALUATION_FAILED


def test_no_policies_deny() -> None:
    assert Slice(WHERE, [], GIVEN).ask({}) == Answer(allowed=False, failed=False, fired=())


def test_positions_are_those_of_the_list() -> None:
    """More than ten, because `policy10` sorts before `policy2` as text."""
    rules = [Rule(True, Pattern("pay"), at(), ()) for _ in range(25)]
    tests = [[f"context.input has amount && context.input.amount == {n % 5}"] for n in range(25)]
    asked = Slice(WHERE, [policy(*pair) for pair in zip(rules, [WHERE] * 25, tests, strict=True)], GIVEN)
    assert asked.ask({"amount": 3}).fired == (3, 8, 13, 18, 23)


def test_the_shape_of_a_policy() -> None:
    """docs/adr/0003-cedar-shape.md promises that this never changes."""
    rule = Rule(True, Pattern("pay"), at(12), ())
    assert policy(rule, WHERE, ["true", "1 < 2"]) == (
        '@id("rule-12")\n@at("doorward.yaml:12")\n'
        'permit(principal == Doorward::Agent::"bot", action == Doorward::gh::Action::"pay",'
        ' resource == Doorward::Server::"gh") when { true && 1 < 2 };\n'
    )
