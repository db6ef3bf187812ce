"""Listed objects are untrusted: what cannot be named or told apart is not offered."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.catalog.definitions import (
    LIST_METHOD,
    MAX_NAME,
    NAME_MEMBER,
    definition_steps,
    definitions,
    said_steps,
)
from doorward.model.steps import drained
from doorward.model.target import Kind, OperationClass, ToolRule
from doorward.wire import strict

READ, WRITE, DESTRUCTIVE = OperationClass.READ, OperationClass.WRITE, OperationClass.DESTRUCTIVE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def tools(*listed: dict[str, Any], rules: tuple[ToolRule, ...] = ()) -> list[tuple[str, OperationClass]]:
    return [(one.name, one.op_class) for one in definitions("s", Kind.TOOL, listed, rules)]


@pytest.mark.spec("DW-190")
def test_they_keep_the_servers_order_and_its_very_object() -> None:
    listed = [{"name": "b", "x": 1}, {"name": "a"}]

    found = definitions("s", Kind.TOOL, listed, ())

    assert [one.name for one in found] == ["b", "a"]
    assert found[0].listed is listed[0]
    assert found[0].digest == hashlib.sha256(b'{"name":"b","x":1}').hexdigest()


@pytest.mark.parametrize(
    "item",
    [
        *({}, {"name": ""}, {"name": 5}, {"name": None}, {"name": "x" * (MAX_NAME + 1)}),
        *({"name": "pay\x1b[2K"}, {"name": "pay\n"}, {"name": "p\u200bay"}, {"name": "\u202eyap"}),
    ],
)
def test_what_has_no_usable_name_is_left_out(item: dict[str, Any]) -> None:
    assert tools(item, {"name": "good"}) == [("good", WRITE)]


def test_what_a_client_would_act_on_by_itself_is_taken_out_and_digested_so() -> None:
    icons = [{"src": "file:///etc/passwd"}, {"src": "https://a/b.png"}]
    said = {"name": "a", "icons": icons, "_meta": {"dev.doorward/denial": {}, "theirs": 1}}
    shown = {"name": "a", "icons": icons[1:], "_meta": {"theirs": 1}}

    assert definitions("s", Kind.TOOL, [said], ()) == definitions("s", Kind.TOOL, [shown], ())


@pytest.mark.spec("DW-328")
def test_a_repeated_name_is_left_out_altogether() -> None:
    assert tools({"name": "a"}, {"name": "b"}, {"name": "a", "x": 1}, {"name": "a"}) == [("b", WRITE)]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, WRITE),
        ("readOnlyHint", WRITE),
        ({}, WRITE),
        ({"readOnlyHint": True}, READ),
        ({"readOnlyHint": "true"}, WRITE),
        ({"readOnlyHint": 1}, WRITE),
        ({"destructiveHint": True}, DESTRUCTIVE),
        ({"readOnlyHint": False, "destructiveHint": True}, DESTRUCTIVE),
        ({"destructiveHint": False}, WRITE),
        ({"readOnlyHint": True, "destructiveHint": True}, DESTRUCTIVE),
    ],
)
def test_the_class_by_annotations(annotations: Any, expected: OperationClass) -> None:
    assert tools({"name": "a", "annotations": annotations}) == [("a", expected)]


def test_the_operators_word_comes_first_and_the_first_glob_counts() -> None:
    rules = (
        ToolRule("get_*", None, ("id",)),
        ToolRule("*", OperationClass.EXTERNAL, ("to",)),
    )
    listed = [{"name": "get_x", "annotations": {"readOnlyHint": True}}, {"name": "send"}]

    first, second = definitions("s", Kind.TOOL, listed, rules)

    assert (first.op_class, first.safe) == (READ, ("id",))
    assert (second.op_class, second.safe) == (OperationClass.EXTERNAL, ("to",))


@pytest.mark.parametrize("kind", [Kind.PROMPT, Kind.RESOURCE, Kind.TEMPLATE])
def test_everything_but_a_tool_is_a_read_whatever_rules_say(kind: Kind) -> None:
    (found,) = definitions("s", kind, [{NAME_MEMBER[kind]: "x"}], (ToolRule("*", DESTRUCTIVE),))

    assert (found.kind, found.name, found.op_class) == (kind, "x", READ)


def test_every_kind_that_is_listed_has_its_method_and_member() -> None:
    assert set(LIST_METHOD) == set(NAME_MEMBER) == set(Kind) - {Kind.GATEWAY}


@given(
    st.lists(st.dictionaries(st.sampled_from(["name", "annotations", "inputSchema", "x"]), JSON), max_size=6)
)
def test_no_list_breaks_it_and_names_are_unique(listed: list[dict[str, Any]]) -> None:
    found = definitions("s", Kind.TOOL, listed, ())

    names = [one.name for one in found]
    assert len(names) == len(set(names))
    assert all(names.count(one["name"]) == 1 for one in listed if one.get("name") in names)


@given(st.dictionaries(st.text(), JSON))
def test_the_digest_does_not_depend_on_the_order_of_members(item: dict[str, Any]) -> None:
    item["name"] = "a"
    other = dict(reversed(item.items()))

    assert definitions("s", Kind.TOOL, [item], ()) == definitions("s", Kind.TOOL, [other], ())
    assert strict.canonical(item) == strict.canonical(other)


def test_long_lists_are_worked_out_in_steps() -> None:
    listed = [{"name": f"t{n}"} for n in range(1000)]

    assert sum(1 for _ in definition_steps("s", Kind.TOOL, listed, ())) >= 100
    assert sum(1 for _ in said_steps(listed)) >= 100


@pytest.mark.parametrize(
    ("then", "same"),
    [
        ({"name": "a", "x": 1}, True),
        ({"x": 1, "name": "a"}, True),
        ({"name": "a", "x": 2}, False),
        ({"name": "a", "x": 1, "annotations": {"readOnlyHint": True}}, False),
    ],
)
def test_what_did_not_change_is_the_very_same(then: dict[str, Any], same: bool) -> None:
    before = definitions("s", Kind.TOOL, [{"name": "a", "x": 1}], ())
    (found,) = drained(definition_steps("s", Kind.TOOL, [then], (), before))

    assert (found is before[0]) is same


def test_another_class_or_other_safe_arguments_are_a_change() -> None:
    before = definitions("s", Kind.TOOL, [{"name": "a"}], ())
    for rule in (ToolRule("*", READ), ToolRule("*", None, ("x",))):
        (found,) = drained(definition_steps("s", Kind.TOOL, [{"name": "a"}], (rule,), before))
        assert found is not before[0]


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5), st.data())
def test_two_answers_are_alike_when_their_items_are(
    listed: list[dict[str, Any]], data: st.DataObject
) -> None:
    other = data.draw(st.sampled_from([list(listed), listed[:-1], [*listed, {"x": 1}], listed[::-1]]))
    alike = strict.encode(other) == strict.encode(listed)

    assert (drained(said_steps(other)) == drained(said_steps(listed))) is alike
