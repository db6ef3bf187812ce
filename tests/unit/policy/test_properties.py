"""What must hold for every policy (DESIGN section 2), against a second reading of grants in plain Python."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.grants import Condition, Grant, PolicySpec, Scope
from doorward.model.reasons import Reason
from doorward.model.target import Kind, Target
from doorward.model.verdict import Allow, Deny, Mode
from doorward.policy.engine import Engine
from tests.unit.policy.build import BOT, aim, engine, globs, grant, prompt, tool, when

TYPES = {"n": "integer", "s": "string", "b": "boolean", "d": "number"}
NAMES = ("ab", "ba", "aab", "read_resource")
OFFERS = [
    *(tool(name, {argument: {"type": kind} for argument, kind in TYPES.items()}) for name in NAMES),
    *(prompt(name) for name in NAMES),
]
TARGETS = [
    *(aim(name, kind) for name in NAMES for kind in (Kind.TOOL, Kind.PROMPT)),
    *(aim(uri, Kind.RESOURCE) for uri in ("ab:c", "a:")),
]
KINDS = {"tools": Kind.TOOL, "prompts": Kind.PROMPT, "resources": Kind.RESOURCE}

patterns = st.sampled_from(["*", "a*", "*b", "a*b", "ab", "ba", "read_*", "ab:c", "x"])
scalars = st.sampled_from([0, 1, 2, 1.5, 2.0, "a", "b", "1", True, False])
conditions = st.builds(
    lambda argument, test, value: when(argument, test, (value, 1, "a") if test == "in" else value),
    st.sampled_from([*TYPES, "undeclared"]),
    st.sampled_from(["equals", "in", "at_least", "at_most"]),
    scalars,
)
scopes = st.builds(
    lambda allow, deny: Scope(globs(*allow), globs(*deny)),
    st.lists(patterns, max_size=2),
    st.lists(patterns, max_size=1),
)
grants = st.builds(
    grant,
    servers=st.lists(st.sampled_from(["*", "gh", "g*", "jira"]), min_size=1, max_size=2),
    tools=scopes,
    prompts=scopes,
    resources=scopes,
    conditions=st.lists(conditions, max_size=2),
)
policies = st.lists(grants, min_size=1, max_size=3)
odd = st.sampled_from([None, [], {}, [1], {"a": 1}, 10**30, "zzz", 1e300, 0.00001])
arguments = st.dictionaries(st.sampled_from([*TYPES, "undeclared"]), scalars | odd, max_size=5)
targets = st.sampled_from(TARGETS)
some = settings(max_examples=60)


def decide(grants: Sequence[Grant], target: Target, given: dict[str, Any] | None) -> Allow | Deny:
    verdict = engine(*grants, offers=OFFERS).decide(BOT, target, given)
    assert isinstance(verdict, Allow | Deny)
    return verdict


def allowed(grants: Sequence[Grant], target: Target, given: dict[str, Any] | None) -> bool:
    return isinstance(decide(grants, target, given), Allow)


# --- a second reading ---------------------------------------------------------------------------------------


def scope_of(one: Grant, kind: Kind) -> Scope:
    return {Kind.TOOL: one.tools, Kind.PROMPT: one.prompts, Kind.RESOURCE: one.resources}[kind]


def hits(names: Sequence[Any], text: str) -> bool:
    return any(fnmatchcase(text, name.pattern) for name in names)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def fits(value: Any, kind: str | None) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return is_number(value) and value == int(value) and abs(value) < 2**63
        case "number":
            return is_number(value) and abs(value) < 9e14 and round(value, 4) == value
    return False


def holds(one: Condition, target: Target, given: dict[str, Any]) -> bool:
    kind = {Kind.TOOL: TYPES.get(one.argument), Kind.PROMPT: "string"}.get(target.kind)
    if one.argument not in given or not fits(given[one.argument], kind):
        return False
    value = given[one.argument]
    if one.test in {"equals", "in"}:
        wanted = one.value if one.test == "in" else (one.value,)
        return any(fits(each, kind) and each == value for each in wanted)
    if not (kind in {"integer", "number"} and is_number(one.value)):
        return False
    return bool(value >= one.value if one.test == "at_least" else value <= one.value)


def expected(grants: Sequence[Grant], target: Target, given: dict[str, Any] | None) -> bool:
    mine = [one for one in grants if hits(one.servers, "gh")]
    if any(hits(scope_of(one, target.kind).deny, target.name) for one in mine):
        return False
    return any(
        hits(scope_of(one, target.kind).allow, target.name)
        and (given is None or all(holds(each, target, given) for each in one.when))
        for one in mine
    )


# --- what must hold -----------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(policies, targets, st.none() | arguments)
def test_cedar_decides_what_the_grants_say(
    grants: list[Grant], target: Target, given: dict[str, Any] | None
) -> None:
    assert allowed(grants, target, given) is expected(grants, target, given)


@some
@given(policies, targets, arguments)
def test_hidden_implies_denied(grants: list[Grant], target: Target, given: dict[str, Any]) -> None:
    shown, verdict = decide(grants, target, None), decide(grants, target, given)
    if isinstance(shown, Deny):
        assert verdict == shown
    elif isinstance(verdict, Deny):
        assert shown.depends
        assert verdict.visible


@some
@given(policies, targets, arguments, st.data())
def test_a_missing_or_ill_typed_argument_never_allows(
    grants: list[Grant], target: Target, given: dict[str, Any], data: st.DataObject
) -> None:
    spoilt = dict(given)
    for name in data.draw(st.sets(st.sampled_from([*TYPES, "undeclared"]), min_size=1)):
        spoilt.pop(name, None)
        if data.draw(st.booleans()):
            spoilt[name] = data.draw(st.sampled_from([None, [], {}, {"a": 1}]))
    if not allowed(grants, target, given):
        assert not allowed(grants, target, spoilt)


@some
@given(policies, grants, targets, st.none() | arguments)
def test_adding_an_allow_never_removes(
    grants: list[Grant], more: Grant, target: Target, given: dict[str, Any] | None
) -> None:
    only_allow = Grant(
        more.at,
        more.servers,
        *(Scope(each.allow) for each in (more.tools, more.resources, more.prompts)),
        more.when,
    )
    if allowed(grants, target, given):
        assert allowed([*grants, only_allow], target, given)


@some
@given(policies, scopes, targets, st.none() | arguments)
def test_adding_a_deny_never_adds(
    grants: list[Grant], more: Scope, target: Target, given: dict[str, Any] | None
) -> None:
    only_deny = Scope((), more.deny)
    stricter = [*grants, grant(servers=["*"], tools=only_deny, resources=only_deny, prompts=only_deny)]
    if not allowed(grants, target, given):
        assert not allowed(stricter, target, given)


@some
@given(policies, targets, st.none() | arguments, st.data())
def test_order_never_matters(
    grants: list[Grant], target: Target, given: dict[str, Any] | None, data: st.DataObject
) -> None:
    def shuffled(each: Scope) -> Scope:
        return Scope(
            tuple(data.draw(st.permutations(each.allow))), tuple(data.draw(st.permutations(each.deny)))
        )

    other = [
        Grant(
            one.at,
            tuple(data.draw(st.permutations(one.servers))),
            *(shuffled(each) for each in (one.tools, one.resources, one.prompts)),
            tuple(data.draw(st.permutations(one.when))),
        )
        for one in data.draw(st.permutations(grants))
    ]
    assert decide(other, target, given) == decide(grants, target, given)


@some
@given(policies, targets, st.none() | arguments)
def test_asking_twice_gives_the_same_answer(
    grants: list[Grant], target: Target, given: dict[str, Any] | None
) -> None:
    made = engine(*grants, offers=OFFERS)
    first = [made.decide(BOT, each, given) for each in (target, *TARGETS)]
    assert [made.decide(BOT, each, given) for each in (target, *TARGETS)] == first


@some
@given(policies, targets, st.none() | arguments)
def test_audit_softens_only_what_may_be_softened(
    grants: list[Grant], target: Target, given: dict[str, Any] | None
) -> None:
    strict = decide(grants, target, given)
    soft = engine(*grants, offers=OFFERS, mode=Mode.AUDIT).decide(BOT, target, given)
    if isinstance(strict, Allow):
        assert soft == strict
    else:
        assert strict.softenable
        assert soft == Allow((), softened=strict)


@some
@given(policies, targets, st.none() | arguments)
def test_every_denial_names_rules_of_the_file(
    grants: list[Grant], target: Target, given: dict[str, Any] | None
) -> None:
    verdict = decide(grants, target, given)
    if isinstance(verdict, Deny) and verdict.reason is Reason.DENIED_BY_RULE:
        known = {each.at for one in grants for each in scope_of(one, target.kind).deny}
    elif isinstance(verdict, Deny) and verdict.reason is Reason.ARGUMENT_NOT_ALLOWED:
        known = {each.at for one in grants for each in one.when}
        assert given is not None
        broken = {each.at for one in grants for each in one.when if not holds(each, target, given)}
        assert set(verdict.rules) <= broken
    elif isinstance(verdict, Allow):
        known = {each.at for one in grants for each in scope_of(one, target.kind).allow}
    else:
        assert verdict.rules == ()
        return
    assert verdict.rules
    assert set(verdict.rules) <= known


@some
@given(policies, st.lists(st.sampled_from(NAMES), unique=True))
def test_a_new_list_is_as_good_as_a_new_engine(grants: list[Grant], names: list[str]) -> None:
    offers = [each for each in OFFERS if each.name in names]
    spec = PolicySpec(engine(*grants, offers=[])._agents, {"gh": Mode.ENFORCE}, "r1")
    changed = Engine.build(spec, {"gh": OFFERS}).with_definitions("gh", offers)
    fresh = Engine.build(spec, {"gh": offers})
    assert [changed.decide(BOT, each, None) for each in TARGETS] == [
        fresh.decide(BOT, each, None) for each in TARGETS
    ]
