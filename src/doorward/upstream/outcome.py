"""What became of a call, by meaning: a tool's own error is an answer, not a failure of the way to it."""

import re
from typing import Final

import msgspec

from doorward.model.call import Outcome, RpcError

_MEMBER: Final = b'"isError"'
_IS_TRUE: Final = re.compile(rb"\s*:\s*true").match
_NOTHING: Final = frozenset((b"", b"null", b"[]"))
SMALL: Final = 256
"""A result that says nothing is short; longer ones are not looked at for emptiness."""


MANY: Final = 16
"""Mentions of `isError` that are looked at before the result itself is asked."""


class _ToolResult(msgspec.Struct):
    """What a result holds is skipped, not built: it may be megabytes."""

    isError: bool = False  # noqa: N815 - the member's name (MCP schema, CallToolResult)
    content: msgspec.Raw = msgspec.Raw()
    structuredContent: msgspec.Raw = msgspec.Raw()  # noqa: N815


_tool_result: Final = msgspec.json.Decoder(_ToolResult)


def of_result(method: str, result: bytes) -> Outcome:
    """OK, EMPTY or TOOL_ERROR. A result that is no CallToolResult is OK: the reply is relayed, not judged."""
    if method != "tools/call":
        return Outcome.OK
    if len(result) > SMALL and not _may_be_error(result):
        return Outcome.OK
    try:
        decoded = _tool_result.decode(result)
    except (msgspec.DecodeError, RecursionError):
        return Outcome.OK
    if decoded.isError:
        return Outcome.TOOL_ERROR
    said_nothing = _NOTHING.issuperset((_compact(decoded.content), _compact(decoded.structuredContent)))
    return Outcome.EMPTY if said_nothing else Outcome.OK


def _compact(raw: msgspec.Raw) -> bytes:
    """Whether it is empty can be seen of a short one only; any other is not."""
    return b"long" if len(memoryview(raw)) > SMALL else bytes(raw).translate(None, b" \t\n\r")


def _may_be_error(result: bytes) -> bool:
    """Whether somewhere in it `isError` is true; a plain search is several times as fast as a pattern."""
    at = result.rfind(_MEMBER)  # from the end, where servers write it
    for _ in range(MANY):
        if at < 0:
            return False
        if _IS_TRUE(result, at + len(_MEMBER)) is not None:
            return True
        at = result.rfind(_MEMBER, 0, at)
    return True


def of_error(error: RpcError) -> Outcome:
    """INVALID_ARGUMENTS or PROTOCOL_ERROR (JSON-RPC 2.0 section 5.1)."""
    return Outcome.INVALID_ARGUMENTS if error.code == -32602 else Outcome.PROTOCOL_ERROR
