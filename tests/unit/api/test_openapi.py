"""The OpenAPI document says what the server does."""

import json
from typing import Any

import pytest

from doorward.api import openapi
from doorward.api.errors import OWN
from doorward.api.route import PREFIX
from doorward.api.routes import ROUTES
from tests.unit.api.house import House

DOCUMENT = openapi.document()


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_in_it_and_nothing_else() -> None:
    assert set(operations()) == {(route.method, PREFIX + route.path) for route in ROUTES}
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_operation_says_what_it_takes_and_gives(route: Any) -> None:
    operation = operations()[route.method, PREFIX + route.path]
    assert operation["summary"]
    assert ("requestBody" in operation) is (route.body is not None)
    assert str(route.status) in operation["responses"]
    assert {"401", "403"} <= set(operation["responses"])
    inside = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
    assert inside == {part[1:-1] for part in route.path.split("/") if part.startswith("{")}
    if route.query is not None:
        asked = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        assert asked == set(route.query.__struct_fields__)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert references
    assert references <= set(DOCUMENT["components"]["schemas"])


def test_it_is_served_to_anybody_on_this_machine() -> None:
    house = House()
    answer = house.ask("GET", openapi.PATH, token=None)
    assert answer.status == 200
    assert answer.said == json.loads(json.dumps(DOCUMENT))
    assert house.live.asked == []


def test_it_is_about_the_address_at_which_it_was_found() -> None:
    assert DOCUMENT["servers"] == [{"url": "/"}]


def test_every_reason_of_its_own_is_explained() -> None:
    assert all(text.endswith(".") for text in OWN.values())
