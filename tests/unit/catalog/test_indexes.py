"""What an endpoint shows: a server's own words, or the same under the aggregate's names."""

import json
from typing import Any

import pytest

from doorward.catalog.definitions import definitions
from doorward.catalog.indexes import ServerIndex, Together, pair_steps
from doorward.model.steps import drained
from doorward.model.target import Kind
from tests.unit.catalog.build import tool

UI = {"ui": {"resourceUri": "ui://card", "visibility": ["model"]}, "ui/resourceUri": "ui://card", "x": 1}


def index(kind: Kind, *listed: dict[str, Any], own: bool = False, server: str = "a") -> ServerIndex:
    mine, shown = drained(pair_steps(definitions(server, kind, listed, ())))
    return ServerIndex({kind: mine if own else shown})


def said(made: ServerIndex | Together, kind: Kind) -> list[dict[str, Any]]:
    return [json.loads(entry.encoded(modern=True)) for entry in made.of(kind).entries]


@pytest.mark.spec("DW-309", "DW-334")
def test_a_server_of_its_own_says_what_it_said() -> None:
    listed = tool("x", _meta=UI, annotations={"n": 12345678901234567890})

    assert said(index(Kind.TOOL, listed, own=True), Kind.TOOL) == [listed]
    assert said(index(Kind.RESOURCE, {"uri": "ui://card"}, own=True), Kind.RESOURCE) == [{"uri": "ui://card"}]


@pytest.mark.spec("DW-309")
def test_the_aggregate_changes_the_name_and_the_links_to_apps_and_nothing_else() -> None:
    listed = tool("x", _meta=UI, annotations={"n": 12345678901234567890}, icons=[{"src": "https://a/b"}])

    (found,) = said(index(Kind.TOOL, listed), Kind.TOOL)

    links = {"ui": UI["ui"] | {"resourceUri": "ui://a/card"}, "ui/resourceUri": "ui://a/card", "x": 1}
    assert found == listed | {"name": "a__x", "_meta": links}


def test_an_app_is_listed_under_the_uri_that_its_tool_links_to() -> None:
    (link,) = said(index(Kind.TOOL, tool("x", _meta=UI)), Kind.TOOL)
    (page,) = said(index(Kind.RESOURCE, {"uri": "ui://card", "_meta": {"ui": {"csp": {}}}}), Kind.RESOURCE)

    assert link["_meta"]["ui"]["resourceUri"] == page["uri"]
    assert page["_meta"] == {"ui": {"csp": {}}}


def test_a_tool_that_both_eras_say_alike_is_encoded_once() -> None:
    (same,) = index(Kind.TOOL, tool("x")).of(Kind.TOOL).entries
    (other,) = index(Kind.TOOL, tool("x", outputSchema={"type": "array"})).of(Kind.TOOL).entries
    (none,) = index(Kind.TOOL, {"name": "x"}).of(Kind.TOOL).entries

    assert same.encoded(modern=False) is same.encoded(modern=True)
    assert other.encoded(modern=False) is not None
    assert "outputSchema" not in json.loads(other.encoded(modern=False))
    assert none.encoded(modern=False) is None


@pytest.mark.spec("DW-190")
def test_together_they_stand_in_the_order_of_their_servers() -> None:
    both = Together([index(Kind.PROMPT, {"name": "p"}, server=name) for name in ("b", "a")])

    assert [entry.exposed for entry in both.of(Kind.PROMPT).entries] == ["b__p", "a__p"]
    assert both.of(Kind.PROMPT).targets["a__p"].key == ("a", "prompt", "p")
    assert both.of(Kind.TOOL).entries == ()


def test_both_endpoints_lead_to_the_same_target_and_are_made_in_steps() -> None:
    definitions_ = definitions("a", Kind.TOOL, [tool(f"t{n}") for n in range(1000)], ())
    assert sum(1 for _ in pair_steps(definitions_)) > 90

    mine, shown = drained(pair_steps(definitions_))
    assert mine.targets["t7"] is shown.targets["a__t7"]
