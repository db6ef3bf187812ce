"""A session weighs little, whatever its client says of itself."""

import json
import tracemalloc
from typing import Any

import pytest

from doorward.wire import asking, remembered

pytestmark = pytest.mark.spec("DW-097")

VERSION = "2025-11-25"
SMALL: dict[str, Any] = {
    "roots": {"listChanged": True},
    "elicitation": {"form": {"applyDefaults": True}},
    "x": [1],
}


def test_what_is_small_is_kept_as_it_came() -> None:
    about = {"name": "c", "version": "1", "icons": [{"src": "https://a/b.png"}]}

    assert remembered.capabilities(SMALL, VERSION) == SMALL
    assert remembered.client(about) == about


def test_of_what_is_large_the_questions_that_it_can_answer_are_kept() -> None:
    padding = {"experimental": {str(n): [] for n in range(1000)}}

    kept = remembered.capabilities(SMALL | {"sampling": {"tools": {"x": [[]] * 500}}} | padding, VERSION)

    assert kept == {
        "elicitation": {"form": {}}, "roots": {"listChanged": True}, "sampling": {"tools": {}},
    }  # fmt: skip
    assert asking.covers(kept, {"elicitation": {"form": {}}, "sampling": {"tools": {}}})
    assert remembered.capabilities({"elicitation": {"url": {}}} | padding, VERSION) == {
        "elicitation": {"url": {}}
    }
    assert remembered.capabilities(padding, VERSION) == {}


def test_of_what_is_large_its_apps_are_kept() -> None:
    apps = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
    said = {"extensions": {**apps, "com.example/x": {"y": "z" * 5000}}, "roots": {}}
    assert remembered.capabilities(said, "2025-11-25") == {"roots": {}, "extensions": apps}


def test_of_what_is_large_its_name_is_kept() -> None:
    about = {"name": "n" * 5000, "version": "1", "title": 7, "icons": [{}]}

    assert remembered.client(about) == {"name": "n" * 128, "version": "1"}


@pytest.mark.parametrize("value", ["[[]]", '{"a":{}}', '"x"', "[1.5]"])
def test_no_client_fills_a_session(value: str) -> None:
    """64 KB of what is dear to keep."""
    many = ",".join([value] * (64_000 // (len(value) + 1)))
    said = json.loads(f'{{"capabilities":{{"roots":{{"a":[{many}]}}}},"client":{{"name":"c","a":[{many}]}}}}')

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = remembered.capabilities(said["capabilities"], VERSION), remembered.client(said["client"])
        weight = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert kept == ({"roots": {}}, {"name": "c"})
    assert weight < 8192
