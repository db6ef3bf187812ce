"""The one place where outcomes and exceptions become JSON-RPC and HTTP answers, and the only broad `except`.

How much a caller may learn is decided here: a hidden target answers byte for byte like one that does not
exist, rule locations are shown only to agents with `see_rules`, and a bug of ours shows nothing but its
decision id. Statuses and codes: MCP 2026-07-28 and 2025-11-25 transports (research brief 2.2, 2.3); our own
codes lie outside -32768..-32000 as JSON-RPC 2.0 demands.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from doorward.model.call import Call, Era, Reply, RequestId
from doorward.model.errors import CallerError, DoorwardError, GatewayError, UpstreamError
from doorward.model.reasons import REASONS, Reason
from doorward.model.verdict import Deny, Hold
from doorward.pipeline.challenges import KEYS_ONLY, Challenges
from doorward.wire import jsonrpc
from doorward.wire.bridge import CAPABILITY_MISSING

T = TypeVar("T")

DENIED: Final = -31001
HELD: Final = -31002
CANCELLED: Final = -31003
DENIAL_META: Final = "dev.doorward/denial"
JSON: Final = (b"content-type", b"application/json")
JSON_ALONE: Final = (JSON,)
"""One tuple for nearly all answers: whoever encodes it knows it again by its identity."""


class Answer(msgspec.Struct, frozen=True):
    """What goes back: on HTTP all of it, on stdio only the body, which is empty for nothing to say."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Form(NamedTuple):
    """How a reason looks on the wire."""

    status: int
    code: int


_INVALID = Form(400, -32600)
_IN_BAND = Form(200, -32602)
_FAILED = Form(200, -32603)
_UNAUTHORIZED = Form(401, -31010)
_FORBIDDEN = Form(403, -31010)

FORMS: Final[dict[Reason, Form]] = {
    Reason.PARSE_ERROR: Form(400, -32700),
    Reason.INVALID_REQUEST: _INVALID,
    Reason.BATCH_UNSUPPORTED: _INVALID,
    Reason.METHOD_NOT_FOUND: Form(200, -32601),  # 404 in the modern era, see `_status`
    Reason.INVALID_PARAMS: _IN_BAND,
    Reason.META_MISSING: Form(400, -32602),
    Reason.HEADER_MISMATCH: Form(400, -32020),
    Reason.VERSION_UNSUPPORTED: Form(400, -32022),
    Reason.BODY_TOO_LARGE: Form(413, -32600),
    Reason.DUPLICATE_REQUEST_ID: _INVALID,
    Reason.NOT_ACCEPTABLE: Form(406, -32600),
    Reason.UNSUPPORTED_MEDIA_TYPE: Form(415, -32600),
    Reason.ORIGIN_FORBIDDEN: Form(403, -32600),
    Reason.HOST_FORBIDDEN: Form(403, -32600),
    Reason.PATH_NOT_FOUND: Form(404, -32600),
    Reason.HTTP_METHOD_NOT_ALLOWED: Form(405, -32600),
    Reason.FORWARDED_INVALID: _INVALID,
    Reason.TRANSPORT_INSECURE: Form(403, -32600),
    Reason.SESSION_REQUIRED: _INVALID,
    Reason.SESSION_UNKNOWN: Form(404, -32600),
    Reason.CREDENTIAL_MISSING: _UNAUTHORIZED,
    Reason.CREDENTIAL_INVALID: _UNAUTHORIZED,
    Reason.CREDENTIAL_EXPIRED: _UNAUTHORIZED,
    Reason.CREDENTIAL_REVOKED: _UNAUTHORIZED,
    Reason.KEY_SUSPENDED: _UNAUTHORIZED,
    Reason.NETWORK_FORBIDDEN: _UNAUTHORIZED,
    Reason.CREDENTIAL_AMBIGUOUS: Form(400, -31010),
    Reason.PROXIED_WITHOUT_CREDENTIAL: _FORBIDDEN,
    Reason.AGENT_UNMATCHED: _FORBIDDEN,
    Reason.ACTOR_UNKNOWN: _FORBIDDEN,
    Reason.BLOCKED: _FORBIDDEN,
    Reason.INSUFFICIENT_SCOPE: _FORBIDDEN,
    Reason.TARGET_UNKNOWN: _IN_BAND,
    Reason.CURSOR_UNKNOWN: _IN_BAND,
    Reason.CANCELLED: Form(200, CANCELLED),
    Reason.CAPABILITY_MISSING: Form(400, CAPABILITY_MISSING),  # 200 in the legacy era, see `_status`
    Reason.REQUEST_STATE_INVALID: _IN_BAND,
    Reason.ANSWER_UNKNOWN: _INVALID,
    Reason.NO_GRANT: Form(200, DENIED),
    Reason.DENIED_BY_RULE: Form(200, DENIED),
    Reason.ARGUMENT_NOT_ALLOWED: Form(200, DENIED),
    Reason.POLICY_EVALUATION_FAILED: Form(200, DENIED),
    Reason.OUT_OF_BOUNDS: Form(200, DENIED),
    Reason.RATE_LIMITED: Form(200, DENIED),
    Reason.CHECK_FAILED: Form(200, DENIED),
    Reason.REPLY_WITHHELD: _FAILED,
    Reason.ASK_NOT_ALLOWED: Form(200, DENIED),
    Reason.UPSTREAM_UNREACHABLE: _FAILED,
    Reason.UPSTREAM_TIMEOUT: _FAILED,
    Reason.UPSTREAM_PROTOCOL_ERROR: _FAILED,
    Reason.UPSTREAM_HTTP_ERROR: _FAILED,
    Reason.UPSTREAM_AUTH_FAILED: _FAILED,
    Reason.UPSTREAM_OVERLOADED: _FAILED,
    Reason.UPSTREAM_REPLY_TOO_LARGE: _FAILED,
    Reason.UPSTREAM_CONNECTION_LOST: _FAILED,
    Reason.BRIDGE_UNSUPPORTED: _FAILED,
    Reason.AUDIT_UNAVAILABLE: _FAILED,
    Reason.AUDIT_DISK_LOW: _FAILED,
    Reason.OUTCOME_UNRECORDED: _FAILED,
    Reason.STORE_UNAVAILABLE: Form(503, -32603),
    Reason.IDENTITY_UNAVAILABLE: Form(503, -32603),
    Reason.SHUTTING_DOWN: Form(503, -32603),
    Reason.CALL_CUT: _FAILED,
    Reason.OVERLOADED: Form(503, -32603),
    Reason.INTERNAL_ERROR: _FAILED,
}


MODERN_STATUSES: Final = {-32601: 404, -32021: 400}
"""A server's own error to a modern caller: the statuses that 2026-07-28 demands for these codes."""


async def attempt(doing: Awaitable[T]) -> T | Exception | asyncio.CancelledError:
    """The result, or the exception as a value. Few others may catch this broadly (test_house_rules.py)."""
    try:
        return await doing
    except asyncio.CancelledError as cancelled:
        return cancelled
    except Exception as failure:  # noqa: BLE001 - a boundary; every caller must look at what it got
        return failure


def replied(call: Call, reply: Reply) -> Answer:
    """The answer of a permitted call."""
    if reply.error is not None:
        error = reply.error
        status = MODERN_STATUSES.get(error.code, 200) if call.era is Era.MODERN else 200
        return Answer(status, jsonrpc.encode_error(call.id, error.code, error.message, error.data), (JSON,))
    body = jsonrpc.encode_result(call.id, reply.result or b"{}")
    if reply.session_id is None:
        return Answer(200, body, JSON_ALONE)
    return Answer(200, body, (JSON, (b"mcp-session-id", reply.session_id.encode())))


def refused(
    call: Call,
    verdict: Deny | Hold,
    decision_id: str,
    *,
    see_rules: bool,
    challenges: Challenges = KEYS_ONLY,
) -> Answer:
    """The answer to a call that policy did not permit (DESIGN section 5, "How a refusal looks")."""
    if not verdict.visible:
        return Answer(200, unknown_target(call), (JSON,))
    if isinstance(verdict, Deny) and verdict.reason is Reason.INSUFFICIENT_SCOPE:
        return _step_up(call, verdict, decision_id, challenges)
    info = REASONS[verdict.reason]
    denial: dict[str, Any] = {
        "reason": verdict.reason.value,
        "decision_id": decision_id,
        "retryable": info.retryable,
        "advice": info.advice,
    }
    if see_rules and verdict.rules:
        denial["rules"] = [{"id": rule.id, "at": str(rule)} for rule in verdict.rules]
    if isinstance(verdict, Deny) and verdict.retry_after_s is not None:
        denial["retry_after_s"] = verdict.retry_after_s
    if call.method != "tools/call":
        code = DENIED if isinstance(verdict, Deny) else HELD
        return Answer(200, jsonrpc.encode_error(call.id, code, verdict.message, denial), (JSON,))
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": _say(verdict, decision_id, denial)}],
        "isError": True,
        "_meta": {DENIAL_META: denial},
    }
    if call.era is Era.MODERN:
        result["resultType"] = "complete"
    return Answer(200, jsonrpc.encode_result(call.id, msgspec.json.encode(result)), (JSON,))


def _step_up(call: Call, verdict: Deny, decision_id: str, challenges: Challenges) -> Answer:
    """A fault of authorization is told to the client by HTTP, and never to the model (MCP, authorization)."""
    info, form = REASONS[verdict.reason], FORMS[verdict.reason]
    data = {
        "reason": verdict.reason.value,
        "decision_id": decision_id,
        "retryable": info.retryable,
        "advice": info.advice,
        "scopes": verdict.scopes,
    }
    body = jsonrpc.encode_error(call.id, form.code, verdict.message, data)
    field = challenges.insufficient(verdict.scopes, call.endpoint, verdict.message)
    return Answer(form.status, body, (JSON, field))


def _say(verdict: Deny | Hold, decision_id: str, denial: dict[str, Any]) -> str:
    """What the model reads: what happened, by which rule, what to do."""
    rules = "".join(f" [rule {rule['id']} at {rule['at']}]" for rule in denial.get("rules", ()))
    verb = "Denied" if isinstance(verdict, Deny) else "Held"
    return f"{verb} by policy: {verdict.message}.{rules} {denial['advice']} (decision {decision_id})"


def unknown_target(call: Call) -> bytes:
    """The same bytes for what does not exist and for what this caller may not see: nothing but the caller's
    own words may differ."""
    noun = _NOUNS.get(call.method, "target")
    data: dict[str, Any] | None = None
    code = -32602
    uri = call.params.get("uri")
    if noun == "resource" and isinstance(uri, str):
        data = {"uri": uri}
        if call.era is Era.LEGACY:
            code = -32002
    return jsonrpc.encode_error(call.id, code, f"Unknown {noun}", data)


_NOUNS: Final = {
    "tools/call": "tool",
    "prompts/get": "prompt",
    "resources/read": "resource",
    "resources/subscribe": "resource",
    "resources/unsubscribe": "resource",
    "completion/complete": "reference",
}


def failed(
    error: DoorwardError,
    *,
    request_id: RequestId | None,
    era: Era | None,
    call: Call | None,
    decision_id: str | None,
    challenges: Challenges = KEYS_ONLY,
    endpoint: str | None = None,
) -> Answer:
    """The answer to a message that ended with an error of ours, the caller's or the upstream's.

    `endpoint`: where it came in; its challenges differ.
    """
    if error.reason is Reason.TARGET_UNKNOWN and call is not None:
        return Answer(200, unknown_target(call), (JSON,))
    error = _told(error)
    info = REASONS[error.reason]
    data: dict[str, Any] = dict(error.data or {})
    data |= {"reason": error.reason.value, "retryable": info.retryable, "advice": info.advice}
    if isinstance(error, UpstreamError):
        data["server"] = error.server
    if decision_id is not None:
        data["decision_id"] = decision_id
    form = FORMS[error.reason]
    body = jsonrpc.encode_error(request_id, form.code, error.message, data)
    status = _status(error.reason, era, answered=request_id is not None)
    return Answer(status, body, _headers(error.reason, challenges, endpoint))


def _told(error: DoorwardError) -> DoorwardError:
    """What a caller gets to know of an error about who it is, or about our own files: the rest is in the
    record, or where operators look."""
    if FORMS[error.reason].status == 401 and error.reason is not Reason.CREDENTIAL_MISSING:
        return CallerError(Reason.CREDENTIAL_INVALID, _TOLD[Reason.CREDENTIAL_INVALID])
    text = _TOLD.get(error.reason)
    return error if text is None else type(error)(error.reason, text)


_TOLD: Final = {
    Reason.CREDENTIAL_MISSING: "a credential is needed here",
    Reason.CREDENTIAL_INVALID: "the credential was not accepted",
    Reason.AGENT_UNMATCHED: "no agent is configured for this credential",
    Reason.ACTOR_UNKNOWN: "somebody who acts here is not known to this gateway",
    Reason.BLOCKED: "this is blocked",
    Reason.IDENTITY_UNAVAILABLE: "it cannot be found out now who this is",
    # The words of these three name files of ours.
    Reason.STORE_UNAVAILABLE: "it cannot be found out now who this is",
    Reason.AUDIT_UNAVAILABLE: "the audit log cannot be written",
    Reason.AUDIT_DISK_LOW: "there is no room for evidence of more calls",
}


def _status(reason: Reason, era: Era | None, *, answered: bool) -> int:
    """The modern revision has statuses for some codes; a legacy client takes any but 200 for a fault of the
    transport: one would wait for an answer that was never read, another gives its session up.

    `answered`: the error says which request it is about, so that only this one fails.
    """
    if reason is Reason.METHOD_NOT_FOUND and era is Era.MODERN:
        return 404
    alone = reason is Reason.CAPABILITY_MISSING or (answered and reason is Reason.INVALID_REQUEST)
    return 200 if alone and era is Era.LEGACY else FORMS[reason].status


def _headers(reason: Reason, challenges: Challenges, endpoint: str | None) -> tuple[tuple[bytes, bytes], ...]:
    status = FORMS[reason].status
    if status == 401:
        return (JSON, challenges.unauthorized(reason, endpoint))
    if reason is Reason.CREDENTIAL_AMBIGUOUS:
        return (JSON, challenges.malformed(endpoint))
    if status == 503:
        return (JSON, (b"retry-after", b"1"))
    return (JSON,)


def as_error(failure: object) -> DoorwardError:
    """Every exception as one of the four families. A bug tells the caller nothing about itself."""
    if isinstance(failure, DoorwardError):
        return failure
    return GatewayError(Reason.INTERNAL_ERROR, "internal error")


def cancelled() -> DoorwardError:
    """A cancelled call still has an answer on HTTP, where every request needs one; clients ignore it."""
    return CallerError(Reason.CANCELLED, "cancelled")
