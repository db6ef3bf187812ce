"""Results of 2026-07-28 that are no end: a server that needs input says so, and the client comes again.

Pure: the raw result is taken apart, judged, and put together again with our own `requestState`; what it asks
stays the bytes that came.
"""

from collections.abc import Iterator
from typing import Final

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


MAX_ASKED: Final = 4 * 1024 * 1024
"""Bytes of all that one result asks: pictures may be in it."""
_ABSENT: Final = msgspec.Raw()


class _Params(msgspec.Struct, frozen=True):
    """What makes a difference to what a client has to be able to do; megabytes of the rest are skipped."""

    mode: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    toolChoice: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name (CreateMessageRequestParams)


class _Asked(msgspec.Struct):
    method: str
    params: _Params = _Params()


_decode_requests: Final = msgspec.json.Decoder(dict[str, _Asked]).decode


class InputRequired(msgspec.Struct, frozen=True):
    """One such result."""

    members: dict[str, msgspec.Raw]
    questions: tuple[Question, ...]
    """With those of their params that tell what they need."""
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
    """Raises WireError for what is no InputRequiredResult, or asks more than MAX_REQUESTS or MAX_ASKED."""
    members = _members(raw)
    try:
        state = _decode_text(members["requestState"]) if "requestState" in members else None
        asked = _requests(members["inputRequests"]) if "inputRequests" in members else {}
    except (msgspec.MsgspecError, RecursionError):
        raise WireError("what it asks for cannot be read") from None
    if state is None and not asked:
        raise WireError("it asks for input and says neither which nor for what state")
    if len(asked) > MAX_REQUESTS:
        raise WireError(f"it asks for more than {MAX_REQUESTS} things at once")
    return InputRequired(members, tuple(_questions(asked)), state)


def _requests(raw: msgspec.Raw) -> dict[str, _Asked]:
    if len(memoryview(raw)) > MAX_ASKED:
        raise WireError(f"it asks for more than {MAX_ASKED} bytes of things at once")
    return _decode_requests(raw)


def _questions(asked: dict[str, _Asked]) -> Iterator[Question]:
    for one in asked.values():
        said = one.params
        given = {"mode": said.mode, "tools": said.tools, "toolChoice": said.toolChoice}
        params = {name: value for name, value in given.items() if value is not _ABSENT}
        if "mode" in params:
            params["mode"] = msgspec.json.decode(params["mode"])
        yield Question(one.method, params)


def _members(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return members_of(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WireError("a result is not a JSON object") from None
