"""What became of a call, by meaning: a tool's own error is an answer, not a failure of the way to it."""

import re
from typing import Any, Final

import msgspec

from doorward.model.call import Outcome, RpcError

_MEMBER: Final = b'"isError"'
_IS_TRUE: Final = re.compile(rb"\s*:\s*true").match
SMALL: Final = 256
"""A result that says nothing is short; longer ones are not looked at for emptiness."""


class _ToolResult(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the member's name (MCP schema, CallToolResult)
    content: list[Any] = []
    structuredContent: Any = None  # noqa: N815


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
    return Outcome.OK if decoded.content or decoded.structuredContent is not None else Outcome.EMPTY


def _may_be_error(result: bytes) -> bool:
    """Whether somewhere in it `isError` is true; a plain search is several times as fast as a pattern."""
    at = result.rfind(_MEMBER)  # from the end, where servers write it
    while at >= 0:
        if _IS_TRUE(result, at + len(_MEMBER)) is not None:
            return True
        at = result.rfind(_MEMBER, 0, at)
    return False


def of_error(error: RpcError) -> Outcome:
    """INVALID_ARGUMENTS or PROTOCOL_ERROR (JSON-RPC 2.0 section 5.1)."""
    return Outcome.INVALID_ARGUMENTS if error.code == -32602 else Outcome.PROTOCOL_ERROR
