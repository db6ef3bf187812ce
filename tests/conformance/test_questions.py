"""How a call has to fail whose server would have to ask a client of the other era."""

from typing import Any

import pytest

from tests.conformance import compare
from tests.conformance.questions import ASKING, last_event, wrong
from tests.conformance.report import DIFFERENCES

UNSUPPORTED = {
    "code": -32603,
    "message": "server old needs elicitation from its client during a call",
    "data": {"reason": "bridge_unsupported"},
}
UNDECLARED = {
    "code": -32021,
    "message": "server old needs elicitation from its client",
    "data": {"requiredCapabilities": {"elicitation": {}}},
}


@pytest.mark.parametrize(
    ("error", "declared", "said"),
    [
        (UNSUPPORTED, True, 0),
        (UNDECLARED, False, 0),
        (UNDECLARED, True, 1),
        (UNSUPPORTED, False, 1),
        (None, True, 1),
        (None, False, 1),
        (UNSUPPORTED | {"data": {"reason": "internal_error"}}, True, 1),
        (UNSUPPORTED | {"data": None}, True, 1),
        (UNSUPPORTED | {"message": "no"}, True, 1),
        (UNDECLARED | {"data": {"requiredCapabilities": {}}}, False, 1),
        ({"code": 0, "message": "no answer within 30 s"}, True, 2),
    ],
)
def test_an_answer_is_wrong_in_each_of_these_ways(error: Any, declared: bool, said: int) -> None:
    answer = {"result": {}} if error is None else {"error": error}
    assert len(list(wrong(answer, "old", declared=declared))) == said


def test_every_excepted_scenario_across_eras_has_its_question() -> None:
    listed = compare.load(DIFFERENCES)
    for run, asking in ASKING.items():
        assert {name for each in listed if run in each.runs for name in each.scenarios} == asking.keys()


def test_the_reply_is_the_last_message_of_a_stream() -> None:
    stream = 'id: 1\ndata: \n\ndata: {"method":"x"}\n\nevent: message\ndata: {"id":1,"result":{}}\n\n'
    assert last_event(stream) == {"id": 1, "result": {}}
