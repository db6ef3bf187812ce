"""Whether somebody sees a change: of what differs only, and in steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.catalog.definitions import definitions
from doorward.model.steps import drained
from doorward.model.target import Definition, Kind, ToolRule
from doorward.pipeline.views import View, differ, narrowed
from doorward.policy.engine import Engine
from tests.unit.policy.build import BOT, engine, grant, scope

GRANT = grant(tools=scope(["a*"], ["ab"]))


def offers(**titles: str) -> tuple[Definition, ...]:
    return definitions("gh", Kind.TOOL, [{"name": name, "title": said} for name, said in titles.items()], ())


def over(listed: tuple[Definition, ...]) -> Engine:
    return engine(GRANT, offers=listed)


def sees_change(before: View, after: View) -> bool:
    return drained(differ(*drained(narrowed(before, after)), BOT))


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ({"ac": "x"}, {"ac": "x"}, False),
        ({"ac": "x"}, {"ac": "y"}, True),
        ({"ac": "x"}, {}, True),
        ({}, {"ac": "x"}, True),
        ({"ac": "x", "b": "x"}, {"b": "x", "ac": "x"}, False),
        ({"ac": "x", "ab": "x", "b": "x"}, {"ac": "x", "ab": "y"}, False),
    ],
)
def test_what_is_seen_of_a_change(before: dict[str, str], after: dict[str, str], seen: bool) -> None:
    old, new = offers(**before), offers(**after)
    policy = over(old)
    assert sees_change(View(policy, old), View(policy.with_definitions("gh", new), new)) is seen
    assert sees_change(View(policy, old), View(over(new), new)) is seen


def test_under_other_rules_everything_is_looked_at() -> None:
    listed = offers(ac="x")
    wider = engine(grant(tools=scope(["*"])), offers=listed)
    nothing = engine(offers=listed)
    assert sees_change(View(wider, listed), View(nothing, listed))
    assert not sees_change(View(wider, listed), View(over(listed), listed))


def test_of_a_long_list_only_what_differs_is_decided_and_that_in_steps() -> None:
    many = offers(**{f"a{n}c": "x" for n in range(2_000)})
    more = (*many, *offers(ac="x"))
    policy = over(many)
    old, new = View(policy, many), View(policy.with_definitions("gh", more), more)

    before, after = drained(narrowed(old, new))

    assert (before.definitions, [one.name for one in after.definitions]) == ([], ["ac"])
    assert sum(1 for _ in narrowed(old, new)) > 50
    assert sum(1 for _ in differ(old, new, BOT)) > 500


def test_another_class_of_the_same_tool_is_looked_at() -> None:
    """Rules may come to depend on it."""
    listed = [{"name": "ac"}]
    write = definitions("gh", Kind.TOOL, listed, ())
    read = definitions("gh", Kind.TOOL, listed, (ToolRule("*", next(iter(type(write[0].op_class)))),))
    policy = over(write)
    before, after = drained(narrowed(View(policy, write), View(policy.with_definitions("gh", read), read)))
    assert (len(before.definitions), len(after.definitions)) == (1, 1)


TITLES = st.dictionaries(st.sampled_from(["a", "ab", "ac", "b"]), st.sampled_from("xy"))


@given(TITLES, TITLES)
def test_narrowing_changes_no_answer(before: dict[str, str], after: dict[str, str]) -> None:
    old, new = offers(**before), offers(**after)
    policy = over(old)
    views = View(policy, old), View(policy.with_definitions("gh", new), new)
    assert sees_change(*views) is drained(differ(*views, BOT))
