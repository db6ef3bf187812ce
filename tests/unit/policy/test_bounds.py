"""Whoever bounds a caller can only take away, and a list shows no more than can be called."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.bounds import Bounds, Narrowing
from doorward.model.call import Call, Era
from doorward.model.grants import PEOPLE, AgentRules, Grant, PolicySpec, ScopeRule
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Allow, Deny, Facts, Mode, Permit
from doorward.policy import bounds as judged
from doorward.policy.engine import Engine
from tests.support.calls import call_of
from tests.unit.policy.build import BOT, aim, grant, scope, tool, when
from tests.unit.policy.test_properties import (
    OFFERS,
    TARGETS,
    arguments,
    expected,
    policies,
    targets,
)

INTEGER = {"n": {"type": "integer"}}
ALL = grant(servers=["*"], tools=scope(["*"]), prompts=scope(["*"]), resources=scope(["*"]))
TOOLS = [tool("get"), tool("delete"), tool("pay", INTEGER), tool("get", server="crm")]
SCOPES = {"gh": (ScopeRule("delete", ("admin", "read")), ScopeRule("*", ("read",)))}


def engine(
    *agent: Grant,
    people: Sequence[Sequence[Grant]] = (),
    others: dict[str, Sequence[Grant]] | None = None,
    mode: Mode = Mode.ENFORCE,
    scopes: dict[str, tuple[ScopeRule, ...]] | None = None,
    offers: Any = TOOLS,
) -> Engine:
    sets = {
        "ci-bot": agent,
        **{f"{PEOPLE}{n}": one for n, one in enumerate(people)},
        **(others or {}),
    }
    rules = {name: AgentRules(name, tuple(found)) for name, found in sets.items()}
    listed = {name: [one for one in offers if one.server == name] for name in ("gh", "crm")}
    spec = PolicySpec(rules, dict.fromkeys(listed, mode), "r1", scopes or {})
    return Engine.build(spec, listed)


def bound(**said: Any) -> Principal:
    return msgspec.structs.replace(BOT, bounds=Bounds(**said))


def deny(verdict: object) -> Deny:
    assert isinstance(verdict, Deny), verdict
    return verdict


def call(method: str = "tools/call", **params: Any) -> Call:
    return call_of(method, params, Era.MODERN)


# --- narrowing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrowing", "target", "left"),
    [
        (Narrowing("key"), aim("delete"), True),
        (Narrowing("key", servers=("gh",)), aim("delete"), True),
        (Narrowing("key", servers=("g*", "x")), aim("delete"), True),
        (Narrowing("key", servers=("crm",)), aim("delete"), False),
        (Narrowing("key", servers=()), aim("delete"), False),
        (Narrowing("key", tools=("get_*", "del*")), aim("delete"), True),
        (Narrowing("key", tools=("get_*",)), aim("delete"), False),
        (Narrowing("key", tools=()), aim("delete"), False),
        (Narrowing("key", tools=("gh/delete",)), aim("delete"), True),
        (Narrowing("key", tools=("crm/delete",)), aim("delete"), False),
        (Narrowing("key", tools=("g*/d*",)), aim("delete"), True),
        (Narrowing("key", tools=("gh/a/b",)), aim("a/b"), True),
        (Narrowing("key", tools=("a/b",)), aim("a/b"), False),
        (Narrowing("key", tools=("get*",)), aim("get", Kind.PROMPT), False),
        (Narrowing("key", tools=("get*",)), aim("file:///get", Kind.RESOURCE), False),
        (Narrowing("key", tools=("*",)), aim("get", Kind.PROMPT), True),
        (Narrowing("key", tools=("gh/*",)), aim("file:///a", Kind.RESOURCE), True),
        (Narrowing("key", tools=("crm/*",)), aim("file:///a", Kind.TEMPLATE), False),
        (Narrowing("key", tools=()), aim("file:///a", Kind.RESOURCE), False),
        (Narrowing("key", read_only=True), aim("get"), True),
    ],
)
def test_what_a_narrowing_leaves(narrowing: Narrowing, target: Target, left: bool) -> None:
    assert (judged.outside(narrowing, target) is None) is left


@pytest.mark.parametrize("kind", [one for one in OperationClass if one is not OperationClass.READ])
def test_read_only_leaves_what_reads_and_nothing_else(kind: OperationClass) -> None:
    target = msgspec.structs.replace(aim("delete"), op_class=kind)
    assert deny(judged.outside(Narrowing("key", read_only=True), target)).bound == "key"


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_left_out_is_hidden_and_never_softened(mode: Mode) -> None:
    asked = engine(ALL, mode=mode)
    narrowed = bound(narrowings=(Narrowing("creator:anna", tools=("get",)),))
    assert isinstance(asked.decide(narrowed, aim("get"), {}), Allow)
    for given_arguments in (None, {}):
        denial = deny(asked.decide(narrowed, aim("delete"), given_arguments))
        assert denial.reason is Reason.OUT_OF_BOUNDS
        assert (denial.visible, denial.softenable, denial.bound) == (False, False, "creator:anna")


def test_every_narrowing_counts() -> None:
    asked = engine(ALL)
    one, other = Narrowing("key", tools=("get", "pay")), Narrowing("creator:anna", tools=("pay", "delete"))
    both = bound(narrowings=(one, other))
    left = {name for name in ("get", "delete", "pay") if isinstance(asked.decide(both, aim(name), {}), Allow)}
    assert left == {"pay"}


def test_a_server_that_is_left_out_is_not_known() -> None:
    asked = engine(ALL)
    only = bound(narrowings=(Narrowing("key", servers=("crm",)),))
    assert asked.reaches(only, "crm")
    assert not asked.reaches(only, "gh")
    assert asked.reaches(BOT, "gh")


# --- people and further agents ------------------------------------------------------------------------------


def test_a_human_without_an_entry_may_have_nothing_called() -> None:
    asked, nobody = engine(ALL), bound(people=((),))
    for given_arguments in (None, {}):
        denial = deny(asked.decide(nobody, aim("get"), given_arguments))
        assert (denial.reason, denial.bound, denial.visible) == (Reason.NO_GRANT, "people", False)
    assert not asked.reaches(nobody, "gh")


def test_entries_of_one_human_add_up_and_any_deny_wins() -> None:
    asked = engine(
        ALL,
        people=[
            [grant(tools=scope(["get"]))],
            [grant(tools=scope(["delete"]))],
            [grant(tools=scope(deny=["delete"]))],
        ],
    )
    first, second, third = (f"{PEOPLE}{n}" for n in range(3))
    assert isinstance(asked.decide(bound(people=((first, second),)), aim("get"), {}), Allow)
    assert isinstance(asked.decide(bound(people=((first, second),)), aim("delete"), {}), Allow)
    for order in ((second, third), (third, second)):
        denial = deny(asked.decide(bound(people=(order,)), aim("delete"), {}))
        assert (denial.reason, denial.bound) == (Reason.DENIED_BY_RULE, "people")
        assert "people[2]" in denial.message
        assert denial.rules


def test_every_human_has_to_allow() -> None:
    asked = engine(
        ALL,
        people=[
            [grant(servers=["*"], tools=scope(["get", "pay"]))],
            [grant(servers=["*"], tools=scope(["delete"]))],
            [grant(servers=["gh"], tools=scope(["get", "delete"], deny=["pay"]))],
        ],
    )
    first, second, third = (f"{PEOPLE}{n}" for n in range(3))
    names = ("get", "delete", "pay")
    for people, expect in (
        (((first, second), (third,)), {"get", "delete"}),
        (((third,), (first, second)), {"get", "delete"}),
        (((first,), (second,)), set()),
        (((first, second), ()), set()),
        (((first, second), (first, second)), set(names)),
    ):
        who = bound(people=people)
        for said in (None, {}):
            assert {one for one in names if isinstance(asked.decide(who, aim(one), said), Allow)} == expect
    denial = deny(asked.decide(bound(people=((first,), (third,))), aim("pay"), {}))
    assert (denial.reason, denial.bound) == (Reason.DENIED_BY_RULE, "people")
    assert asked.reaches(bound(people=((first,), (second,))), "crm")
    assert not asked.reaches(bound(people=((first,), (third,))), "crm")
    assert not asked.reaches(bound(people=((first,), ())), "gh")


def test_a_condition_on_any_human_is_looked_at() -> None:
    least, most = (
        [grant(tools=scope(["pay"]), conditions=[when("n", how, 5)])] for how in ("at_least", "at_most")
    )
    asked = engine(ALL, people=[least, most, [ALL]])
    first, second, free = ((f"{PEOPLE}{n}",) for n in range(3))
    for people, expect in (((first, second), [5, 5]), ((free, first), [5, 6, 5]), ((first, free), [5, 6, 5])):
        who = bound(people=people)
        left = [n for n in (4, 5, 6, 5) if isinstance(asked.decide(who, aim("pay"), {"n": n}), Allow)]
        assert left == expect


def test_every_further_agent_has_to_allow() -> None:
    asked = engine(
        ALL, others={"a": [grant(tools=scope(["get", "pay"]))], "b": [grant(tools=scope(["get", "delete"]))]}
    )
    both = bound(agents=("a", "b"))
    left = {name for name in ("get", "delete", "pay") if isinstance(asked.decide(both, aim(name), {}), Allow)}
    assert left == {"get"}
    assert deny(asked.decide(both, aim("pay"), {})).bound == "agent:b"
    gone = deny(asked.decide(bound(agents=("a", "gone")), aim("get"), {}))
    assert (gone.reason, gone.bound) == (Reason.NO_GRANT, "agent:gone")


def test_the_rules_of_everybody_who_allowed_stand_in_the_verdict() -> None:
    person = grant(tools=scope(["get"]))
    asked = engine(ALL, people=[[person]])
    verdict = asked.decide(bound(people=((f"{PEOPLE}0",),)), aim("get"), {})
    assert isinstance(verdict, Allow)
    assert verdict.rules == (ALL.tools.allow[0].at, person.tools.allow[0].at)


def test_a_condition_on_what_a_human_may_is_shown_and_explained() -> None:
    asked = engine(
        ALL, people=[[grant(tools=scope(["pay"]), conditions=[when("n", "at_most", 5)])]], mode=Mode.ENFORCE
    )
    anna = bound(people=((f"{PEOPLE}0",),))
    shown = asked.decide(anna, aim("pay"), None)
    assert isinstance(shown, Allow)
    assert shown.depends
    assert isinstance(asked.decide(anna, aim("pay"), {"n": 5}), Allow)
    denial = deny(asked.decide(anna, aim("pay"), {"n": 6}))
    assert (denial.reason, denial.visible, denial.bound) == (Reason.ARGUMENT_NOT_ALLOWED, True, "people")


def test_what_a_human_hides_stays_hidden_where_the_agent_explains() -> None:
    asked = engine(grant(tools=scope(["pay"]), conditions=[when("n", "at_most", 5)]), people=[[]])
    denial = deny(asked.decide(bound(people=((f"{PEOPLE}0",),)), aim("pay"), {"n": 6}))
    assert not denial.visible


def test_audit_mode_softens_people_and_agents_as_it_softens_the_agent() -> None:
    asked = engine(ALL, people=[[grant(tools=scope(["get"], deny=["pay"]))]], mode=Mode.AUDIT)
    for who, name, reason in (
        (bound(people=((),)), "get", Reason.NO_GRANT),
        (bound(people=((f"{PEOPLE}0",),)), "delete", Reason.NO_GRANT),
        (bound(people=((f"{PEOPLE}0",),)), "pay", Reason.DENIED_BY_RULE),
        (bound(agents=("gone",)), "get", Reason.NO_GRANT),
    ):
        verdict = asked.decide(who, aim(name), {})
        assert isinstance(verdict, Allow)
        assert verdict.softened is not None
        assert verdict.softened.reason is reason
        assert verdict.softened.bound
        assert asked.reaches(who, "gh")


# --- scopes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (aim("get"), ("read",)),
        (aim("delete"), ("admin", "read")),
        (aim("get", Kind.PROMPT), ("read",)),
        (aim("delete", Kind.PROMPT), ("read",)),
        (aim("file:///a", Kind.RESOURCE), ("read",)),
        (aim("get", server="crm"), ()),
    ],
)
def test_an_operation_needs_the_scopes_of_all_globs_that_match(
    target: Target, needed: tuple[str, ...]
) -> None:
    assert judged.scopes_of(SCOPES.get(target.server, ()), target) == needed


@pytest.mark.parametrize("mode", list(Mode))
def test_a_missing_scope_shows_the_tool_and_names_all_that_it_needs(mode: Mode) -> None:
    asked, reader = engine(ALL, scopes=SCOPES, mode=mode), bound(scopes=frozenset({"read", "more"}))
    assert isinstance(asked.decide(reader, aim("get"), {}), Allow)
    shown = asked.decide(reader, aim("delete"), None)
    assert isinstance(shown, Allow)
    assert shown.lacking == ("admin", "read")
    denial = deny(asked.decide(reader, aim("delete"), {}))
    assert denial.reason is Reason.INSUFFICIENT_SCOPE
    assert denial.scopes == ("admin", "read")
    assert (denial.visible, denial.softenable, denial.bound) == (True, False, "scopes")


def test_scopes_are_whole_words() -> None:
    asked = engine(ALL, scopes={"gh": (ScopeRule("*", ("mail.read",)),)})
    for held in ("mail.readwrite", "mail", "MAIL.READ", ""):
        deny(asked.decide(bound(scopes=frozenset({held})), aim("get"), {}))


def test_a_credential_without_scopes_of_its_own_needs_none() -> None:
    asked = engine(ALL, scopes=SCOPES)
    assert isinstance(asked.decide(bound(scopes=None), aim("delete"), {}), Allow)
    deny(asked.decide(bound(scopes=frozenset()), aim("get"), {}))


def test_what_is_hidden_stays_hidden_whatever_scope_is_missing() -> None:
    asked = engine(grant(tools=scope(["get"])), scopes=SCOPES)
    assert not deny(asked.decide(bound(scopes=frozenset()), aim("delete"), {})).visible


def test_a_completion_needs_the_scopes_of_what_it_completes() -> None:
    """It is decided without arguments, as a list is, and must not get through like one."""
    asked, nobody = engine(ALL, scopes=SCOPES), bound(scopes=frozenset())
    completion = call("completion/complete", ref={"type": "ref/prompt", "name": "p"}, argument={})
    target = aim("file:///a/{x}", Kind.TEMPLATE)
    provisional = asked.decide(nobody, target, completion.judged())
    assert isinstance(provisional, Allow)
    verdict = asked.conclude(completion, nobody, target, provisional, Facts(), "id")
    assert deny(verdict).reason is Reason.INSUFFICIENT_SCOPE
    granted = bound(scopes=frozenset({"read"}))
    provisional = asked.decide(granted, target, completion.judged())
    assert isinstance(provisional, Allow)
    assert isinstance(asked.conclude(completion, granted, target, provisional, Facts(), "id"), Permit)


# --- what must hold of all of them --------------------------------------------------------------------------

globs = st.sampled_from(["*", "a*", "ab", "gh", "gh/*", "crm/*", "g*/ab", "read_*", "x"])
narrowings = st.builds(
    Narrowing,
    of=st.just("key"),
    servers=st.none() | st.lists(st.sampled_from(["*", "gh", "g*", "crm"]), max_size=2).map(tuple),
    tools=st.none() | st.lists(globs, max_size=2).map(tuple),
    read_only=st.booleans(),
)
words = st.sampled_from(["read", "admin", "more"])
every_scope = st.dictionaries(
    st.sampled_from(["*", "a*", "ab", "read_*"]),
    st.lists(words, min_size=1, max_size=2).map(tuple),
    max_size=2,
)
modes = st.sampled_from(list(Mode))
some = settings(max_examples=80, deadline=None)


@some
@given(
    agent=policies,
    people=st.lists(policies, max_size=3),
    split=st.integers(0, 3),
    other=policies,
    narrowing=st.lists(narrowings, max_size=2),
    held=st.none() | st.frozensets(words),
    needed=every_scope,
    target=targets,
    given_arguments=arguments,
    mode=modes,
)
def test_a_bound_never_adds_access_and_lists_agree_with_calls(  # noqa: PLR0917 - a world of its own
    agent: list[Grant],
    people: list[list[Grant]],
    split: int,
    other: list[Grant],
    narrowing: list[Narrowing],
    held: frozenset[str] | None,
    needed: dict[str, tuple[str, ...]],
    target: Target,
    given_arguments: dict[str, Any],
    mode: Mode,
) -> None:
    rules = {"gh": tuple(ScopeRule(glob, scopes) for glob, scopes in needed.items())}
    asked = engine(*agent, people=people, others={"b": other}, mode=mode, scopes=rules, offers=OFFERS)
    named = tuple(f"{PEOPLE}{n}" for n in range(len(people)))
    parts: list[dict[str, Any]] = [
        {"narrowings": tuple(narrowing)},
        {"people": (named[:split],)},
        {"people": (named[:split], named[split:])},
        {"agents": ("b",)},
        {"scopes": held},
    ]
    said: dict[str, Any] = {}
    before = isinstance(asked.decide(BOT, target, given_arguments), Allow)
    for part in parts:
        said |= part
        who = bound(**said)
        shown = isinstance(asked.decide(who, target, None), Allow)
        verdict = asked.decide(who, target, given_arguments)
        after = isinstance(verdict, Allow)
        assert before or not after, "a further bound never adds access"
        assert shown or not after, "what is hidden is not callable"
        if isinstance(verdict, Deny):
            assert verdict.visible is shown, "hidden and unknown are answered alike"
            assert asked.decide(who, target, given_arguments) == verdict, "remembered as it was said"
        before = after


@some
@given(people=st.lists(policies, min_size=1, max_size=3), target=targets, given_arguments=arguments)
def test_people_are_read_as_one_list_of_grants(
    people: list[list[Grant]], target: Target, given_arguments: dict[str, Any]
) -> None:
    asked = engine(ALL, people=people, offers=OFFERS)
    who = bound(people=(tuple(f"{PEOPLE}{n}" for n in range(len(people))),))
    together = [one for entry in people for one in entry]
    for given_now in (None, given_arguments):
        found = isinstance(asked.decide(who, target, given_now), Allow)
        assert found is expected(together, target, given_now)


@some
@given(
    one=policies, other=policies, target=targets, given_arguments=arguments, names=st.permutations(["a", "b"])
)
def test_the_order_of_the_bounds_never_matters(
    one: list[Grant], other: list[Grant], target: Target, given_arguments: dict[str, Any], names: list[str]
) -> None:
    asked = engine(ALL, others={"a": one, "b": other}, offers=OFFERS)
    found = isinstance(asked.decide(bound(agents=tuple(names)), target, given_arguments), Allow)
    assert found is (expected(one, target, given_arguments) and expected(other, target, given_arguments))


@some
@given(one=policies, other=policies, third=policies, target=targets, given_arguments=arguments)
def test_humans_are_read_as_so_many_lists_which_all_allow(
    one: list[Grant], other: list[Grant], third: list[Grant], target: Target, given_arguments: dict[str, Any]
) -> None:
    asked = engine(ALL, people=[one, other, third], offers=OFFERS)
    first, second, last = ((f"{PEOPLE}{n}",) for n in range(3))
    wanted = expected([*one, *other], target, given_arguments) and expected(third, target, given_arguments)
    for people in ((first + second, last), (last, second + first)):
        assert isinstance(asked.decide(bound(people=people), target, given_arguments), Allow) is wanted


def test_what_was_said_of_a_call_is_not_said_of_another() -> None:
    asked = engine(
        grant(tools=scope(["pay"]), conditions=[when("n", "at_most", 5)]),
        people=[[ALL], [grant(tools=scope(["pay"]), conditions=[when("n", "at_least", 0)])]],
    )
    for names, least in ((("@people/0",), -9), (("@people/1",), 0)):
        who = bound(people=(names,))
        for _ in range(3):
            for number in (5, 6, -1, 4, -1, 6):
                allowed = isinstance(asked.decide(who, aim("pay"), {"n": number}), Allow)
                assert allowed is (least <= number <= 5), (names, number)


def test_memory_is_bounded_by_the_number_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "MOST_FENCES", 3)
    asked = engine(ALL, offers=OFFERS)
    for _ in range(20):
        who = bound(scopes=frozenset())
        for target in TARGETS:
            assert isinstance(asked.decide(who, target, {}), Allow)
    known = asked._fences._known
    assert 0 < len(known) <= 3
