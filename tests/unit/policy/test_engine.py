"""Verdicts, their reasons and the rules they name."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from doorward.model.call import Call, Era, Series, Spelled
from doorward.model.errors import PolicyError
from doorward.model.grants import AgentRules, Glob, Grant, PolicySpec, Scope
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.model.verdict import Allow, Deny, Facts, Mode, Permit, RuleRef
from doorward.policy.encode import Record, Scalar
from doorward.policy.engine import Engine
from doorward.policy.slices import Slice
from tests.support.calls import call_of
from tests.unit.policy.build import (
    BOT,
    aim,
    at,
    defined,
    engine,
    globs,
    grant,
    prompt,
    scope,
    spec,
    tool,
    when,
)

INTEGER = {"type": "integer"}
STRING = {"type": "string"}
NUMBER = {"type": "number"}


def deny(verdict: object) -> Deny:
    assert isinstance(verdict, Deny)
    return verdict


def call(arguments: dict[str, Any]) -> Call:
    return call_of("tools/call", {"name": "list", "arguments": arguments}, Era.MODERN)


@dataclass
class World:
    """Six tools, two prompts, and one grant of each sort."""

    free: Grant = field(
        default_factory=lambda: grant(
            tools=scope(["get_*", "search"], deny=["get_secret"]),
            resources=scope(["file:///a/*"], deny=["*.key"]),
            prompts=scope(["p*"]),
        )
    )
    bound: Grant = field(
        default_factory=lambda: grant(
            tools=scope(["list"]),
            prompts=scope(["q"]),
            conditions=[when("limit", "at_most", 100), when("state", "in", ("open", "closed"))],
        )
    )
    mode: Mode = Mode.ENFORCE

    def __post_init__(self) -> None:
        arguments = {"limit": INTEGER, "state": STRING}
        names = ("get_it", "get_secret", "search", "list", "other")
        offers = [*(tool(name, arguments) for name in names), prompt("p1"), prompt("q"), prompt("other")]
        self.engine = engine(self.free, self.bound, offers=offers, mode=self.mode)

    def ask(self, name: str, arguments: dict[str, Any] | None = None, kind: Kind = Kind.TOOL) -> object:
        return self.engine.decide(BOT, aim(name, kind), arguments)


def test_what_no_grant_names_is_hidden_and_denied() -> None:
    world = World()
    verdict = deny(world.ask("other", {}))
    assert verdict == world.ask("other")
    assert (verdict.reason, verdict.visible, verdict.softenable) == (Reason.NO_GRANT, False, True)
    assert verdict.message == 'agent "ci-bot" has no grant for tool "other" of server "gh"'
    assert verdict.rules == ()


def test_an_allow_glob_allows_and_is_named() -> None:
    world = World()
    assert world.ask("get_it", {"x": [1]}) == Allow((world.free.tools.allow[0].at,))


def test_a_deny_glob_overrides_and_is_named() -> None:
    world = World()
    verdict = deny(world.ask("get_secret", {}))
    assert verdict.reason is Reason.DENIED_BY_RULE
    assert verdict.rules == (world.free.tools.deny[0].at,)
    assert verdict.nearest == world.free.tools.allow[0].at
    assert verdict.message == 'denied by a rule for agent "ci-bot": tool "get_secret" of server "gh"'
    assert not verdict.visible


def test_a_deny_glob_overrides_the_allow_of_another_grant() -> None:
    denies = grant(tools=scope(deny=["*"]))
    assert deny(
        engine(grant(tools=scope(["a"])), denies, offers=[tool("a")]).decide(BOT, aim("a"), {})
    ).rules == (denies.tools.deny[0].at,)


def test_conditions_show_the_tool_and_judge_the_call() -> None:
    world = World()
    assert world.ask("list") == Allow((world.bound.tools.allow[0].at,), depends=True)
    assert world.ask("list", {"limit": 100, "state": "open"}) == Allow((world.bound.tools.allow[0].at,))


def test_an_unconditional_grant_makes_the_condition_of_another_moot() -> None:
    world = World(free=grant(tools=scope(["*"])))
    assert world.ask("list") == Allow((world.free.tools.allow[0].at,))
    assert isinstance(world.ask("list", {"limit": 10**30}), Allow)


@pytest.mark.parametrize(
    ("arguments", "message", "argument", "broken"),
    [
        ({"limit": 101, "state": "open"}, 'argument "limit" must be at most 100', "limit", [0]),
        ({"limit": 1, "state": "x"}, 'argument "state" must be one of "open", "closed"', "state", [1]),
        ({"state": "open"}, 'argument "limit" is missing; it must be at most 100', "limit", [0]),
        (
            {"limit": "5", "state": "x"},
            'argument "limit" must be an integer, and it must be at most 100',
            "limit",
            [0, 1],
        ),
        (
            {"limit": None, "state": "open"},
            'argument "limit" is missing; it must be at most 100',
            "limit",
            [0],
        ),
    ],
)
def test_a_broken_condition_is_named(
    arguments: dict[str, Any], message: str, argument: str, broken: list[int]
) -> None:
    world = World()
    verdict = deny(world.ask("list", arguments))
    assert verdict.reason is Reason.ARGUMENT_NOT_ALLOWED
    assert (verdict.message, verdict.argument) == (message, argument)
    assert verdict.rules == tuple(world.bound.when[n].at for n in broken)
    assert verdict.nearest == verdict.rules[0]
    assert verdict.visible


def test_the_nearest_rule_is_the_one_with_the_fewest_broken_conditions() -> None:
    far = grant(tools=scope(["t"]), conditions=[when("a", "equals", 1), when("b", "equals", 1)])
    near = grant(tools=scope(["t"]), conditions=[when("a", "equals", 2), when("b", "equals", 3)])
    made = engine(far, near, offers=[tool("t", {"a": INTEGER, "b": INTEGER})])
    assert deny(made.decide(BOT, aim("t"), {"a": 2, "b": 2})).rules == (near.when[1].at,)


@pytest.mark.parametrize(
    ("declared", "condition", "passes", "breaks"),
    [
        (INTEGER, ("equals", 5), [5, 5.0], [4, "5", True, 5.5, None, [5], 2**70]),
        (INTEGER, ("equals", -(2**63)), [-(2**63)], [2**63, -(2**63) - 1]),
        (INTEGER, ("at_least", 1.5), [2, 2**63 - 1], [1, 1.6, 2**63]),
        (INTEGER, ("at_most", 2.5), [2, -(2**63)], [3, -(2**63) - 1]),
        (INTEGER, ("in", (1, "x", 2.0)), [1, 2], [3, "x"]),
        (NUMBER, ("at_most", 0.7), [0.7, 0, -1.5, 0.6999], [0.7001, 1, 0.69999, "0.5", True, 1e300]),
        (NUMBER, ("at_least", -0.5), [-0.5, 10**12], [-0.5001, 10**18, -1e-5]),
        (NUMBER, ("equals", 1), [1, 1.0], [1.5]),
        (NUMBER, ("in", (0.25, 4)), [0.25, 4, 4.0], [0.5]),
        (STRING, ("equals", "a"), ["a"], ["A", "a ", 1, None, ["a"], "\ud800"]),
        (STRING, ("equals", 'q"\\\n\u00fc*'), ['q"\\\n\u00fc*'], ['q"\\\n\u00fcx']),
        ({"type": "boolean"}, ("equals", True), [True], [False, 1, "true"]),
        ({"type": "boolean"}, ("in", (False,)), [False], [True, 0]),
        ({"anyOf": [INTEGER, {"type": "null"}]}, ("at_most", 3), [3], [4, None]),
        ({"type": "string", "enum": ["a", "b"], "format": "date"}, ("equals", "a"), ["a"], ["b"]),
        # what cannot be checked never holds
        ({}, ("equals", 5), [], [5]),
        ({"type": ["integer", "string"]}, ("equals", 5), [], [5]),
        (STRING, ("at_most", 5), [], [5, "5"]),
        (INTEGER, ("equals", "5"), [], [5, "5"]),
        (INTEGER, ("at_most", 10**30), [], [5]),
        (INTEGER, ("at_most", float("inf")), [], [5]),
        (NUMBER, ("at_most", 0.00001), [], [0]),
    ],
)
def test_conditions_by_declared_type(
    declared: dict[str, Any], condition: tuple[str, Any], passes: list[Any], breaks: list[Any]
) -> None:
    bound = grant(tools=scope(["t"]), conditions=[when("x", *condition)])
    made = engine(bound, offers=[tool("t", {"x": declared})])
    for value in passes:
        assert isinstance(made.decide(BOT, aim("t"), {"x": value, "y": object()}), Allow), value
    for value in breaks:
        assert deny(made.decide(BOT, aim("t"), {"x": value})).reason is Reason.ARGUMENT_NOT_ALLOWED, value
    assert deny(made.decide(BOT, aim("t"), {})).argument == "x"


def test_a_condition_that_cannot_be_checked_says_so() -> None:
    bound = grant(tools=scope(["t"]), conditions=[when("x", "equals", 5)])
    made = engine(bound, offers=[defined(Kind.TOOL, "t", {"name": "t", "inputSchema": "broken"})])
    assert isinstance(made.decide(BOT, aim("t"), None), Allow)
    verdict = deny(made.decide(BOT, aim("t"), {"x": 5}))
    assert verdict.message == (
        'argument "x" must be 5, but it is not declared with a type that this can be checked on'
    )


def test_a_denial_never_repeats_what_the_caller_sent() -> None:
    world = World()
    verdict = deny(world.ask("list", {"limit": "s3cret-value", "state": "s3cret-value"}))
    assert "s3cret" not in verdict.message


@pytest.mark.parametrize("uri", ["file:///a/b", "file:///a/"])
def test_resources_by_uri(uri: str) -> None:
    world = World()
    assert world.ask(uri, {}, Kind.RESOURCE) == Allow((world.free.resources.allow[0].at,))


def test_resources_denied() -> None:
    world = World()
    verdict = deny(world.ask("file:///a/x.key", {}, Kind.RESOURCE))
    assert verdict.rules == (world.free.resources.deny[0].at,)
    assert deny(world.ask("file:///b", None, Kind.RESOURCE)).reason is Reason.NO_GRANT


def test_a_condition_on_a_resource_never_holds() -> None:
    bound = grant(resources=scope(["*"]), conditions=[when("x", "equals", 1)])
    made = engine(bound, offers=[])
    assert made.decide(BOT, aim("a:b", Kind.RESOURCE), None) == Allow(
        (bound.resources.allow[0].at,), depends=True
    )
    for kind in (Kind.RESOURCE, Kind.TEMPLATE):
        assert deny(made.decide(BOT, aim("a:b", kind), {"x": 1})).argument == "x"


@pytest.mark.parametrize(
    ("template", "allowed"),
    [
        ("file:///a/{name}", True),
        ("file:///{+path}", True),
        ("{+uri}", True),
        ("file:///a/{name}.key", False),
        ("file:///b/{name}", False),
        ("file:///a/" + "{x}" * 1000, False),
    ],
)
def test_templates_follow_what_they_may_expand_to(template: str, *, allowed: bool) -> None:
    assert isinstance(World().ask(template, None, Kind.TEMPLATE), Allow) is allowed


def test_a_template_whose_allowed_part_is_denied_is_denied() -> None:
    mine = grant(resources=scope(["file:///a/*"], deny=["file:///a*"]))
    verdict = deny(engine(mine, offers=[]).decide(BOT, aim("file:///{x}", Kind.TEMPLATE), None))
    assert verdict.rules == (mine.resources.deny[0].at,)


def test_prompts() -> None:
    world = World()
    assert world.ask("p1", {"topic": "x"}, Kind.PROMPT) == Allow((world.free.prompts.allow[0].at,))
    assert deny(world.ask("other", {}, Kind.PROMPT)).reason is Reason.NO_GRANT


def test_prompt_arguments_are_strings() -> None:
    bound = grant(
        prompts=scope(["q*"]), conditions=[when("topic", "in", ("tea", 5)), when("size", "equals", "5")]
    )
    made = engine(bound, offers=[prompt("q")])
    ask = aim("q", Kind.PROMPT)
    assert made.decide(BOT, ask, {"topic": "tea", "size": "5"}) == Allow((bound.prompts.allow[0].at,))
    assert deny(made.decide(BOT, ask, {"topic": "5", "size": "5"})).argument == "topic"
    assert deny(made.decide(BOT, ask, {"topic": "tea", "size": 5})).argument == "size"
    assert deny(made.decide(BOT, ask, {"topic": "tea"})).argument == "size"


def test_tools_that_are_called_like_our_actions() -> None:
    names = ("read_resource", "get_prompt", "tool:get_prompt")
    made = engine(grant(tools=scope(names[:1])), offers=[tool(name) for name in names])
    assert [isinstance(made.decide(BOT, aim(name), {}), Allow) for name in names] == [True, False, False]
    assert isinstance(made.decide(BOT, aim("read_resource", Kind.RESOURCE), {}), Deny)


@pytest.mark.parametrize("name", ['we"ird\\ \n\x00\u00fc', "a-b.c/d", "in", "*", "x" * 500])
def test_any_name_a_server_may_list(name: str) -> None:
    made = engine(grant(tools=scope(["*"])), offers=[tool(name)])
    assert isinstance(made.decide(BOT, aim(name), {}), Allow)


def test_what_is_not_listed_does_not_exist_in_any_mode() -> None:
    for mode in Mode:
        made = engine(grant(tools=scope(["*"]), prompts=scope(["*"])), offers=[], mode=mode)
        for kind in (Kind.TOOL, Kind.PROMPT):
            verdict = deny(made.decide(BOT, aim("ghost", kind), {}))
            assert (verdict.visible, verdict.softenable) == (False, False)
        assert not deny(made.decide(BOT, aim("x", server="nowhere"), {})).softenable


def test_strangers_have_no_rights() -> None:
    nobody = Principal(tenant="default", subject="anonymous", agent="anonymous", method="none")
    made = engine(grant(servers=["*"], tools=scope(["*"])), offers=[tool("t")])
    assert deny(made.decide(nobody, aim("t"), {})).reason is Reason.NO_GRANT
    assert not made.see_rules("anonymous")


def test_our_own_methods_are_open_to_whoever_is_known() -> None:
    assert World().engine.decide(BOT, aim("tools/list", Kind.GATEWAY, server=""), None) == Allow(
        (RuleRef("builtin", "builtin", 0),)
    )


def test_grants_reach_the_servers_they_name() -> None:
    made = Engine.build(
        spec(grant(servers=["git-*"], tools=scope(["t"])), servers=["git-hub", "jira"]),
        {name: [tool("t", server=name)] for name in ("git-hub", "jira")},
    )
    assert isinstance(made.decide(BOT, aim("t", server="git-hub"), {}), Allow)
    assert isinstance(made.decide(BOT, aim("t", server="jira"), {}), Deny)


@pytest.mark.parametrize("server", ["a-b", "1st", "in", "--cedar", "-", "x" * 16])
def test_every_server_name_has_a_namespace(server: str) -> None:
    mine = grant(servers=[server], tools=scope(["t"]), conditions=[when("x", "equals", 1)])
    made = Engine.build(spec(mine, servers=[server]), {server: [tool("t", {"x": INTEGER}, server=server)]})
    assert isinstance(made.decide(BOT, aim("t", server=server), {"x": 1}), Allow)
    assert isinstance(made.decide(BOT, aim("t", server=server), {"x": 2}), Deny)


def test_audit_lets_pass_and_keeps_the_denial() -> None:
    world, strict = World(mode=Mode.AUDIT), World()
    for name, arguments in (("other", {}), ("get_secret", {}), ("list", {"limit": 101, "state": "open"})):
        verdict, denied = world.ask(name, arguments), deny(strict.ask(name, arguments))
        assert isinstance(verdict, Allow)
        assert verdict.softened is not None
        assert (verdict.softened.reason, verdict.softened.message) == (denied.reason, denied.message)
        assert isinstance(world.ask(name), Allow)
    assert world.engine.mode("gh") is Mode.AUDIT
    assert world.engine.mode("nowhere") is Mode.ENFORCE


@pytest.mark.parametrize("mode", list(Mode))
def test_a_failed_evaluation_denies_in_every_mode(mode: Mode) -> None:
    made = engine(grant(resources=scope(["*"])), offers=[], mode=mode)
    verdict = deny(made.decide(BOT, aim("x:\ud800", Kind.RESOURCE), {}))
    assert (verdict.reason, verdict.softenable, verdict.visible) == (
        Reason.POLICY_EVALUATION_FAILED,
        False,
        False,
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_a_failed_evaluation_of_conditions_denies_a_visible_tool(mode: Mode) -> None:
    bound = grant(tools=scope(["t"]), conditions=[when("x", "equals", 1)])
    made = engine(bound, offers=[tool("t", {"x": INTEGER})], mode=mode)
    assert isinstance(made.decide(BOT, aim("t"), {"x": 1}), Allow)
    conditions = made._books["gh"]._conditions["ci-bot", Kind.TOOL, "t"]
    where = conditions._where
    overflow = f"forbid{where.head()} when {{ context.input has x && context.input.x * {2**63 - 1} > 0 }};"
    conditions._slice = Slice(where, [overflow, f"permit{where.head()};"], Record({"x": Scalar.LONG}))
    conditions._rules *= 2
    assert isinstance(made.decide(BOT, aim("t"), {"x": 0}), Allow)
    verdict = deny(made.decide(BOT, aim("t"), {"x": 2}))
    assert (verdict.reason, verdict.softenable, verdict.visible) == (
        Reason.POLICY_EVALUATION_FAILED,
        False,
        True,
    )


def test_a_new_list_replaces_one_book() -> None:
    first = Engine.build(
        spec(grant(servers=["*"], tools=scope(["*"])), servers=["gh", "jira"]),
        {"gh": [tool("old")], "jira": [tool("t", server="jira")]},
    )
    second = first.with_definitions("gh", [tool("new")])
    assert second._books["jira"] is first._books["jira"]
    assert [isinstance(second.decide(BOT, aim(name), {}), Allow) for name in ("old", "new")] == [False, True]
    assert [isinstance(first.decide(BOT, aim(name), {}), Allow) for name in ("old", "new")] == [True, False]
    assert second.revision == first.revision == "r1"


def test_a_changed_schema_is_used_at_once() -> None:
    bound = grant(tools=scope(["t"]), conditions=[when("x", "equals", "1")])
    made = engine(bound, offers=[tool("t", {"x": INTEGER})])
    assert isinstance(made.decide(BOT, aim("t"), {"x": "1"}), Deny)
    assert isinstance(
        made.with_definitions("gh", [tool("t", {"x": STRING})]).decide(BOT, aim("t"), {"x": "1"}), Allow
    )


def test_conclude_makes_the_permit() -> None:
    world = World()
    sent, allowed = call({"limit": 1, "state": "open"}), Allow((at(7),))
    permit = world.engine.conclude(sent, BOT, aim("list"), allowed, Facts(), "d1")
    assert permit == Permit(sent, BOT, aim("list"), "d1", allowed.rules)


@pytest.mark.parametrize(
    ("facts", "depends"), [(Facts(changed=True), False), (Facts(), True)], ids=["changed", "static"]
)
def test_conclude_looks_again(facts: Facts, *, depends: bool) -> None:
    world = World()
    allowed = Allow((at(7),), depends=depends)
    broken = world.engine.conclude(call({"limit": 101}), BOT, aim("list"), allowed, facts, "d1")
    assert deny(broken).reason is Reason.ARGUMENT_NOT_ALLOWED
    kept = world.engine.conclude(call({"limit": 1, "state": "open"}), BOT, aim("list"), allowed, facts, "d1")
    assert isinstance(kept, Permit)
    assert kept.rules == (world.bound.tools.allow[0].at,)


def test_what_a_stage_changed_is_not_spelled_as_it_was_asked() -> None:
    world = World()
    asked = {"limit": 1, "state": "open"}
    text = b'{"limit":1,"state":"open"}'
    series = Series(None, "2026-07-28", {}, {}, None, "list", plain=True)
    sent = msgspec.structs.replace(call(asked), spelled=Spelled(asked, text, text), series=series)
    for facts, kept in ((Facts(), True), (Facts(changed=True), False)):
        permit = world.engine.conclude(sent, BOT, aim("list"), Allow((at(7),)), facts, "d1")
        assert isinstance(permit, Permit)
        assert (permit.call.spelled is not None) is (permit.call.series is not None) is kept
        assert permit.call.params == sent.params


def test_a_completion_follows_what_it_refers_to_before_there_are_arguments() -> None:
    world = World()
    asked = msgspec.structs.replace(call({}), method="completion/complete", params={"ref": {}})
    for name, allowed in (("q", True), ("p1", True), ("other", False)):
        verdict = world.engine.decide(BOT, aim(name, Kind.PROMPT), asked.judged())
        assert isinstance(verdict, Allow) is allowed
        if isinstance(verdict, Allow):
            made = world.engine.conclude(asked, BOT, aim(name, Kind.PROMPT), verdict, Facts(), "d1")
            assert isinstance(made, Permit)


def test_conclude_carries_what_audit_mode_let_pass() -> None:
    world = World(mode=Mode.AUDIT)
    allowed = world.ask("other", {})
    assert isinstance(allowed, Allow)
    permit = world.engine.conclude(call({}), BOT, aim("other"), allowed, Facts(), "d1")
    assert isinstance(permit, Permit)
    assert permit.softened is not None
    assert permit.softened.reason is Reason.NO_GRANT


def test_see_rules_is_said_per_agent() -> None:
    agents = {"a": AgentRules("a", (), see_rules=True), "b": AgentRules("b", ())}
    made = Engine.build(PolicySpec(agents, {}, "r"), {})
    assert (made.see_rules("a"), made.see_rules("b")) == (True, False)


def test_rules_without_a_form_in_cedar_stop_the_build() -> None:
    odd_test = grant(tools=scope(["t"]), conditions=[when("x", "matches", "y")])
    odd_text = Grant(at(), globs("gh"), Scope((Glob("\ud800", at()),)))
    for odd in (odd_test, odd_text):
        with pytest.raises(PolicyError, match=r"doorward\.yaml:\d+"):
            engine(odd, offers=[])
