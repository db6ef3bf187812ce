"""Messages that are refused as a whole: which error says so, and under whose id."""

from doorward.model.call import Era, Inbound, Session
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.pipeline.trail import Trail
from doorward.ports.sessions import Sessions
from doorward.wire import headers, jsonrpc, versions


def attribute(
    error: CallerError, inbound: Inbound, principal: Principal, sessions: Sessions, trail: Trail
) -> None:
    """Learn whose request it was that could not be read, so that its answer can say so.

    2026-07-28 wants a 400 without an id. Before it nothing is demanded, and version 1 of the official Python
    SDK drops its session over any status from 400 on: so a request of a session that is there fails alone.
    """
    if error.reason is not Reason.INVALID_REQUEST:
        return
    if inbound.transport == "http":
        try:
            session = _session(inbound, principal, sessions)
        except CallerError:
            return
        if session is None:
            return
        trail.era = Era.LEGACY
    trail.request_id = jsonrpc.id_alone(inbound.body)


def batch(inbound: Inbound, principal: Principal, sessions: Sessions) -> CallerError:
    """Why a batch comes so far that was not taken apart (pipeline/batch.py).

    Raises CallerError(SESSION_UNKNOWN): a client whose session is gone has to hear of that first.
    """
    session = _session(inbound, principal, sessions)
    text = "this revision has no batches"
    if session is not None and session.version == versions.BATCH_VERSION:
        text = f"a batch has 1 to {versions.MAX_BATCH} messages; no initialize, and no batch"
    return CallerError(Reason.BATCH_UNSUPPORTED, text)


def _session(inbound: Inbound, principal: Principal, sessions: Sessions) -> Session | None:
    """The session that a message names and may have. Raises CallerError(SESSION_UNKNOWN)."""
    session_id = inbound.headers.get(headers.SESSION_ID)
    modern = inbound.headers.get(headers.PROTOCOL_VERSION) == versions.MODERN.encode()
    if session_id is None or modern:
        return None
    return sessions.get(session_id.decode("latin-1"), principal, inbound.endpoint)
