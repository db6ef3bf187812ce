"""Where questions end that the eras keep from being asked, and whose word comes first."""

from typing import Any

import msgspec
import pytest

from doorward.model.errors import CallerError, UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import bridging
from doorward.wire import input_required
from doorward.wire.asking import Question
from tests.unit.upstream.test_questions import FORMS, MODERN

ASK = {"a": {"method": "elicitation/create", "params": {}}, "b": {"method": "roots/list"}}
WHO = Question("elicitation/create", {"message": "who?"})


def asked(**members: Any) -> input_required.InputRequired:
    return input_required.read(msgspec.json.encode({"resultType": "input_required", **members}))


def test_a_round_without_questions_is_made() -> None:
    assert bridging.further("bank", asked(requestState="theirs")) == {"requestState": "theirs"}


@pytest.mark.parametrize("more", [{}, {"requestState": "theirs"}])
def test_one_with_questions_names_server_and_kinds(more: dict[str, Any]) -> None:
    with pytest.raises(
        UpstreamError, match="server bank needs elicitation and roots from its client"
    ) as error:
        bridging.further("bank", asked(inputRequests=ASK, **more))
    assert error.value.reason is Reason.BRIDGE_UNSUPPORTED
    assert error.value.server == "bank"


def test_who_is_never_done_is_at_fault() -> None:
    error = bridging.endless("bank")
    assert error.reason is Reason.UPSTREAM_PROTOCOL_ERROR
    assert "8 rounds" in error.message


@pytest.mark.parametrize(
    ("may_ask", "capabilities", "reason"),
    [
        ((), FORMS, None),
        (("roots",), {}, None),
        (("elicitation",), {}, Reason.CAPABILITY_MISSING),
        (("elicitation",), {"elicitation": {"url": {}}}, Reason.CAPABILITY_MISSING),
        (("elicitation",), FORMS, Reason.BRIDGE_UNSUPPORTED),
    ],
)
def test_the_operators_word_comes_first_then_the_clients_then_the_eras(
    may_ask: tuple[str, ...], capabilities: dict[str, Any], reason: Reason | None
) -> None:
    call = msgspec.structs.replace(MODERN, capabilities=capabilities)
    error = bridging.ended("bank", WHO, call, may_ask)
    assert (None if error is None else error.reason) is reason


def test_an_undeclared_capability_is_named_as_the_schema_has_it() -> None:
    """MissingRequiredClientCapabilityError: requiredCapabilities is a ClientCapabilities."""
    error = bridging.ended("bank", Question("sampling/createMessage", {"tools": []}), MODERN, ("sampling",))
    assert isinstance(error, CallerError)
    assert error.data is not None
    assert error.data["requiredCapabilities"] == {"sampling": {"tools": {}}}


def test_a_refusal_of_the_operator_names_the_server() -> None:
    error = bridging.forbidden("bank", "roots")
    assert error.reason is Reason.ASK_NOT_ALLOWED
    assert error.data == {"server": "bank"}
