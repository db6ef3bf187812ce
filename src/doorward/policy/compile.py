"""Grants become Cedar: which rules an agent has on a server, and the text of each as a policy.

One `permit` per allow glob, one `forbid` per deny glob. Cedar numbers policies by position, so whoever
compiles keeps the rules in the order of their text and reads `policyN` as the N-th rule.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from doorward.model.errors import PolicyError
from doorward.model.grants import AgentRules, Condition, Glob, Grant, Scope
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.model.verdict import RuleRef
from doorward.policy.encode import MISFIT, CedarType, Record, Scalar, decimal_of, long_of, string_of
from doorward.policy.globs import Pattern
from doorward.policy.names import AGENT, SERVER, literal


class Rule(msgspec.Struct, frozen=True, eq=False):
    """One glob of one grant, as it applies to one kind of target."""

    permits: bool
    pattern: Pattern
    at: RuleRef
    when: tuple[Condition, ...]


class Where(msgspec.Struct, frozen=True):
    """Who, on which server, under which action: the head that all policies of a slice share."""

    agent: str
    server: str
    space: str
    action: str

    def head(self) -> str:
        principal = f"{AGENT}::{literal(self.agent)}"
        action = f"{self.space}::Action::{literal(self.action)}"
        return f"(principal == {principal}, action == {action}, resource == {SERVER}::{literal(self.server)})"


class Shape(msgspec.Struct, frozen=True):
    """How a kind of target looks under `context.input`."""

    named: str | None = None
    """The attribute that holds the target's own name, where one action serves many names."""
    arguments: str | None = None
    """The record that holds the caller's arguments; None where there are none."""

    def scope(self, rule: Rule) -> list[str]:
        """The rule's glob as a test. A tool's globs are expanded to actions instead."""
        return [] if self.named is None else [f"context.input.{self.named} like {literal(rule.pattern.text)}"]

    def fill(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """`context.input` for a target of this kind."""
        if self.named is None:
            return arguments
        return {self.named: name} if self.arguments is None else {self.named: name, "arguments": arguments}

    def types(self, arguments: Record) -> Record:
        """The type of what `fill` returns."""
        if self.named is None:
            return arguments
        ours: dict[str, CedarType] = {self.named: Scalar.STRING}
        return Record(ours if self.arguments is None else ours | {"arguments": arguments})


SHAPES: Final = {
    Kind.TOOL: Shape(arguments="context.input"),
    Kind.PROMPT: Shape(named="name", arguments="context.input.arguments"),
    Kind.RESOURCE: Shape(named="uri"),
    Kind.TEMPLATE: Shape(named="uri"),
}


def place(at: RuleRef) -> tuple[str, int, str]:
    """Sort key of the order in which someone reads the file."""
    return (at.file, at.line, at.id)


def rules_of(agent: AgentRules, server: str, kind: Kind) -> tuple[Rule, ...]:
    """The agent's rules on one server, in file order whatever the order of its grants."""
    found: list[Rule] = []
    for grant in agent.grants:
        if any(Pattern(glob.pattern).matches(server) for glob in grant.servers):
            found.extend(_rules(grant, _scope(grant, kind)))
    return tuple(sorted(found, key=lambda rule: (*place(rule.at), rule.permits, rule.pattern.text)))


def _scope(grant: Grant, kind: Kind) -> Scope:
    if kind is Kind.TOOL:
        return grant.tools
    return grant.prompts if kind is Kind.PROMPT else grant.resources


def _rules(grant: Grant, scope: Scope) -> Iterable[Rule]:
    def rule(glob: Glob, *, permits: bool) -> Rule:
        return Rule(permits, Pattern(glob.pattern), glob.at, grant.when if permits else ())

    yield from (rule(glob, permits=True) for glob in scope.allow)
    yield from (rule(glob, permits=False) for glob in scope.deny)


def policy(rule: Rule, where: Where, tests: Sequence[str]) -> str:
    """The rule as one Cedar policy; all `tests` must hold."""
    when = f" when {{ {' && '.join(tests)} }}" if tests else ""
    effect = "permit" if rule.permits else "forbid"
    return f"@id({literal(rule.at.id)})\n@at({literal(str(rule.at))})\n{effect}{where.head()}{when};\n"


def condition_test(condition: Condition, record: str | None, kind: CedarType | None) -> str | None:
    """The condition on an argument of that type as a Cedar expression that is false when it is missing.

    None where the two do not go together: the argument is not declared, is opaque, or the rule's value has no
    form in its type. Such a condition never holds.
    """
    if record is None or not isinstance(kind, Scalar):
        return None
    name = literal(condition.argument)
    test = _TESTS[condition.test](f"{record}[{name}]", condition.value, kind)
    return test and f"{record} has {name} && {test}"


def _equals(value: str, wanted: Any, kind: Scalar) -> str | None:
    constant = _constant(wanted, kind)
    return constant and f"{value} == {constant}"


def _in(value: str, wanted: Iterable[Any], kind: Scalar) -> str | None:
    constants = [constant for one in wanted if (constant := _constant(one, kind))]
    return f"[{', '.join(constants)}].contains({value})" if constants else None


def _at_least(value: str, wanted: Any, kind: Scalar) -> str | None:
    return _bound(value, wanted, kind, ">=", "greaterThanOrEqual")


def _at_most(value: str, wanted: Any, kind: Scalar) -> str | None:
    return _bound(value, wanted, kind, "<=", "lessThanOrEqual")


def _bound(value: str, wanted: Any, kind: Scalar, operator: str, method: str) -> str | None:
    if kind is Scalar.DECIMAL:
        constant = _constant(wanted, kind)
        return constant and f"{value}.{method}({constant})"
    if kind is Scalar.LONG:
        if isinstance(wanted, float) and math.isfinite(wanted):
            # An integer is at most 2.5 exactly when it is at most 2.
            wanted = math.floor(wanted) if operator == "<=" else math.ceil(wanted)
        constant = _constant(wanted, kind)
        return constant and f"{value} {operator} {constant}"
    return None


_TESTS: Final = {"equals": _equals, "in": _in, "at_least": _at_least, "at_most": _at_most}


def _constant(wanted: Any, kind: Scalar) -> str | None:
    """The rule's own value in the argument's type, or None where it has no such form."""
    match kind:
        case Scalar.LONG:
            number = long_of(wanted)
            return None if number is MISFIT else str(number)
        case Scalar.DECIMAL:
            text = decimal_of(wanted)
            return None if text is MISFIT else f'decimal("{text}")'
        case Scalar.STRING:
            words = string_of(wanted)
            return None if words is MISFIT else literal(words)
        case Scalar.BOOL:
            return ("true" if wanted else "false") if isinstance(wanted, bool) else None


def check_rules(agent: AgentRules) -> None:
    """Raises PolicyError for a rule without a form in Cedar: text that is not Unicode, an unknown test."""
    for grant in agent.grants:
        for condition in grant.when:
            if condition.test not in _TESTS:
                raise PolicyError(
                    Reason.POLICY_EVALUATION_FAILED, f"{condition.at}: there is no test {condition.test!r}"
                )
        scopes = (grant.tools, grant.resources, grant.prompts)
        patterns = [*grant.servers, *(glob for scope in scopes for glob in (*scope.allow, *scope.deny))]
        for glob in patterns:
            if string_of(glob.pattern) is MISFIT:
                raise PolicyError(
                    Reason.POLICY_EVALUATION_FAILED, f"{glob.at}: the pattern is not valid Unicode"
                )
