"""Why not: the words of a denial. Decides nothing, and never repeats a value that the caller sent."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.model.grants import PEOPLE, Condition
from doorward.model.reasons import Reason
from doorward.model.target import Kind, Target
from doorward.model.verdict import Deny
from doorward.policy.compile import Rule
from doorward.policy.encode import MISFIT, CedarType, Scalar, encode

_SHOWN: Final = 80
_LISTED: Final = 8
_NOUNS: Final = {Kind.TEMPLATE: "resource template"}
_TYPES: Final = {
    Scalar.LONG: "an integer",
    Scalar.DECIMAL: "a number with at most four decimal places",
    Scalar.STRING: "a string",
    Scalar.BOOL: "true or false",
}


def no_grant(agent: str, target: Target, *, softenable: bool = True) -> Deny:
    """Default deny. No mode softens it for a target that does not exist."""
    message = f"{party(agent)} has no grant for {what(target)}"
    return Deny(Reason.NO_GRANT, message, softenable=softenable)


def denied_by(
    agent: str, target: Target, denies: tuple[Rule, ...], nearest: Rule | None, *, visible: bool = False
) -> Deny:
    """A deny glob matched; `nearest` is the allow rule it overrides."""
    return Deny(
        Reason.DENIED_BY_RULE,
        f"denied by a rule for {party(agent)}: {what(target)}",
        rules=tuple(rule.at for rule in denies),
        nearest=nearest.at if nearest is not None else None,
        visible=visible,
    )


def failed(target: Target, *, visible: bool) -> Deny:
    """Cedar gave no answer that can be trusted. No mode softens that."""
    message = f"the rules for {what(target)} could not be evaluated"
    return Deny(Reason.POLICY_EVALUATION_FAILED, message, visible=visible, softenable=False)


def argument_broke(broken: list[Condition], kind: CedarType | None, arguments: Mapping[str, Any]) -> Deny:
    """The conditions of the nearest rule that failed, in file order.

    `kind` is the declared type of the first one's argument, None when the condition cannot be checked on it.
    """
    first = broken[0]
    return Deny(
        Reason.ARGUMENT_NOT_ALLOWED,
        _complaint(first, kind, arguments.get(first.argument)),
        rules=tuple(condition.at for condition in broken),
        nearest=first.at,
        argument=first.argument,
        visible=True,
    )


def _complaint(condition: Condition, kind: CedarType | None, value: Any) -> str:
    name = f"argument {shown(condition.argument)}"
    wanted = demand(condition)
    if not isinstance(kind, Scalar):
        return f"{name} must be {wanted}, but it is not declared with a type that this can be checked on"
    if value is None:
        return f"{name} is missing; it must be {wanted}"
    if encode(value, kind) is MISFIT:
        return f"{name} must be {_TYPES[kind]}, and it must be {wanted}"
    return f"{name} must be {wanted}"


def demand(condition: Condition) -> str:
    """The condition in words that follow "must be"."""
    match condition.test:
        case "at_least":
            return f"at least {shown(condition.value)}"
        case "at_most":
            return f"at most {shown(condition.value)}"
        case "in":
            listed = [shown(value) for value in condition.value[:_LISTED]]
            more = ", ..." if len(condition.value) > _LISTED else ""
            return f"one of {', '.join(listed)}{more}"
    return shown(condition.value)


def party(agent: str) -> str:
    """`agent "ci-bot"`, or `people[2]` for one of the rule sets that bound humans."""
    number = agent.removeprefix(PEOPLE)
    return f"agent {shown(agent)}" if number == agent else f"people[{number}]"


def what(target: Target) -> str:
    """`tool "delete_repo" of server "github"`."""
    noun = _NOUNS.get(target.kind, target.kind.value)
    return f"{noun} {shown(target.name)} of server {shown(target.server)}"


def shown(value: Any) -> str:
    """A scalar as JSON, cut so that no name of a stranger's making floods a message."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        value = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
    return msgspec.json.encode(value).decode()
