"""The one door: every message of every transport comes in here and leaves with exactly one answer.

Wraps the spine so that each end of it has its record and its answer, whatever happened on the way.
"""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from doorward.audit.ids import CallIds
from doorward.model.call import Credential, Inbound, Session
from doorward.model.errors import DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.verdict import Deny, Hold, Permit
from doorward.pipeline import batch, rescue
from doorward.pipeline.errand import Caller, Errand, Waiting
from doorward.pipeline.evidence import unrecorded
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.read import SESSION_HEADER
from doorward.pipeline.request import handle
from doorward.pipeline.rescue import Answer
from doorward.pipeline.trail import Ended, Trail
from doorward.ports.sessions import Sessions

ACCEPTED = Answer(202, b"")
TO_REQUEST = b'{"jsonrpc":"2.0","id":'
"""How an answer begins that has a request's id."""
ENDED = "an operator ended this call"
NEVER_SENT = "an operator ended this call before it was sent"
SILENCE = Answer(200, b"")
"""Where the transport has no place for an answer."""


class Door:
    """Holds the gateway in force; `swap` replaces it between two messages."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self.gateway = gateway
        self.stopping = False
        """Set before running calls are cut: their callers are told that it was not they who cancelled."""
        self.running: set[Errand] = set()
        """The messages being worked on, whether or not their callers still wait."""
        self._sessions = sessions
        self._ended: set[str] = set()
        """Ids of the messages that were ended by an operator, and are not answered yet."""
        self._ids = CallIds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answers = self._answer

    def swap(self, gateway: Gateway) -> None:
        """From now on; calls in flight end on the world they began in."""
        self.gateway = gateway

    def end(self, errand: Errand) -> None:
        """Cancel a message for an operator: its caller is told that it was not the one who cancelled."""
        self._ended &= {one.trail.decision_id for one in self.running}
        self._ended.add(errand.trail.decision_id)
        errand.stop()

    def begin(self, inbound: Inbound, caller: Caller, part: bool = False, *, within: bool = False) -> Errand:
        """Take a message in and work on it until it waits for the first time; `caller` gets its answer.

        `part`: of a batch, so no batch itself. `within`: the one who calls this is in a step of its own task,
        so work begins in the next turn of the loop (drive.py).
        Cancel what is returned to cancel the message: it is recorded as such and answered as such.
        """
        loop = self._loop
        if loop is None:  # kept: before CPython 3.12 asking for the running loop costs a system call
            loop = self._loop = asyncio.get_running_loop()
        gw = self.gateway
        trail = Trail(inbound, self._ids.mint(), perf_counter())
        doing: Coroutine[Any, Any, None]
        if not inbound.body.startswith(b"{") and not part and batch.looks_like_batch(inbound.body):
            doing = self._take_apart(inbound, gw, trail)
        else:
            doing = handle(inbound, gw, trail)
        errand = Errand(gw, trail, caller, self._answers, self.running, _loop=loop, _doing=doing.__await__())
        trail.drive = errand
        self.running.add(errand)
        if within:
            errand.begin_soon()
        else:
            errand.pace()  # as `begin`, without its frame
        return errand

    async def serve(self, inbound: Inbound, part: bool = False) -> Answer:
        """The same for who can wait: cancelling the wait cancels the message, which is answered all the same.

        Raises only what is a bug in the making of the answer.
        """
        caller = Waiting(asyncio.get_running_loop())
        errand = self.begin(inbound, caller, part, within=True)
        while caller.answer is None:
            if caller.bug is not None:
                raise caller.bug
            try:
                await caller.told()
            except asyncio.CancelledError:
                errand.stop()
        return caller.answer

    def admit(self, credential: Credential, endpoint: str | None) -> None:
        """Ask who it is before the message is here. Raises DoorwardError, to be answered with `refuse`.

        Whom an issuer has to be asked about may send it: nothing of it is read before the issuer has spoken.
        """
        self.gateway.identity.identify(credential, endpoint)

    async def who(self, inbound: Inbound) -> Principal | Answer:
        """Who asks, or the recorded refusal."""
        gw = self.gateway
        try:
            return await _who(inbound, gw)
        except DoorwardError as error:
            return await self._failed(error, gw, Trail(inbound, self._ids.mint(), perf_counter()))

    def own_session(self, credential: Credential, session_id: str, endpoint: str | None) -> Session | None:
        """The caller's own session of this id; None where there is none, or none any more."""
        try:
            principal = self.gateway.identity.identify(credential, endpoint)
            return None if principal is None else self._sessions.get(session_id, principal, endpoint)
        except DoorwardError:
            return None

    async def session(self, inbound: Inbound) -> tuple[Session, Principal] | Answer:
        """The session behind a GET or DELETE and who asks, or the recorded refusal."""
        gw = self.gateway
        trail = Trail(inbound, self._ids.mint(), perf_counter())
        try:
            trail.principal = principal = await _who(inbound, gw)
            session_id = inbound.headers.get(SESSION_HEADER, b"").decode("latin-1")
            return self._sessions.get(session_id, principal, inbound.endpoint), principal
        except DoorwardError as error:
            return await self._failed(error, gw, trail)

    async def refuse(self, inbound: Inbound, error: DoorwardError) -> Answer:
        """The recorded refusal of a message that its transport did not let in."""
        return await self._failed(error, self.gateway, Trail(inbound, self._ids.mint(), perf_counter()))

    def end_session(self, session: Session) -> None:
        """Ended by its client (DELETE); whoever made the sessions ends what hangs on them."""
        self._sessions.close(session.id)

    async def _take_apart(self, inbound: Inbound, gw: Gateway, trail: Trail) -> None:
        """A batch, or what only looks like one. Raises as `handle` does."""
        parts = batch.split(inbound, await _who(inbound, gw), self._sessions)
        await (self._serve_all(parts, trail) if parts else handle(inbound, gw, trail))

    async def _serve_all(self, parts: list[Inbound], trail: Trail) -> None:
        tasks = [asyncio.create_task(self.serve(part, part=True)) for part in parts]
        # Cancelling the batch cancels its parts, and each of them still ends with its own record and answer.
        await rescue.attempt(asyncio.gather(*tasks))
        said = [answer for task in tasks if not task.cancelled() and (answer := task.result()).body]
        if not said:
            trail.ended = ACCEPTED
            return
        # Where nothing in it was a request, what was not taken decides (MCP 2025-03-26, transports).
        asked = any(answer.body.startswith(TO_REQUEST) for answer in said)
        body = b"[" + b",".join([answer.body for answer in said]) + b"]"
        trail.ended = Answer(200 if asked else said[0].status, body, (rescue.JSON,))

    async def _answer(self, ended: Ended, gw: Gateway, trail: Trail) -> None:
        trail.ended = ACCEPTED if ended is None else await self._answer_to(ended, gw, trail)

    async def _answer_to(self, ended: object, gw: Gateway, trail: Trail) -> Answer:
        """To whatever is no reply."""
        call = trail.call
        if isinstance(ended, Deny | Hold) and call is not None and trail.principal is not None:
            see_rules = gw.policy.see_rules(trail.principal.agent)
            return rescue.refused(
                call, ended, trail.decision_id, see_rules=see_rules, challenges=gw.challenges
            )
        return await self._failed(self._blamed(ended, trail), gw, trail)

    async def _failed(self, error: DoorwardError, gw: Gateway, trail: Trail) -> Answer:
        """The answer to an error, once it is on record. Where that fails, the answer says so."""
        error = gw.recorder.blame(trail, error)
        unwritten = await rescue.attempt(gw.recorder.ended(trail, error))
        if unwritten is not None and trail.principal is not None:
            error = _unwritten(error, trail)
        if trail.inbound.transport == "stdio" and (trail.unanswerable or error.reason is Reason.CANCELLED):
            # Only HTTP answers everything: on stdio an error without id, or for a call that its caller has
            # cancelled, would be taken for somebody else's (MCP cancellation: SHOULD NOT respond).
            return SILENCE
        return rescue.failed(
            error,
            request_id=trail.request_id,
            era=trail.era,
            call=trail.call,
            decision_id=trail.decision_id if trail.principal is not None else None,
            challenges=gw.challenges,
            endpoint=trail.inbound.endpoint,
        )

    def _blamed(self, ended: object, trail: Trail) -> DoorwardError:
        """An end that is not a reply and not a verdict, as an error of one of the four families."""
        if isinstance(ended, asyncio.CancelledError):
            if self.stopping:
                # No 503 and no Retry-After for what a server has been given: clients would send it again.
                reason = Reason.CALL_CUT if trail.sent else Reason.SHUTTING_DOWN
                return GatewayError(reason, "the gateway is stopping; this call was cut")
            if trail.decision_id in self._ended:
                return GatewayError(Reason.CALL_CUT, ENDED if trail.sent else NEVER_SENT)
            return rescue.cancelled()
        if not isinstance(ended, DoorwardError):
            # A bug: the caller gets an id to report, and whoever runs the gateway gets the traceback.
            context = {"message": f"call {trail.decision_id} met a bug", "exception": ended}
            asyncio.get_running_loop().call_exception_handler(context)
        return rescue.as_error(ended)


async def _who(inbound: Inbound, gw: Gateway) -> Principal:
    """Raises DoorwardError; see ports/identity.py."""
    principal = gw.identity.identify(inbound.credential, inbound.endpoint)
    return await gw.identity.ask(inbound.credential, inbound.endpoint) if principal is None else principal


def _unwritten(error: DoorwardError, trail: Trail) -> DoorwardError:
    """An unknown caller's refusal stands without its record; everybody else learns that there is none."""
    if trail.decided and isinstance(trail.verdict, Permit):
        return unrecorded()
    if error.reason is Reason.AUDIT_UNAVAILABLE:
        return error
    return GatewayError(Reason.AUDIT_UNAVAILABLE, "the audit log cannot be written")
