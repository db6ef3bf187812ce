"""Bytes to meaning: one strictly parsed message becomes one Call of a known era, or a Note.

The era is decided per message (research brief 2.1): a modern claim in body or header is held to the modern
rules and never downgraded; everything else lives in a legacy session that belongs to the same principal.
"""

from typing import Any, Final

from doorward.model.call import Call, Era, Inbound, Note, RequestId, Session, Spelled
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.pipeline.trail import Trail
from doorward.ports.sessions import Sessions
from doorward.wire import era, headers, jsonrpc, meta, methods, versions
from doorward.wire.shapes import Shape, Shapes

# Read on every message: a member of an enum costs 80 ns in CPython 3.11.
_LEGACY: Final = Era.LEGACY
_MODERN: Final = Era.MODERN
STDIO_SCOPE = "stdio"
SESSION_HEADER = b"mcp-session-id"
MAX_CLASSIFIED = 16
"""Heads whose era is remembered with a shape of call; a client has one."""
MAX_INITIALIZE = 64 * 1024
"""Bytes: what a client says of itself is kept as long as its session, and a caller may open a thousand."""


class Reader:
    """Knows the sessions, so that a legacy message finds its version and capabilities."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._shapes = Shapes()

    def read(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note:
        """Raises CallerError with the exact reason of the brief's tables 2.2 and 2.3."""
        if inbound.transport == "http":
            again = self._shapes.find(inbound.body)
            if again is not None:
                shape, request_id, spelled = again
                return self._again(shape, request_id, spelled, inbound, principal, trail)
        message = jsonrpc.parse(inbound.body)
        if isinstance(message, jsonrpc.Batch):
            raise CallerError(Reason.BATCH_UNSUPPORTED, "this revision has no batches")
        if isinstance(message, jsonrpc.Request):
            trail.request_id = message.id
        else:
            trail.unanswerable = True
        session_id = inbound.headers.get(SESSION_HEADER)
        if inbound.transport == "http":
            seen = era.classify(inbound.headers, message, has_session=session_id is not None)
        else:
            seen = era.classify_stdio(message, has_session=session_id is not None)
        trail.era = seen.era
        if seen.era is _MODERN:
            call = self._modern(message, inbound, seen.version)
        else:
            call = self._legacy(message, inbound, principal, session_id, seen.version)
        if isinstance(message, jsonrpc.Request) and inbound.transport == "http":
            self._shapes.learn(inbound.body, message)
        return call

    def _again(  # noqa: PLR0917 - what was found, and what `read` was given
        self,
        shape: Shape,
        request_id: RequestId,
        spelled: Spelled,
        inbound: Inbound,
        principal: Principal,
        trail: Trail,
    ) -> Call:
        """A call of a known shape: only its head and its session are still to be judged."""
        trail.request_id = request_id
        fields = inbound.headers
        session_id = fields.get(SESSION_HEADER)
        key = (
            fields.get(headers.PROTOCOL_VERSION), fields.get(headers.METHOD), fields.get(headers.NAME),
            session_id is None,
        )  # fmt: skip
        seen = shape.classified.get(key)
        if seen is None:
            seen = era.classify(fields, shape.request, has_session=session_id is not None)
            if len(shape.classified) < MAX_CLASSIFIED:
                shape.classified[key] = seen
        trail.era = seen.era
        envelope, params = shape.envelope, shape.params.copy()
        params["arguments"] = spelled.arguments
        session: Session | None = None
        if seen.era is _MODERN:
            version, scope, log_level = seen.version, None, envelope.log_level
            capabilities, client = envelope.capabilities or {}, envelope.client or {}
        else:
            if session_id is None:
                raise CallerError(Reason.SESSION_REQUIRED, "no Mcp-Session-Id: send initialize first")
            session = self._sessions.get(session_id.decode("latin-1"), principal, inbound.endpoint)
            version, scope, log_level = session.version, session.id, session.log_level
            capabilities, client = session.capabilities, session.client
        if version not in shape.served:
            _require_method(version, shape.request.method)
            shape.served.add(version)
        return Call(
            request_id, shape.request.method, params, shape.meta.copy(), seen.era, version, inbound.endpoint,
            session, capabilities, client, log_level, envelope.progress_token, inbound.events, scope,
            inbound.received, spelled,
        )  # fmt: skip

    @staticmethod
    def confirm(inbound: Inbound, call: Call, target: Target) -> None:
        """What the head says of arguments, which only the tool's schema explains (2026-07-28, Mcp-Param-*).

        Raises CallerError(HEADER_MISMATCH).
        """
        if call.era is _MODERN and inbound.transport == "http" and target.definition is not None:
            era.check_param_headers(
                inbound.headers, target.definition.listed.get("inputSchema"), call.arguments
            )

    def _modern(self, message: jsonrpc.Message, inbound: Inbound, version: str) -> Call | Note:
        scope = STDIO_SCOPE if inbound.transport == "stdio" else None
        if not isinstance(message, jsonrpc.Request):
            return _note(message, _MODERN, inbound, None, scope)
        _require_method(version, message.method)
        params, envelope, rest = meta.split_meta(message.params or {})
        return Call(
            id=message.id,
            method=message.method,
            params=params,
            meta=rest,
            era=_MODERN,
            version=version,
            endpoint=inbound.endpoint,
            session=None,
            capabilities=envelope.capabilities or {},
            client=envelope.client or {},
            log_level=envelope.log_level,
            progress_token=envelope.progress_token,
            events=inbound.events,
            scope=scope,
            received=inbound.received,
        )

    def _legacy(
        self,
        message: jsonrpc.Message,
        inbound: Inbound,
        principal: Principal,
        session_id: bytes | None,
        version: str,
    ) -> Call | Note:
        session: Session | None = None
        opening = isinstance(message, jsonrpc.Request) and message.method == "initialize"
        if not opening:
            if session_id is None:
                raise CallerError(Reason.SESSION_REQUIRED, "no Mcp-Session-Id: send initialize first")
            session = self._sessions.get(session_id.decode("latin-1"), principal, inbound.endpoint)
            version = session.version
        if not isinstance(message, jsonrpc.Request):
            return _note(message, _LEGACY, inbound, session, session.id if session else None)
        if opening:
            if len(inbound.body) > MAX_INITIALIZE:
                text = f"initialize: larger than {MAX_INITIALIZE} bytes"
                raise CallerError(Reason.INVALID_PARAMS, text)
            version = _negotiated(message.params)
        _require_method(version, message.method)
        params, envelope, rest = meta.split_meta(message.params or {})
        return Call(
            id=message.id,
            method=message.method,
            params=params,
            meta=rest,
            era=_LEGACY,
            version=version,
            endpoint=inbound.endpoint,
            session=session,
            capabilities=session.capabilities if session else params["capabilities"],
            client=session.client if session else params["clientInfo"],
            log_level=session.log_level if session else None,
            progress_token=envelope.progress_token,
            events=inbound.events,
            scope=session.id if session else None,
            received=inbound.received,
        )


def _require_method(version: str, name: str) -> None:
    method = methods.lookup(version, name)
    if method is None or method.sender == "server" or method.kind is not methods.REQUEST:
        raise CallerError(Reason.METHOD_NOT_FOUND, f"{version} has no request method of this name")


def _negotiated(params: dict[str, Any] | None) -> str:
    """Raises CallerError(INVALID_PARAMS) for an initialize without its three members."""
    given = params or {}
    wanted = given.get("protocolVersion")
    if not isinstance(wanted, str):
        raise CallerError(Reason.INVALID_PARAMS, "initialize: protocolVersion must be a string")
    for name in ("capabilities", "clientInfo"):
        if not isinstance(given.get(name), dict):
            raise CallerError(Reason.INVALID_PARAMS, f"initialize: {name} must be an object")
    return versions.negotiate(wanted)


def _note(
    message: jsonrpc.Notification | jsonrpc.Response | jsonrpc.Message,
    which: Era,
    inbound: Inbound,
    session: Session | None,
    scope: str | None,
) -> Note:
    if isinstance(message, jsonrpc.Notification):
        return Note(message.method, message.params or {}, which, inbound.endpoint, session, scope)
    return Note("", {}, which, inbound.endpoint, session, scope)
