"""What goes wrong is the same on both sides of the API."""

import pytest

from doorward.api import errors
from doorward.control.errors import Conflict, Forbidden, Unavailable, Unknown
from doorward.model.errors import CallerError, GatewayError
from doorward.model.reasons import Reason


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Forbidden("no", "why"), 403),
        (Unknown("no", "why"), 404),
        (Conflict("no", "why"), 409),
        (Unavailable("no", "why"), 503),
        (ValueError("no"), 400),
        (CallerError(Reason.CREDENTIAL_INVALID, "no"), 401),
        (GatewayError(Reason.STORE_UNAVAILABLE, "no"), 503),
        (GatewayError(Reason.INTERNAL_ERROR, "no"), 500),
    ],
)
def test_there_and_back(error: Exception, status: int) -> None:
    said, problem = errors.problem(error)
    assert said == status
    told = errors.read({"reason": problem.reason, "message": problem.message, "hint": problem.hint})
    assert type(told) is type(error)
    assert str(told) == "no"


@pytest.mark.parametrize("told", [None, {}, {"reason": 1, "message": "x"}, {"reason": "new", "message": "x"}])
def test_what_says_nothing_known_is_no_bug(told: object) -> None:
    assert isinstance(errors.read(told), Unavailable)
