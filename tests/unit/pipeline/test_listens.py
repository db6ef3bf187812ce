"""Filters, and what waits for one slow listener."""

from typing import Any

import msgspec
import pytest

from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.pipeline.listens import MOST_TEXT, MOST_URIS, Listener, read_filter
from tests.playbook.house import BOT
from tests.unit.catalog.build import call


@pytest.mark.spec("DW-221")
@pytest.mark.parametrize(
    ("given", "flags", "uris"),
    [
        ({}, set(), []),
        ({"toolsListChanged": True, "promptsListChanged": False}, {"toolsListChanged"}, []),
        ({"resourceSubscriptions": ["b:", "a:", "b:"]}, set(), ["b:", "a:"]),
        ({"taskIds": ["t"], "x": 1}, set(), []),
        ({"resourceSubscriptions": [f"u:{n}" for n in range(MOST_URIS)]}, set(), MOST_URIS),
    ],
)
def test_a_filter(given: dict[str, Any], flags: set[str], uris: Any) -> None:
    found = read_filter({"notifications": given})
    assert found[0] == flags
    assert (len(found[1]) if uris == MOST_URIS else found[1]) == uris


@pytest.mark.spec("DW-221")
@pytest.mark.parametrize(
    "given",
    [
        None,
        "x",
        {"toolsListChanged": 1},
        {"resourceSubscriptions": {}},
        {"resourceSubscriptions": ["u:", 1]},
        {"resourceSubscriptions": [f"u:{n}" for n in range(MOST_URIS + 1)]},
        {"resourceSubscriptions": ["u:" + "x" * (MOST_TEXT // 2), "v:" + "x" * (MOST_TEXT // 2)]},
    ],
    ids=["none", "text", "flag", "object", "number", "many", "long"],
)
def test_no_filter(given: Any) -> None:
    with pytest.raises(CallerError):
        read_filter({"notifications": given})


def listener() -> Listener:
    asked = msgspec.structs.replace(call("subscriptions/listen", {}, "bank"), id="s", era=Era.MODERN)
    return Listener("listen:1", asked, BOT, frozenset())


@pytest.mark.spec("DW-231")
@pytest.mark.asyncio
async def test_what_happens_again_before_it_was_taken_is_told_once_and_in_order() -> None:
    one = listener()
    for uri in ("u:1", "u:2", "u:1"):
        one.tell("notifications/resources/updated", {"uri": uri})

    told = [msgspec.json.decode(await one.next() or b"") for _ in range(2)]

    assert [said["params"]["uri"] for said in told] == ["u:1", "u:2"]
    one.end()
    assert await one.next() is None


@pytest.mark.spec("DW-229")
@pytest.mark.asyncio
async def test_an_end_comes_before_what_still_waits() -> None:
    one = listener()
    one.tell("notifications/tools/list_changed", {})
    one.end()
    assert await one.next() is None
    assert b'"io.modelcontextprotocol/subscriptionId":"s"' in one.result()
