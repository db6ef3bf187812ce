"""What somebody sees of one server's list before a change and after it, in steps: lists may be long."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from doorward.model.principal import Principal
from doorward.model.steps import Steps
from doorward.model.target import Definition, OperationClass, Target
from doorward.model.verdict import Allow
from doorward.policy.engine import Engine

STEP: Final = 4
"""Definitions between two pauses: the first question about some rules takes a millisecond."""

Seen = frozenset[tuple[str, str]]
"""Names with their digests."""


class View(NamedTuple):
    """What there was of one kind at one server, and the rules over it."""

    policy: Engine
    definitions: Sequence[Definition]


def narrowed(before: View, after: View) -> Steps[tuple[View, View]]:
    """Both without the definitions that they share, where the rules are the same: of those nobody sees
    anything else than before."""
    if not after.policy.shares_rules(before.policy):
        return before, after
    old = yield from _spelled(before)
    new = yield from _spelled(after)
    gone = [one for key, one in old.items() if key not in new]
    yield
    return View(before.policy, gone), View(after.policy, [one for key, one in new.items() if key not in old])


def _spelled(view: View) -> Steps[dict[tuple[str, str, OperationClass], Definition]]:
    found = {}
    for at, one in enumerate(view.definitions, 1):
        found[one.name, one.digest, one.op_class] = one
        if not at % (STEP * 16):
            yield
    return found


def differ(before: View, after: View, principal: Principal) -> Steps[bool]:
    """Whether this principal sees something else than before."""
    old = yield from _seen(before, principal)
    new = yield from _seen(after, principal)
    return old != new


def _seen(view: View, principal: Principal) -> Steps[Seen]:
    found = set()
    for at, one in enumerate(view.definitions, 1):
        target = Target(one.server, one.kind, one.name, one.op_class, one)
        if isinstance(view.policy.decide(principal, target, None), Allow):
            found.add((one.name, one.digest))
        if not at % STEP:
            yield
    return frozenset(found)
