"""What endpoints show, and under which names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.catalog.snapshot import Snapshot, describe, unknown
from doorward.model.target import Kind
from tests.unit.catalog.build import listing, snapshot

NAMES = st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=4).map(tuple)


def shown(offer: Snapshot, endpoint: str | None, kind: Kind) -> list[str]:
    return [entry.exposed for entry in offer.index(endpoint).entries.get(kind, ())]


def test_a_server_of_its_own_shows_its_own_names() -> None:
    offer = snapshot(listing("a", tools=("x",), prompts=("p",)), listing("b", tools=("x",)))

    assert shown(offer, "a", Kind.TOOL) == ["x"]
    assert shown(offer, None, Kind.TOOL) == ["a__x", "b__x"]
    assert shown(offer, None, Kind.PROMPT) == ["a__p"]
    assert offer.index(None).by_name[Kind.TOOL, "b__x"].key == ("b", "tool", "x")
    (entry,) = offer.index("a").entries[Kind.PROMPT]
    assert json.loads(entry.modern) == {"name": "p"}


def test_the_aggregate_shows_the_object_under_the_exposed_name() -> None:
    (entry,) = snapshot(listing("a", tools=("x",))).index(None).entries[Kind.TOOL]

    assert json.loads(entry.modern)["name"] == "a__x"
    assert json.loads(entry.legacy or b"")["name"] == "a__x"
    assert entry.target.definition is not None
    assert entry.target.definition.listed["name"] == "x"


def test_tools_and_prompts_do_not_take_names_from_each_other() -> None:
    offer = snapshot(listing("a", tools=("x",), prompts=("x",)))

    assert shown(offer, None, Kind.TOOL) == shown(offer, None, Kind.PROMPT) == ["a__x"]


def test_a_uri_that_two_servers_list_is_shown_by_neither_at_the_aggregate() -> None:
    offer = snapshot(listing("a", resources=("u:1", "u:2")), listing("b", resources=("u:1", "u:3")))

    assert shown(offer, None, Kind.RESOURCE) == ["u:2", "u:3"]
    assert (Kind.RESOURCE, "u:1") not in offer.index(None).by_name
    assert shown(offer, "b", Kind.RESOURCE) == ["u:1", "u:3"]


@given(NAMES, NAMES)
def test_exposed_names_are_unique_without_regard_to_case(
    first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    offer = snapshot(listing("a", tools=first), listing("a__b", tools=second))

    names = [name.lower() for name in shown(offer, None, Kind.TOOL)]
    assert len(names) == len(set(names)) == len(first) + len(second)


def test_one_servers_change_shares_the_others_indexes() -> None:
    before = snapshot(listing("a", tools=("x",)), listing("b", tools=("y",)))

    after = before.with_listing(listing("b", tools=("z",)))

    assert after.index("a") is before.index("a")
    assert shown(before, None, Kind.TOOL) == ["a__x", "b__y"]
    assert shown(after, None, Kind.TOOL) == ["a__x", "b__z"]
    assert after.servers(None) == ("a", "b")
    assert after.servers("b") == ("b",)


def test_a_server_that_is_not_configured_has_no_endpoint() -> None:
    with pytest.raises(KeyError):
        snapshot(listing("a")).index("b")


def test_a_server_speaks_for_itself_and_the_aggregate_for_all() -> None:
    first = listing(
        "a", capabilities={"tools": {}, "resources": {"subscribe": True}}, instructions="Be kind."
    )
    second = listing("b", capabilities={"tools": {}, "resources": {}, "prompts": {}})

    own = describe([first], [], "a")
    both = describe([first, second], ["b"], None)

    assert (own.server_info, own.instructions) == ({"name": "a-server"}, "Be kind.")
    assert both.capabilities == {"tools": {}, "resources": {"subscribe": True}, "prompts": {}}
    assert (both.server_info, both.instructions, both.failing) == ({}, "a: Be kind.", ("b",))


def test_a_capability_that_is_no_object_is_none_whoever_says_it() -> None:
    liar = listing("a", capabilities={"tools": True, "prompts": [1], "resources": None})
    honest = listing("b", capabilities={"tools": {}})

    assert describe([liar, honest], [], None).capabilities == {"tools": {}}
    assert describe([liar], [], "a").capabilities == {}


def test_before_anything_is_known_tools_are_assumed() -> None:
    assert describe([unknown("a")], ["a"], "a").capabilities == {"tools": {}}
    assert unknown("a").all() == ()
