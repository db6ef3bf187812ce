"""Results of 2026-07-28 that are no end: a server that needs input says so, and the client comes again.

Pure: the raw result is taken apart, judged, and put together again with our own `requestState`; what it asks
stays the bytes that came.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from doorward.wire import strict
from doorward.wire.asking import Question
from doorward.wire.errors import WireError
from doorward.wire.members import members_of

METHODS: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests that may be answered so (official schema, results of type InputRequiredResult)."""
COMPLETE: Final = "complete"
INPUT_REQUIRED: Final = "input_required"
MAX_REQUESTS: Final = 32
"""What one result may ask at once."""
_decode_text: Final = msgspec.json.Decoder(str).decode


class _Asked(msgspec.Struct):
    method: str
    params: dict[str, Any] = {}


_decode_requests: Final = msgspec.json.Decoder(dict[str, _Asked]).decode


class InputRequired(msgspec.Struct, frozen=True):
    """One such result."""

    members: dict[str, msgspec.Raw]
    questions: tuple[Question, ...]
    state: str | None
    """The server's own; None when it needs none."""

    def with_state(self, state: str) -> bytes:
        """The result as it goes to the caller."""
        return strict.encode({**self.members, "requestState": state})


def kind_of(raw: bytes) -> str:
    """`resultType`; absent counts as complete ("Result types"). Raises WireError for what is no text."""
    kind = _members(raw).get("resultType")
    if kind is None:
        return COMPLETE
    try:
        return _decode_text(kind)
    except msgspec.MsgspecError:
        raise WireError("resultType is not a string") from None


def read(raw: bytes) -> InputRequired:
    """Raises WireError for what is no InputRequiredResult, or asks more than MAX_REQUESTS things."""
    members = _members(raw)
    try:
        state = _decode_text(members["requestState"]) if "requestState" in members else None
        asked = _decode_requests(members["inputRequests"]) if "inputRequests" in members else {}
    except (msgspec.MsgspecError, RecursionError):
        raise WireError("what it asks for cannot be read") from None
    if state is None and not asked:
        raise WireError("it asks for input and says neither which nor for what state")
    if len(asked) > MAX_REQUESTS:
        raise WireError(f"it asks for more than {MAX_REQUESTS} things at once")
    return InputRequired(members, tuple(_questions(asked)), state)


def _questions(asked: dict[str, _Asked]) -> Iterator[Question]:
    for one in asked.values():
        yield Question(one.method, one.params)


def _members(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return members_of(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WireError("a result is not a JSON object") from None
