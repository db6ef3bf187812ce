"""Stable reason codes: every refusal, denial and failure carries exactly one.

A code is part of the public contract (callers branch on it, auditors search for it), so a code is never
renamed or reused. `REASONS` says whose fault it is, whether the same request may succeed later, and what the
caller can do. How a code looks on the wire is decided in one other place, `pipeline/rescue.py`.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Blame(StrEnum):
    """Who has to change something for the request to succeed."""

    CALLER = "caller"
    UPSTREAM = "upstream"
    POLICY = "policy"
    OURSELVES = "ourselves"


class Reason(StrEnum):
    """Stable codes, grouped by blame. Documented in docs/reference/reasons.md."""

    # The caller, by its bytes.
    PARSE_ERROR = "parse_error"
    INVALID_REQUEST = "invalid_request"
    BATCH_UNSUPPORTED = "batch_unsupported"
    METHOD_NOT_FOUND = "method_not_found"
    INVALID_PARAMS = "invalid_params"
    META_MISSING = "meta_missing"
    HEADER_MISMATCH = "header_mismatch"
    VERSION_UNSUPPORTED = "version_unsupported"
    BODY_TOO_LARGE = "body_too_large"
    DUPLICATE_REQUEST_ID = "duplicate_request_id"
    # The caller, by its HTTP.
    NOT_ACCEPTABLE = "not_acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    ORIGIN_FORBIDDEN = "origin_forbidden"
    HOST_FORBIDDEN = "host_forbidden"
    PATH_NOT_FOUND = "path_not_found"
    HTTP_METHOD_NOT_ALLOWED = "http_method_not_allowed"
    FORWARDED_INVALID = "forwarded_invalid"
    TRANSPORT_INSECURE = "transport_insecure"
    SESSION_REQUIRED = "session_required"
    SESSION_UNKNOWN = "session_unknown"
    # The caller, by who it is.
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_INVALID = "credential_invalid"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_REVOKED = "credential_revoked"
    CREDENTIAL_AMBIGUOUS = "credential_ambiguous"
    KEY_SUSPENDED = "key_suspended"
    NETWORK_FORBIDDEN = "network_forbidden"
    PROXIED_WITHOUT_CREDENTIAL = "proxied_without_credential"
    AGENT_UNMATCHED = "agent_unmatched"
    ACTOR_UNKNOWN = "actor_unknown"
    BLOCKED = "blocked"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    # The caller, by what it asks for.
    TARGET_UNKNOWN = "target_unknown"
    CURSOR_UNKNOWN = "cursor_unknown"
    CANCELLED = "cancelled"
    CAPABILITY_MISSING = "capability_missing"
    REQUEST_STATE_INVALID = "request_state_invalid"
    ANSWER_UNKNOWN = "answer_unknown"
    # Policy.
    NO_GRANT = "no_grant"
    DENIED_BY_RULE = "denied_by_rule"
    ARGUMENT_NOT_ALLOWED = "argument_not_allowed"
    POLICY_EVALUATION_FAILED = "policy_evaluation_failed"
    OUT_OF_BOUNDS = "out_of_bounds"
    RATE_LIMITED = "rate_limited"
    CHECK_FAILED = "check_failed"
    REPLY_WITHHELD = "reply_withheld"
    ASK_NOT_ALLOWED = "ask_not_allowed"
    # The server.
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_PROTOCOL_ERROR = "upstream_protocol_error"
    UPSTREAM_HTTP_ERROR = "upstream_http_error"
    UPSTREAM_AUTH_FAILED = "upstream_auth_failed"
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    UPSTREAM_REPLY_TOO_LARGE = "upstream_reply_too_large"
    UPSTREAM_CONNECTION_LOST = "upstream_connection_lost"
    BRIDGE_UNSUPPORTED = "bridge_unsupported"
    # Ourselves.
    AUDIT_UNAVAILABLE = "audit_unavailable"
    AUDIT_DISK_LOW = "audit_disk_low"
    OUTCOME_UNRECORDED = "outcome_unrecorded"
    STORE_UNAVAILABLE = "store_unavailable"
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    SHUTTING_DOWN = "shutting_down"
    CALL_CUT = "call_cut"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


class ReasonInfo(NamedTuple):
    """What is always true of a reason."""

    blame: Blame
    retryable: bool
    """True when the identical request may succeed later without anybody changing it."""
    advice: str
    """One sentence for the caller: what to do about it."""


_C, _U, _P, _O = Blame.CALLER, Blame.UPSTREAM, Blame.POLICY, Blame.OURSELVES

REASONS: Final[dict[Reason, ReasonInfo]] = {
    Reason.PARSE_ERROR: ReasonInfo(_C, False, "Send one well-formed JSON document in UTF-8."),
    Reason.INVALID_REQUEST: ReasonInfo(_C, False, "Send a JSON-RPC 2.0 message as MCP defines it."),
    Reason.BATCH_UNSUPPORTED: ReasonInfo(
        _C, False, "Send one message per request; only 2025-03-26 has batches."
    ),
    Reason.METHOD_NOT_FOUND: ReasonInfo(_C, False, "Use a method of the protocol revision in force."),
    Reason.INVALID_PARAMS: ReasonInfo(_C, False, "Correct the params named in the message."),
    Reason.META_MISSING: ReasonInfo(
        _C, False, "Send protocolVersion and clientCapabilities in params._meta."
    ),
    Reason.HEADER_MISMATCH: ReasonInfo(_C, False, "Make the MCP headers repeat what the body says."),
    Reason.VERSION_UNSUPPORTED: ReasonInfo(
        _C, False, "Use one of the protocol versions named in data.supported."
    ),
    Reason.BODY_TOO_LARGE: ReasonInfo(_C, False, "Send a smaller request body."),
    Reason.DUPLICATE_REQUEST_ID: ReasonInfo(_C, False, "Use an id that no request in flight has."),
    Reason.NOT_ACCEPTABLE: ReasonInfo(_C, False, "Accept both application/json and text/event-stream."),
    Reason.UNSUPPORTED_MEDIA_TYPE: ReasonInfo(
        _C, False, "Send Content-Type: application/json, and no Content-Encoding."
    ),
    Reason.ORIGIN_FORBIDDEN: ReasonInfo(_C, False, "Call from an origin listed in gateway.allowed_origins."),
    Reason.HOST_FORBIDDEN: ReasonInfo(
        _C, False, "Use the host name of gateway.public_url or a loopback name."
    ),
    Reason.PATH_NOT_FOUND: ReasonInfo(_C, False, "Use /mcp or /mcp/{server}."),
    Reason.HTTP_METHOD_NOT_ALLOWED: ReasonInfo(_C, False, "Use a method named in the Allow header."),
    Reason.FORWARDED_INVALID: ReasonInfo(
        _C, False, "Send neither Forwarded nor X-Forwarded-For; let the proxy overwrite both."
    ),
    Reason.TRANSPORT_INSECURE: ReasonInfo(_C, False, "Use the https URL of this gateway."),
    Reason.SESSION_REQUIRED: ReasonInfo(
        _C, False, "Send initialize first and repeat the Mcp-Session-Id it returns."
    ),
    Reason.SESSION_UNKNOWN: ReasonInfo(_C, False, "Start a new session with initialize."),
    Reason.CREDENTIAL_MISSING: ReasonInfo(_C, False, "Send a credential: Authorization: Bearer ..."),
    Reason.CREDENTIAL_INVALID: ReasonInfo(_C, False, "Present another credential; the operator can see why."),
    # What stands in records; a caller is told credential_invalid (rescue.py), and nothing about why.
    Reason.CREDENTIAL_EXPIRED: ReasonInfo(_C, False, "Ask the operator for a new key, or renew the token."),
    Reason.CREDENTIAL_REVOKED: ReasonInfo(_C, False, "Ask the operator for a new key, or log in again."),
    Reason.KEY_SUSPENDED: ReasonInfo(_C, False, "Ask the operator: who made the key may not any more."),
    Reason.NETWORK_FORBIDDEN: ReasonInfo(_C, False, "Call from a network that the key names."),
    Reason.CREDENTIAL_AMBIGUOUS: ReasonInfo(
        _C, False, "Send exactly one credential, of 8 KiB at most, in one header."
    ),
    Reason.PROXIED_WITHOUT_CREDENTIAL: ReasonInfo(
        _C, False, "auth: none serves direct loopback callers only; configure auth: {keys: true}."
    ),
    Reason.AGENT_UNMATCHED: ReasonInfo(
        _C, False, "Ask the operator to name this client under agents.X.match."
    ),
    Reason.ACTOR_UNKNOWN: ReasonInfo(
        _C, False, "Ask the operator to name every actor of the token under agents.X.match."
    ),
    Reason.BLOCKED: ReasonInfo(_C, False, "Ask the operator: this was blocked."),
    Reason.INSUFFICIENT_SCOPE: ReasonInfo(_C, False, "Get a token with the scopes named in data.scopes."),
    Reason.TARGET_UNKNOWN: ReasonInfo(_C, False, "List what is offered and use one of those names."),
    Reason.CURSOR_UNKNOWN: ReasonInfo(_C, False, "Start the list again without a cursor."),
    Reason.CANCELLED: ReasonInfo(_C, False, "Nothing: you cancelled this request."),
    Reason.CAPABILITY_MISSING: ReasonInfo(
        _C, False, "Declare the client capabilities named in data.requiredCapabilities."
    ),
    Reason.REQUEST_STATE_INVALID: ReasonInfo(
        _C, False, "Begin the call anew; repeat requestState untouched, in time, and in the same call."
    ),
    Reason.ANSWER_UNKNOWN: ReasonInfo(
        _C, False, "Answer only what this session was asked, under the id of the question."
    ),
    Reason.NO_GRANT: ReasonInfo(_P, False, "Ask the operator for a grant."),
    Reason.DENIED_BY_RULE: ReasonInfo(_P, False, "Ask the operator about the rule that denies this."),
    Reason.ARGUMENT_NOT_ALLOWED: ReasonInfo(
        _P, False, "Change the argument so that the named rule allows it."
    ),
    Reason.POLICY_EVALUATION_FAILED: ReasonInfo(
        _P, False, "Ask the operator: a rule could not be evaluated."
    ),
    Reason.OUT_OF_BOUNDS: ReasonInfo(
        _P, False, "Ask the operator what bounds this credential beside its agent's grants."
    ),
    Reason.RATE_LIMITED: ReasonInfo(_P, True, "Wait for so long, or ask the operator for a higher rate."),
    Reason.CHECK_FAILED: ReasonInfo(
        _P, False, "Ask the operator: a check of this call failed, so it was not sent."
    ),
    Reason.REPLY_WITHHELD: ReasonInfo(
        _P, False, "The call has run; ask the operator for its withheld reply."
    ),
    Reason.ASK_NOT_ALLOWED: ReasonInfo(
        _P, False, "Ask the operator whether the server may ask its clients for this (may_ask)."
    ),
    Reason.UPSTREAM_UNREACHABLE: ReasonInfo(_U, True, "Try again later; the server could not be reached."),
    Reason.UPSTREAM_TIMEOUT: ReasonInfo(_U, False, "The call may have run; check before you repeat it."),
    Reason.UPSTREAM_PROTOCOL_ERROR: ReasonInfo(
        _U, False, "Tell the operator: the server broke the protocol."
    ),
    Reason.UPSTREAM_HTTP_ERROR: ReasonInfo(_U, False, "Tell the operator which status the server answered."),
    Reason.UPSTREAM_AUTH_FAILED: ReasonInfo(_U, False, "Tell the operator: servers.X.auth was not accepted."),
    Reason.UPSTREAM_OVERLOADED: ReasonInfo(
        _U, True, "Try again later: after data.retry_after seconds, where the server says so."
    ),
    Reason.UPSTREAM_REPLY_TOO_LARGE: ReasonInfo(
        _U, False, "Ask for less; the reply exceeded the size limit."
    ),
    Reason.UPSTREAM_CONNECTION_LOST: ReasonInfo(
        _U, False, "The call may have run; check before you repeat it."
    ),
    Reason.BRIDGE_UNSUPPORTED: ReasonInfo(
        _U, False, "Use a client of the server's protocol era for this call."
    ),
    Reason.AUDIT_UNAVAILABLE: ReasonInfo(
        _O, True, "Nothing was sent: the gateway cannot write its audit log."
    ),
    Reason.AUDIT_DISK_LOW: ReasonInfo(
        _O, True, "Nothing was sent: the disk of the audit log is nearly full. Tell the gateway's operator."
    ),
    Reason.OUTCOME_UNRECORDED: ReasonInfo(
        _O, False, "The call was executed but its outcome is not on record."
    ),
    Reason.STORE_UNAVAILABLE: ReasonInfo(_O, True, "Try again later; the gateway's store is unavailable."),
    Reason.IDENTITY_UNAVAILABLE: ReasonInfo(
        _O, True, "Try again later; who you are cannot be found out at the moment."
    ),
    Reason.SHUTTING_DOWN: ReasonInfo(_O, True, "Connect again; this gateway process is stopping."),
    Reason.CALL_CUT: ReasonInfo(_O, False, "The call may have run; check before you repeat it."),
    Reason.OVERLOADED: ReasonInfo(_O, True, "Try again after Retry-After seconds."),
    Reason.INTERNAL_ERROR: ReasonInfo(_O, False, "Report this to the operator with the decision id."),
}
