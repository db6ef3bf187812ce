"""Which of a client's extensions a server hears of."""

from typing import Any

import pytest

from doorward.wire.extensions import APPS, MAX_TYPE, MAX_TYPES, passed

pytestmark = pytest.mark.spec("DW-055")

PAGE = "text/html;profile=mcp-app"


def said(apps: Any) -> dict[str, Any]:
    return {"extensions": {APPS: apps}}


def test_apps_pass_with_the_types_that_can_be_shown() -> None:
    given = said({"mimeTypes": [PAGE], "more": 1})
    assert passed(given) == said({"mimeTypes": [PAGE]})
    assert passed(said({})) == said({})


@pytest.mark.parametrize(
    "capabilities",
    [
        {},
        {"extensions": None},
        {"extensions": [APPS]},
        {"extensions": {APPS: True}},
        {"experimental": {APPS: {}}},
        {"extensions": {"io.modelcontextprotocol/tasks": {}}},
        {"extensions": {"io.modelcontextprotocol/oauth-client-credentials": {}}},
        {"extensions": {"com.example/anything": {"a": 1}}},
        {"com.example/own": {}},
    ],
)
def test_nothing_else_does(capabilities: dict[str, Any]) -> None:
    assert passed(capabilities) == {}


def test_what_passes_is_bounded() -> None:
    types = [1, None, "x" * (MAX_TYPE + 1), "a\nb", "\u00e9"] + [f"text/{n}" for n in range(MAX_TYPES + 5)]
    kept = passed(said({"mimeTypes": types}))["extensions"][APPS]["mimeTypes"]
    assert kept == [f"text/{n}" for n in range(MAX_TYPES)]
    assert passed(said({"mimeTypes": "text/html"})) == said({})
