"""JSON-RPC 2.0 as MCP narrows it: what a caller sends, and what is written to either side.

Strict in the envelope: an id is a string or an integer, `params` and `result` are objects, a message is
exactly one of request, notification and response. Unknown extra members are tolerated and dropped, as
JSON-RPC does not forbid them; a *case variant* of a known one (`Method`, `Params`) is refused, because a
case-insensitive reader behind us (Go's encoding/json) would take it for the real one and so act on something
nobody here looked at.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from doorward.model.call import RequestId, RpcError
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import strict
from doorward.wire.replies import (
    UpstreamError,
    UpstreamMessage,
    UpstreamNotification,
    UpstreamRequest,
    UpstreamResult,
    batched,
    parse_upstream,
)

__all__ = [
    "Batch",
    "Message",
    "Notification",
    "Request",
    "Response",
    "UpstreamError",
    "UpstreamMessage",
    "UpstreamNotification",
    "UpstreamRequest",
    "UpstreamResult",
    "batched",
    "encode_error",
    "encode_notification",
    "encode_request",
    "encode_result",
    "id_alone",
    "message_of",
    "parse",
    "parse_upstream",
]


class Request(msgspec.Struct, frozen=True):
    """Wants an answer. `params` is None when the member is absent."""

    id: RequestId
    method: str
    params: dict[str, Any] | None


class Notification(msgspec.Struct, frozen=True):
    """Wants none."""

    method: str
    params: dict[str, Any] | None


class Response(msgspec.Struct, frozen=True):
    """A caller's answer to a server's request: exactly one of `result` and `error`.

    `id` is None only in an error whose sender could not read the request's id (JSON-RPC 2.0 section 5).
    """

    id: RequestId | None
    result: dict[str, Any] | None
    error: RpcError | None


Message = Request | Notification | Response


class _Id(msgspec.Struct):
    """Of a request, of which nothing else is read."""

    id: RequestId
    method: str


class Batch(msgspec.Struct, frozen=True):
    """An array of messages, each valid by itself. Whether the revision has batches, the caller of `parse`
    knows."""

    items: list[Message]


_id_alone: Final = msgspec.json.Decoder(_Id).decode
MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
PARAMS: Final = frozenset(
    [
        "_meta",
        "name",
        "arguments",
        "uri",
        "cursor",
        "ref",
        "argument",
        "context",
        "level",
        "protocolVersion",
        "capabilities",
        "clientInfo",
        "requestId",
        "reason",
        "progressToken",
        "progress",
        "total",
        "message",
        "task",
        "taskId",
        "inputResponses",
        "requestState",
        "notifications",
        "logger",
        "data",
        "elicitationId",
    ]
)
"""Members of `params` that some revision defines for what a client sends, or that both sides send."""
REFERENCE: Final = frozenset({"type", "name", "uri", "title"})
"""Members of `params.ref` (completion/complete), which names the target."""


def parse(data: bytes) -> Message | Batch:
    """One caller's message, strictly.

    Raises CallerError(PARSE_ERROR) for what is no JSON, CallerError(INVALID_REQUEST) for every other fault,
    an empty batch or a batch in a batch included. Nothing is relayed from a batch of which one item is bad.
    """
    value = strict.decode(data)
    if isinstance(value, list):
        if not value:
            _refuse("an empty batch")
        return Batch([message_of(item) for item in value])
    return message_of(value)


def id_alone(data: bytes) -> RequestId | None:
    """The id of a request that `parse` refuses for what else is in it; None where it cannot be read.

    For the answer to that refusal and for nothing else: whoever repeats members chooses which one this is.
    """
    try:
        return _id_alone(data).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def message_of(value: Any) -> Message:
    """The message that a decoded JSON text is. Raises CallerError(INVALID_REQUEST)."""
    if not isinstance(value, dict):
        _refuse("a message must be an object")
    _refuse_case_variants(value, MEMBERS, "message")
    if value.get("jsonrpc") != "2.0":
        _refuse('jsonrpc must be "2.0"')
    if "method" not in value:
        return _response(value)
    if "result" in value or "error" in value:
        _refuse("a message has either a method or a result or an error")
    method = value["method"]
    if not isinstance(method, str) or not method:
        _refuse("method must be a string")
    params = _params(value)
    if "id" in value:
        return Request(_id(value["id"]), method, params)
    return Notification(method, params)


def _params(value: dict[str, Any]) -> dict[str, Any] | None:
    if "params" not in value:
        return None
    params = value["params"]
    if not isinstance(params, dict):
        _refuse("params must be an object")
    _refuse_case_variants(params, PARAMS, "params")
    reference = params.get("ref")
    if isinstance(reference, dict):
        _refuse_case_variants(reference, REFERENCE, "params.ref")
    return params


def _response(value: dict[str, Any]) -> Response:
    if "params" in value or ("result" in value) is ("error" in value):
        _refuse("a message has either a method or a result or an error")
    if "result" in value:
        if not isinstance(value["result"], dict):
            _refuse("result must be an object")
        if "id" not in value:
            _refuse("a result needs an id")
        return Response(_id(value["id"]), value["result"], None)
    error = value["error"]
    if not isinstance(error, dict):
        _refuse("error must be an object")
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        _refuse("error needs an integer code and a message")
    request_id = _id(value["id"]) if "id" in value else None
    return Response(request_id, None, RpcError(code, message, error.get("data")))


def _id(value: Any) -> RequestId:
    """Null is refused and never read as "notification": python-sdk#2057 shows what becomes of that."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise CallerError(Reason.INVALID_REQUEST, "id must be a string or an integer")


def _refuse_case_variants(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Folding rather than lower-casing, because Go matches the long s and the Kelvin sign too."""
    if known.issuperset(given):
        return
    folded = {name.casefold() for name in known}
    seen: set[str] = set()
    for name in given:
        fold = name.casefold()
        if fold in seen or (fold in folded and name not in known):
            _refuse(f"{where} has a member that differs from another or from a known one in case only")
        seen.add(fold)


def _refuse(message: str) -> NoReturn:
    raise CallerError(Reason.INVALID_REQUEST, message)


def encode_result(request_id: RequestId, raw_result: bytes) -> bytes:
    """`raw_result` is a JSON object and goes in as it is."""
    if type(request_id) is int:
        return b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request_id, raw_result)
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (_id_bytes(request_id), raw_result)


def encode_error(request_id: RequestId | None, code: int, message: str, data: Any = None) -> bytes:
    """Without an id member when it is None: every MCP schema forbids `"id":null`. Without data when it is
    None."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    if request_id is None:
        return b'{"jsonrpc":"2.0","error":%b}' % strict.encode(error)
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (_id_bytes(request_id), strict.encode(error))


class _Request(msgspec.Struct, frozen=True, gc=False, tag_field="jsonrpc", tag="2.0"):
    """As it is written; the tag is the first member."""

    id: RequestId
    method: str
    params: Mapping[str, Any]


def encode_request(request_id: RequestId, method: str, params: Mapping[str, Any] | None) -> bytes:
    """Without params when they are None."""
    if params is None:
        return b'{"jsonrpc":"2.0","id":%b,"method":%b}' % (_id_bytes(request_id), strict.encode(method))
    return strict.encode(_Request(request_id, method, params))


def encode_notification(method: str, params: Mapping[str, Any] | None) -> bytes:
    """Without params when they are None."""
    if params is None:
        return b'{"jsonrpc":"2.0","method":%b}' % strict.encode(method)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (strict.encode(method), strict.encode(params))


def _id_bytes(request_id: RequestId) -> bytes:
    return b"%d" % request_id if isinstance(request_id, int) else strict.encode(request_id)
