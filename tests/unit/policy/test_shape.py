"""The examples of docs/adr/0003-cedar-shape.md are Cedar, and are what we compile."""

import re
from pathlib import Path

from cedarpy import format_policies, validate_policies

from doorward.model.grants import Condition
from doorward.model.target import Kind
from doorward.model.verdict import RuleRef
from doorward.policy.compile import SHAPES, Rule, Where, condition_test, policy
from doorward.policy.encode import Scalar
from doorward.policy.globs import Pattern
from doorward.policy.names import action_id, namespace

ADR = Path(__file__).parents[3] / "docs" / "adr" / "0003-cedar-shape.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", ADR.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_policies_fit_the_example_schema() -> None:
    checked = validate_policies(block("cedar"), block("cedarschema"))
    assert checked.validation_passed, checked.errors


def test_the_example_is_what_we_compile() -> None:
    place = RuleRef("agents.ci-bot.grants[0].tools.allow[0]", "doorward.yaml", 6)
    limit = Condition("limit", "at_most", 100, place)
    test = condition_test(limit, SHAPES[Kind.TOOL].arguments, Scalar.LONG)
    assert test is not None
    where = Where("ci-bot", "github", namespace("github"), action_id(Kind.TOOL, "search_issues"))
    compiled = policy(Rule(True, Pattern("search_*"), place, (limit,)), where, [test])
    assert format_policies(block("cedar")).startswith(format_policies(compiled).rstrip())


def test_a_resource_is_compared_by_like() -> None:
    place = RuleRef("agents.ci-bot.grants[0].resources.allow[0]", "doorward.yaml", 8)
    rule = Rule(True, Pattern("repo://acme/*"), place, ())
    where = Where("ci-bot", "github", namespace("github"), action_id(Kind.RESOURCE, "repo://acme/x"))
    compiled = policy(rule, where, [*SHAPES[Kind.RESOURCE].scope(rule), "false"])
    assert format_policies(block("cedar")).endswith(format_policies(compiled))
