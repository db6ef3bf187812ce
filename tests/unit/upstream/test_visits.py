"""An error by which a user is sent to a URL: who is told, and who may say that it is done."""

from typing import Any

import msgspec
import pytest

from doorward.model.call import Call, Era
from doorward.model.errors import DoorwardError
from doorward.model.reasons import Reason
from doorward.upstream import visits
from tests.unit.upstream.test_questions import CALL, MODERN

URLS: dict[str, Any] = {"elicitation": {"url": {}}}
FORMS: dict[str, Any] = {"elicitation": {}}
OLD = msgspec.structs.replace(CALL, version="2025-06-18")


def able(call: Call, capabilities: dict[str, Any]) -> Call:
    return msgspec.structs.replace(call, capabilities=capabilities)


@pytest.mark.parametrize(
    ("call", "may_ask", "reason"),
    [
        (able(CALL, URLS), (), Reason.ASK_NOT_ALLOWED),
        (able(CALL, URLS), ("sampling",), Reason.ASK_NOT_ALLOWED),
        (able(CALL, FORMS), ("elicitation",), Reason.CAPABILITY_MISSING),
        (able(OLD, URLS), ("elicitation",), Reason.CAPABILITY_MISSING),
        (able(CALL, URLS), ("elicitation",), None),
        (able(MODERN, URLS), (), Reason.ASK_NOT_ALLOWED),
        (able(MODERN, FORMS), ("elicitation",), Reason.CAPABILITY_MISSING),
        (able(MODERN, URLS), ("elicitation",), Reason.BRIDGE_UNSUPPORTED),
    ],
)
def test_both_consents_are_needed_and_one_era(
    call: Call, may_ask: tuple[str, ...], reason: Reason | None
) -> None:
    if reason is None:
        visits.judge("bank", call, Era.LEGACY, may_ask)
        return
    with pytest.raises(DoorwardError, match="server bank needs elicitation") as error:
        visits.judge("bank", call, Era.LEGACY, may_ask)
    assert error.value.reason is reason


@pytest.mark.parametrize("call", [able(CALL, URLS), able(MODERN, URLS)])
def test_from_a_modern_server_it_says_nothing(call: Call) -> None:
    visits.judge("bank", call, Era.MODERN, ("elicitation",))


VISIT = {"mode": "url", "url": "https://a.example", "message": "go", "elicitationId": "e1"}


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        ({"elicitations": [VISIT, VISIT | {"elicitationId": "e2"}]}, ["e1", "e2"]),
        ({"elicitations": [VISIT | {"elicitationId": "x" * (visits.MAX_ID + 1)}, {}]}, []),
        ({"elicitations": [VISIT] * (visits.MOST + 5)}, ["e1"] * visits.MOST),
        ({"elicitations": [7]}, []),
        ({"elicitations": None}, []),
        ({}, []),
        (None, []),
        ([], []),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_the_ids_of_what_is_to_be_visited(data: Any, ids: list[str], raw: bool) -> None:
    given = msgspec.Raw(msgspec.json.encode(data)) if raw else data
    assert visits.elicitations(given) == ids
