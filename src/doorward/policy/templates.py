"""Resource templates: may something that this template expands to be read?

The one question that Cedar is not asked, because it is about all URIs of a form and not about one. What a
template leads to is decided by Cedar when it is read.
"""

from typing import Final

from doorward.model.target import Target
from doorward.model.verdict import Deny
from doorward.policy.compile import Rule
from doorward.policy.explain import denied_by, no_grant
from doorward.policy.globs import Pattern, template_pattern

_LONGEST: Final = 2_048


def judge_template(agent: str, target: Target, rules: tuple[Rule, ...]) -> tuple[Rule, ...] | Deny:
    """The permits that some expansion falls under, or the denial.

    A template counts as denied when one deny glob covers all of it, or all of each allow glob that it meets.
    Several deny globs that cover it only together do not hide it; they deny each read.
    """
    if len(target.name) > _LONGEST:
        return no_grant(agent, target)
    shape = template_pattern(target.name)
    permits = tuple(rule for rule in rules if rule.permits and rule.pattern.overlaps(shape))
    if not permits:
        return no_grant(agent, target)
    denies = tuple(rule for rule in rules if not rule.permits)
    whole = tuple(rule for rule in denies if rule.pattern.covers(shape))
    if whole:
        return denied_by(agent, target, whole, permits[0])
    left = tuple(rule for rule in permits if not _covering(denies, rule.pattern))
    if left:
        return left
    covering = {id(rule): rule for permit in permits for rule in _covering(denies, permit.pattern)}
    return denied_by(agent, target, tuple(covering.values()), permits[0])


def _covering(denies: tuple[Rule, ...], pattern: Pattern) -> list[Rule]:
    return [rule for rule in denies if rule.pattern.covers(pattern)]
