"""What endpoints show, and under which names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from doorward.catalog.snapshot import Snapshot, describe, unknown
from doorward.model.target import Kind
from doorward.wire.presentable import can_be_shown
from tests.unit.catalog.build import listing, snapshot

NAMES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=80).filter(
        can_be_shown
    ),
    unique=True,
    max_size=4,
).map(tuple)


def shown(offer: Snapshot, endpoint: str | None, kind: Kind) -> list[str]:
    return [entry.exposed for entry in offer.index(endpoint).of(kind).entries]


@pytest.mark.spec("DW-334")
def test_a_server_of_its_own_shows_its_own_names() -> None:
    offer = snapshot(listing("a", tools=("x",), prompts=("p",)), listing("b", tools=("x",)))

    assert shown(offer, "a", Kind.TOOL) == ["x"]
    assert shown(offer, None, Kind.TOOL) == ["a__x", "b__x"]
    assert shown(offer, None, Kind.PROMPT) == ["a__p"]
    assert offer.index(None).of(Kind.TOOL).targets["b__x"].key == ("b", "tool", "x")
    (entry,) = offer.index("a").of(Kind.PROMPT).entries
    assert json.loads(entry.encoded(modern=True)) == {"name": "p"}


@pytest.mark.spec("DW-310")
def test_the_aggregate_shows_the_object_under_the_exposed_name() -> None:
    (entry,) = snapshot(listing("a", tools=("x",))).index(None).of(Kind.TOOL).entries

    assert json.loads(entry.encoded(modern=True))["name"] == "a__x"
    assert json.loads(entry.encoded(modern=False) or b"")["name"] == "a__x"
    assert entry.target.definition is not None
    assert entry.target.definition.listed["name"] == "x"


@pytest.mark.spec("DW-320")
def test_tools_and_prompts_do_not_take_names_from_each_other() -> None:
    offer = snapshot(listing("a", tools=("x",), prompts=("x",)))

    assert shown(offer, None, Kind.TOOL) == shown(offer, None, Kind.PROMPT) == ["a__x"]


@pytest.mark.spec("DW-330")
def test_a_uri_that_two_servers_list_is_two_uris_at_the_aggregate() -> None:
    offer = snapshot(
        listing("a", resources=("u:1", "ui://card"), templates=("n://{id}",)),
        listing("b", resources=("u:1",), templates=("n://{id}",)),
    )
    together = offer.index(None)

    assert shown(offer, None, Kind.RESOURCE) == ["a+u:1", "ui://a/card", "b+u:1"]
    assert shown(offer, None, Kind.TEMPLATE) == ["a+n://{id}", "b+n://{id}"]
    assert together.of(Kind.RESOURCE).targets["b+u:1"].key == ("b", "resource", "u:1")
    assert [json.loads(one.encoded(modern=True))["uri"] for one in together.of(Kind.RESOURCE).entries] == [
        "a+u:1", "ui://a/card", "b+u:1",
    ]  # fmt: skip
    assert (
        json.loads(together.of(Kind.TEMPLATE).entries[0].encoded(modern=True))["uriTemplate"] == "a+n://{id}"
    )
    assert shown(offer, "b", Kind.RESOURCE) == ["u:1"]


@pytest.mark.spec("DW-323")
@given(NAMES, NAMES, NAMES)
def test_nothing_is_called_otherwise_because_a_server_was_added(first, second, third) -> None:
    one = listing("b", tools=first, resources=first, templates=first)
    before = snapshot(one)
    after = snapshot(listing("a", tools=second, resources=second), one, listing("c", tools=third))

    for kind in (Kind.TOOL, Kind.RESOURCE, Kind.TEMPLATE):
        then = [entry for entry in after.index(None).of(kind).entries if entry.target.server == "b"]
        assert then == list(before.index(None).of(kind).entries)


@pytest.mark.spec("DW-322")
@given(NAMES, NAMES)
def test_exposed_names_are_unique_without_regard_to_case(
    first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    offer = snapshot(listing("a", tools=first), listing("a-b", tools=second))

    names = [name.lower() for name in shown(offer, None, Kind.TOOL)]
    assert len(names) == len(set(names)) == len(first) + len(second)


def test_one_servers_change_shares_the_others_indexes() -> None:
    before = snapshot(listing("a", tools=("x",)), changing := listing("b", tools=("y",), prompts=("p",)))
    known = [before.index(endpoint).of(Kind.TOOL) for endpoint in ("a", "b", None)]
    prompts = before.index("b").of(Kind.PROMPT)
    tools = listing("b", tools=("z",)).definitions[Kind.TOOL]

    after = before.with_listing(replace(changing, definitions={**changing.definitions, Kind.TOOL: tools}))

    assert after.index("a") is before.index("a")
    assert after.index(None).of(Kind.TOOL).entries[0] is known[2].entries[0]
    assert after.index("b").of(Kind.PROMPT) is prompts
    assert shown(before, None, Kind.TOOL) == ["a__x", "b__y"]
    assert shown(after, None, Kind.TOOL) == ["a__x", "b__z"]
    assert shown(after, "b", Kind.TOOL) == ["z"]
    assert after.servers(None) == ("a", "b")
    assert after.servers("b") == ("b",)


def test_a_server_that_is_not_configured_has_no_endpoint() -> None:
    with pytest.raises(KeyError):
        snapshot(listing("a")).index("b")


@pytest.mark.spec("DW-325")
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


@pytest.mark.spec("DW-325", "DW-811")
def test_a_server_that_says_that_it_cannot_takes_nothing_from_one_that_can() -> None:
    can = listing("a", capabilities={"resources": {"subscribe": True, "listChanged": False}})
    cannot = listing("b", capabilities={"resources": {"subscribe": False, "listChanged": True}})

    for order in ([can, cannot], [cannot, can]):
        both = describe(order, [], None)
        assert both.capabilities == {"resources": {"subscribe": True, "listChanged": True}}


@pytest.mark.spec("DW-325")
def test_a_capability_that_is_no_object_is_none_whoever_says_it() -> None:
    liar = listing("a", capabilities={"tools": True, "prompts": [1], "resources": None})
    honest = listing("b", capabilities={"tools": {}})

    assert describe([liar, honest], [], None).capabilities == {"tools": {}}
    assert describe([liar], [], "a").capabilities == {}


@pytest.mark.spec("DW-352")
def test_before_anything_is_known_tools_are_assumed() -> None:
    assert describe([unknown("a")], ["a"], "a").capabilities == {"tools": {}}
    assert unknown("a").all() == ()
