"""What goes wrong, as the API says it: a status, and an object with a reason, a message and a hint."""

from typing import Final

import msgspec

from doorward.control.errors import Conflict, Forbidden, Refused, Unavailable, Unknown
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.reasons import REASONS, Reason


class Problem(msgspec.Struct, frozen=True):
    """`error` of an answer that is none."""

    reason: str
    """Stable: a program may branch on it."""
    message: str
    hint: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """An answer that is none."""

    error: Problem


OWN: Final = {
    "operator_forbidden": "The role or the limits of the operator do not allow it.",
    "object_unknown": "There is no such key, operator, block, agent, server or path.",
    "state_conflict": "It cannot be done to the thing as it is now.",
    "invalid_request": "The body, a parameter or a value in them cannot be.",
    "gateway_unavailable": "Only the gateway knows or does it, and it does not answer.",
    "credential_missing": "No operator's token was presented.",
    "credential_invalid": "What was presented is no operator's token that holds.",
    "host_forbidden": "The Host is not the address of this machine at which the API is served.",
    "origin_forbidden": "A web page of another origin asked.",
    "body_too_large": "The body is larger than 64 KiB.",
    "unsupported_media_type": "A body has to be application/json.",
    "http_method_not_allowed": "The path has other methods.",
    "overloaded": "Too much is going on.",
}
"""Every reason that is not one of `model.reasons`, or is one here with a meaning of its own."""
_STATUS: Final = {
    Forbidden: (403, "operator_forbidden"),
    Unknown: (404, "object_unknown"),
    Conflict: (409, "state_conflict"),
    Unavailable: (503, "gateway_unavailable"),
}
EXPECTED: Final = (Refused, DoorwardError, ValueError)
"""What operations raise; everything else is a bug."""


def problem(error: Exception) -> tuple[int, Problem]:
    """Status and words for one of `EXPECTED`."""
    if isinstance(error, Refused):
        status, reason = _STATUS[type(error)]
        return status, Problem(reason, error.message, error.hint)
    if isinstance(error, DoorwardError):
        return _status(error.reason), Problem(error.reason.value, error.message, REASONS[error.reason].advice)
    return 400, Problem("invalid_request", str(error))


def raised(told: Problem) -> Exception:
    """What `problem` was made of, as nearly as whoever asked has to know it."""
    for kind, (_, reason) in _STATUS.items():
        if told.reason == reason:
            return kind(told.message, told.hint)
    if told.reason in {"invalid_request", "body_too_large"}:
        return ValueError(told.message)
    if told.reason in {"credential_missing", "credential_invalid"}:
        return CallerError(Reason(told.reason), told.message)
    try:
        return GatewayError(Reason(told.reason), told.message)
    except ValueError:  # of a newer gateway, or none of ours
        return Unavailable(told.message, told.hint)


def read(told: object) -> Exception:
    """`raised`, of what came as `error` in an answer."""
    try:
        return raised(msgspec.convert(told, type=Problem))
    except msgspec.ValidationError:
        return Unavailable("the admin plane answered with an error that says nothing")


def _status(reason: Reason) -> int:
    if reason.value.startswith("credential_"):
        return 401
    return 503 if REASONS[reason].retryable else 500
