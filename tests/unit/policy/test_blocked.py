"""A blocked server: what would be allowed is denied and says so; what is hidden stays hidden."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from doorward.model.bounds import Bounds, Narrowing
from doorward.model.grants import Grant
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Allow, Deny, Mode
from doorward.policy.engine import Engine
from tests.unit.policy.build import BOT, aim, engine, grant, scope, spec, tool, when
from tests.unit.policy.test_properties import OFFERS, arguments, policies, some, targets

GH = frozenset({"gh"})


@some
@given(policies, targets, arguments)
def test_a_block_only_ever_takes_away(grants: Sequence[Grant], target: Target, given: dict[str, Any]) -> None:
    free = engine(*grants, offers=OFFERS)
    shut = free.with_blocked(GH)
    for said in (None, given):
        before, after = free.decide(BOT, target, said), shut.decide(BOT, target, said)
        assert isinstance(after, Deny)
        static = free.decide(BOT, target, None)
        if isinstance(static, Deny) and not static.visible:
            assert after == static
        else:
            assert after.reason is Reason.BLOCKED
            assert (after.visible, after.softenable) == (True, False)
        assert shut.with_blocked(frozenset()).decide(BOT, target, said) == before


def test_no_mode_softens_it_and_no_bound_shows_through() -> None:
    free = Engine.build(spec(mode=Mode.AUDIT), {"gh": [tool("a")]})
    assert isinstance(free.decide(BOT, aim("a"), {}), Allow)
    shut = free.with_blocked(GH)
    denied = shut.decide(BOT, aim("a"), {})
    assert isinstance(denied, Deny)
    assert denied.reason is Reason.BLOCKED
    narrow = Principal("default", "k", "ci-bot", "key", bounds=Bounds((Narrowing("key", servers=()),)))
    hidden = shut.decide(narrow, aim("a"), {})
    assert isinstance(hidden, Deny)
    assert (hidden.reason, hidden.visible) == (Reason.OUT_OF_BOUNDS, False)


def test_a_condition_is_not_asked() -> None:
    rules = grant(tools=scope(["a"]), conditions=[when("n", "equals", 1)])
    shut = engine(rules, offers=[tool("a", {"n": {"type": "integer"}})]).with_blocked(GH)
    for said in ({"n": 1}, {"n": 2}, None):
        denied = shut.decide(BOT, aim("a"), said)
        assert isinstance(denied, Deny)
        assert denied.reason is Reason.BLOCKED


def test_a_new_list_stays_blocked_and_views_differ() -> None:
    free = engine(grant(tools=scope(["*"])), offers=[tool("a")])
    shut = free.with_blocked(GH)
    assert shut.with_blocked(GH) is shut
    assert not shut.shares_rules(free)
    more = shut.with_definitions("gh", [tool("b")])
    assert more.shares_rules(shut)
    denied = more.decide(BOT, aim("b"), {})
    assert isinstance(denied, Deny)
    assert denied.reason is Reason.BLOCKED


@pytest.mark.parametrize("name", ["jira", "nobody"])
def test_other_servers_go_on(name: str) -> None:
    free = engine(grant(tools=scope(["*"])), offers=[tool("a")])
    assert isinstance(free.with_blocked(frozenset({name})).decide(BOT, aim("a"), {}), Allow)
