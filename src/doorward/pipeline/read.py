"""Bytes to meaning: one strictly parsed message becomes one Call of a known era, or a Note.

The era is decided per message (research brief 2.1): a modern claim in body or header is held to the modern
rules and never downgraded; everything else lives in a legacy session that belongs to the same principal.
"""

from typing import Any, Final

import msgspec

from doorward.model.call import Answered, Call, Era, Inbound, Note, RequestId, Series, Session, Spelled
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.pipeline import unread
from doorward.pipeline.shares import Shares
from doorward.pipeline.trail import Trail
from doorward.ports.sessions import Sessions
from doorward.wire import era, headers, jsonrpc, large, meta, methods, param_headers, versions
from doorward.wire.shapes import Shape, Shapes

# Read on every message: a member of an enum costs 80 ns in CPython 3.11.
_LEGACY: Final = Era.LEGACY
_MODERN: Final = Era.MODERN
STDIO_SCOPE = "stdio"
SESSION_HEADER = b"mcp-session-id"
MAX_SERIES = 4096
"""Remembered with a shape of call; a session has one of each."""
MAX_INITIALIZE = 64 * 1024
"""Bytes: what a client says of itself is kept as long as its session, and a caller may open a thousand."""


class Reader:
    """Knows the sessions, so that a legacy message finds its version and capabilities."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._shapes = Shapes()
        self._unmirrored: dict[int, Any] = {}
        """Schemas by their ids, which nothing else can have while they are here."""
        self._shares = Shares()

    def read(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note:
        """Raises CallerError with the exact reason of the brief's tables 2.2 and 2.3."""
        if inbound.transport == "http":
            again = self._shapes.find(inbound.body)
            if again is not None:
                shape, request_id, spelled = again
                known = self._again(shape, request_id, spelled, inbound, principal, trail)
                if known is not None:
                    return known
        try:
            message = jsonrpc.parse(inbound.body)
        except CallerError as error:
            unread.attribute(error, inbound, principal, self._sessions, trail)
            raise
        if isinstance(message, jsonrpc.Batch):
            raise unread.batch(inbound, principal, self._sessions)
        call = self._first(message, inbound, principal, trail)
        if isinstance(message, jsonrpc.Request) and inbound.transport == "http":
            self._shapes.learn(inbound.body, message, principal.owner)
        return call

    async def read_large(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note:
        """As `read`, for a body of any size: others are served meanwhile."""
        try:
            found = await self._shares.run(large.parse(inbound.body))
        except CallerError as error:
            unread.attribute(error, inbound, principal, self._sessions, trail)
            raise
        call = self._first(found.message, inbound, principal, trail)
        if isinstance(call, Call) and found.spelled is not None:
            return msgspec.structs.replace(call, spelled=found.spelled)
        return call

    def _first(
        self, message: jsonrpc.Message, inbound: Inbound, principal: Principal, trail: Trail
    ) -> Call | Note:
        """A message whose like was not read before."""
        if isinstance(message, jsonrpc.Request):
            trail.request_id = message.id
        else:
            trail.unanswerable = True
        has_session = SESSION_HEADER in inbound.headers
        if inbound.transport == "http":
            seen = era.classify(inbound.headers, message, has_session=has_session)
        else:
            seen = era.classify_stdio(message, has_session=has_session)
        trail.era = seen.era
        if seen.era is _LEGACY and isinstance(message, jsonrpc.Request) and message.method == "initialize":
            return _opening(message, inbound)
        session = self._session(seen, inbound, principal)
        scope = session.id if session else STDIO_SCOPE if inbound.transport == "stdio" else None
        if not isinstance(message, jsonrpc.Request):
            return _note(message, seen.era, inbound, session, scope)
        version = session.version if session else seen.version
        _require_method(version, message.method)
        params, envelope, rest = meta.split_meta(message.params or {})
        capabilities, client, log_level = _sender(session, envelope)
        return Call(
            id=message.id,
            method=message.method,
            params=params,
            meta=rest,
            era=seen.era,
            version=version,
            endpoint=inbound.endpoint,
            session=session,
            capabilities=capabilities,
            client=client,
            log_level=log_level,
            progress_token=envelope.progress_token,
            events=inbound.events,
            scope=scope,
        )

    def _session(self, seen: era.Classified, inbound: Inbound, principal: Principal) -> Session | None:
        """The session that a message lives in; none of 2026-07-28 does.

        Raises CallerError(SESSION_REQUIRED | SESSION_UNKNOWN).
        """
        if seen.era is _MODERN:
            return None
        session_id = inbound.headers.get(SESSION_HEADER)
        if session_id is None:
            raise CallerError(Reason.SESSION_REQUIRED, "no Mcp-Session-Id: send initialize first")
        return self._sessions.get(session_id.decode("latin-1"), principal, inbound.endpoint)

    def _again(  # noqa: PLR0917 - what was found, and what `read` was given
        self,
        shape: Shape,
        request_id: RequestId,
        spelled: Spelled,
        inbound: Inbound,
        principal: Principal,
        trail: Trail,
    ) -> Call | None:
        """A call of a known shape: only its head and its session are still to be judged.

        None for a head that is not usual.
        """
        trail.request_id = request_id
        key = inbound.bearing or bearing(inbound.headers, inbound.endpoint)
        series = shape.series.get(key)
        if series is None:
            series = self._begin(shape, key, inbound, principal, trail)
            if series is None:
                return None
        session = series.session
        if session is None:
            era_, scope = _MODERN, None
        else:
            era_, scope = _LEGACY, session.id
            now = self._sessions.get(scope, principal, inbound.endpoint)
            if now is not session or now.log_level != series.log_level:
                series = self._begin(shape, key, inbound, principal, trail)
                if series is None:
                    return None
                session = series.session
        trail.era = era_
        if series.plain:
            params = {"name": series.name, "arguments": spelled.arguments}
        else:
            params = {**shape.params, "arguments": spelled.arguments}
        return Call(
            request_id, "tools/call", params, shape.meta, era_, series.version, inbound.endpoint, session,
            series.capabilities, series.client, series.log_level, shape.envelope.progress_token,
            inbound.events, scope, spelled, series,
        )  # fmt: skip

    def _begin(
        self, shape: Shape, key: tuple[object, ...], inbound: Inbound, principal: Principal, trail: Trail
    ) -> Series | None:
        """Judge head and session as of any other message. Raises as `read`.

        None, and nothing is kept, for a head with more in it than clients write: a series would be as long
        and as many as a caller likes.
        """
        has_session = SESSION_HEADER in inbound.headers
        seen = era.classify(inbound.headers, shape.request, has_session=has_session)
        trail.era = seen.era
        envelope, name = shape.envelope, str(shape.params.get("name"))
        said = (inbound.headers.get(headers.METHOD), inbound.headers.get(headers.NAME))
        if said != (None, None) and said != (b"tools/call", name.encode()):
            return None
        if seen.era is _MODERN and has_session:
            return None
        session = self._session(seen, inbound, principal)
        version = session.version if session else seen.version
        _require_method(version, shape.request.method)
        if inbound.headers.get(headers.PROTOCOL_VERSION) not in (None, version.encode()):
            return None
        capabilities, client, log_level = _sender(session, envelope)
        series = Series(session, version, capabilities, client, log_level, name, shape.plain)
        if len(shape.series) >= MAX_SERIES:
            shape.series.clear()
        shape.series[key] = series
        return series

    def confirm(self, inbound: Inbound, call: Call, target: Target) -> None:
        """What the head says of arguments, which only the tool's schema explains (2026-07-28, Mcp-Param-*).

        Raises CallerError(HEADER_MISMATCH).
        """
        if call.era is not _MODERN or inbound.transport != "http" or target.definition is None:
            return
        schema = target.definition.listed.get("inputSchema")
        if self._unmirrored.get(id(schema)) is schema:
            return  # known to say nothing about heads
        era.check_param_headers(inbound.headers, schema, call.arguments)
        if not param_headers.mirrors(schema):
            if len(self._unmirrored) >= MAX_SERIES:
                self._unmirrored.clear()
            self._unmirrored[id(schema)] = schema


def _sender(
    session: Session | None, envelope: meta.Envelope
) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """What a sender has said of itself, at initialize or with this very message: capabilities, clientInfo,
    log level."""
    if session is not None:
        return session.capabilities, session.client, session.log_level
    return envelope.capabilities or {}, envelope.client or {}, envelope.log_level


def _opening(message: jsonrpc.Request, inbound: Inbound) -> Call:
    """`initialize`, which belongs to no session yet."""
    if len(inbound.body) > MAX_INITIALIZE:
        raise CallerError(Reason.INVALID_PARAMS, f"initialize: larger than {MAX_INITIALIZE} bytes")
    version = _negotiated(message.params)
    params, envelope, rest = meta.split_meta(message.params or {})
    return Call(
        id=message.id,
        method=message.method,
        params=params,
        meta=rest,
        era=_LEGACY,
        version=version,
        endpoint=inbound.endpoint,
        session=None,
        capabilities=params["capabilities"],
        client=params["clientInfo"],
        log_level=None,
        progress_token=envelope.progress_token,
        events=inbound.events,
        scope=None,
    )


def bearing(fields: dict[bytes, bytes], endpoint: str | None) -> tuple[object, ...]:
    """What of a head makes a difference to a call of a known spelling."""
    field = fields.get
    return (
        field(SESSION_HEADER), field(headers.PROTOCOL_VERSION), field(headers.METHOD), field(headers.NAME),
        endpoint,
    )  # fmt: skip


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
        if isinstance(given.get(name), msgspec.Raw):  # what takes long was not read (wire/large.py)
            raise CallerError(Reason.INVALID_PARAMS, f"initialize: {name} is too large")
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
    answer = None
    if isinstance(message, jsonrpc.Response):
        answer = Answered(message.id, message.result, message.error)
    return Note("", {}, which, inbound.endpoint, session, scope, answer)
