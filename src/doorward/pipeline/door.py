"""The one door: every message of every transport comes in here and leaves with exactly one answer.

Wraps the spine so that each end of it has its record and its answer, whatever happened on the way.
"""

import asyncio

from doorward.model.call import Inbound, Reply, Session
from doorward.model.errors import DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.verdict import Deny, Hold, Permit
from doorward.pipeline import batch, rescue
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.read import SESSION_HEADER
from doorward.pipeline.request import handle
from doorward.pipeline.rescue import Answer
from doorward.pipeline.trail import Trail
from doorward.ports.sessions import Sessions

ACCEPTED = Answer(202, b"")


class Door:
    """Holds the gateway in force; `swap` replaces it between two messages."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self.gateway = gateway
        self._sessions = sessions

    def swap(self, gateway: Gateway) -> None:
        """From now on; calls in flight end on the world they began in."""
        self.gateway = gateway

    async def serve(self, inbound: Inbound) -> Answer:
        """Never raises; a cancelled message is recorded as such and answered as such."""
        if batch.looks_like_batch(inbound.body):
            parts = batch.split(inbound, self.gateway, self._sessions)
            if parts:
                return await self._serve_all(parts)
        return await self._serve_one(inbound)

    async def _serve_all(self, parts: list[Inbound]) -> Answer:
        answers = await asyncio.gather(*(self._serve_one(part) for part in parts))
        bodies = [answer.body for answer in answers if answer.body]
        return Answer(200, b"[" + b",".join(bodies) + b"]", (rescue.JSON,)) if bodies else ACCEPTED

    async def _serve_one(self, inbound: Inbound) -> Answer:
        gw = self.gateway
        trail = Trail(inbound)
        try:
            ended = await rescue.attempt(handle(inbound, gw, trail))
            return await self._answer(ended, gw, trail)
        finally:
            if trail.call is not None:
                gw.calls.leave(trail.call)

    def session(self, inbound: Inbound) -> tuple[Session, Principal] | Answer:
        """The session behind a GET or DELETE and who asks, or the refusal."""
        try:
            principal = self.gateway.identity.identify(inbound.credential)
            session_id = inbound.headers.get(SESSION_HEADER, b"").decode("latin-1")
            return self._sessions.get(session_id, principal, inbound.endpoint), principal
        except DoorwardError as error:
            return rescue.failed(error, request_id=None, era=None, call=None, decision_id=None)

    def end_session(self, session: Session) -> None:
        """Ended by its client (DELETE); whoever made the sessions ends what hangs on them."""
        self._sessions.close(session.id)

    async def _answer(
        self, ended: Reply | Deny | Hold | Exception | asyncio.CancelledError | None, gw: Gateway, trail: Trail
    ) -> Answer:
        if ended is None:
            return ACCEPTED
        call = trail.call
        if isinstance(ended, Reply) and call is not None:
            return rescue.replied(call, ended)
        if isinstance(ended, Deny | Hold) and call is not None and trail.principal is not None:
            see_rules = gw.policy.see_rules(trail.principal.agent)
            return rescue.refused(call, ended, trail.decision_id, see_rules=see_rules)
        error = await self._recorded(ended, gw, trail)
        return rescue.failed(
            error,
            request_id=trail.request_id,
            era=trail.era,
            call=call,
            decision_id=trail.decision_id if trail.principal is not None else None,
        )

    async def _recorded(self, ended: object, gw: Gateway, trail: Trail) -> DoorwardError:
        """The error with its record written. Where even that fails, what the caller is told says so."""
        error = as_blamed(ended)
        unwritten = await rescue.attempt(gw.recorder.ended(trail, error))
        if unwritten is None or error.reason is Reason.AUDIT_UNAVAILABLE:
            return error
        if trail.decided and isinstance(trail.verdict, Permit):
            return GatewayError(Reason.OUTCOME_UNRECORDED, "the call was sent; its outcome could not be recorded")
        return GatewayError(Reason.AUDIT_UNAVAILABLE, "the audit log cannot be written")


def as_blamed(ended: object) -> DoorwardError:
    """An end that is not a reply and not a verdict, as an error of one of the four families."""
    if isinstance(ended, asyncio.CancelledError):
        return rescue.cancelled()
    if isinstance(ended, BaseException):
        return rescue.as_error(ended)
    return GatewayError(Reason.INTERNAL_ERROR, "internal error")
