"""Which record each end of a message gets: exactly one decision, and exactly one outcome for what was
permitted.

A message whose caller never became known gets a refusal instead, which the recorder counts rather than writes
when there are too many (DESIGN section 9).
"""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from doorward.audit.recorder import Recorder
from doorward.model.call import Outcome, Reply
from doorward.model.errors import DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.verdict import Deny, Hold, Permit
from doorward.pipeline.rescue import FORMS
from doorward.pipeline.trail import Trail

OUTCOMES: Final = {
    Reason.CANCELLED: Outcome.CANCELLED,
    Reason.SHUTTING_DOWN: Outcome.CANCELLED,
    Reason.CALL_CUT: Outcome.CANCELLED,
    Reason.INVALID_PARAMS: Outcome.INVALID_ARGUMENTS,
    Reason.CURSOR_UNKNOWN: Outcome.INVALID_ARGUMENTS,
    Reason.CAPABILITY_MISSING: Outcome.INVALID_ARGUMENTS,
    Reason.REQUEST_STATE_INVALID: Outcome.INVALID_ARGUMENTS,
    Reason.REPLY_WITHHELD: Outcome.DENIED,
    Reason.ASK_NOT_ALLOWED: Outcome.DENIED,
    Reason.UPSTREAM_TIMEOUT: Outcome.TIMEOUT,
    Reason.UPSTREAM_UNREACHABLE: Outcome.UNREACHABLE,
    Reason.UPSTREAM_CONNECTION_LOST: Outcome.UNREACHABLE,
    Reason.UPSTREAM_OVERLOADED: Outcome.OVERLOADED,
    Reason.UPSTREAM_PROTOCOL_ERROR: Outcome.PROTOCOL_ERROR,
    Reason.UPSTREAM_HTTP_ERROR: Outcome.PROTOCOL_ERROR,
    Reason.UPSTREAM_AUTH_FAILED: Outcome.PROTOCOL_ERROR,
    Reason.UPSTREAM_REPLY_TOO_LARGE: Outcome.PROTOCOL_ERROR,
}


def nothing(_principal: Principal) -> tuple[str, ...]:
    """Of a gateway without stages."""
    return ()


class Evidence:
    """Writes through one recorder; a reload makes a new one."""

    def __init__(self, recorder: Recorder, stages: Callable[[Principal], tuple[str, ...]] = nothing) -> None:
        """`stages`: those that a principal's call meets before it is sent, by their ids."""
        self._recorder = recorder
        self._stages = stages

    def decision(self, trail: Trail) -> Awaitable[None]:
        """Record `trail.verdict`; to be awaited. Where that fails, nothing may be sent: see `blame`."""
        verdict = trail.verdict
        if type(verdict) is Permit and (spelled := trail.spelled()) is not None:
            trail.decided = True  # as in `_decided`: this is the usual call
            try:
                return self._recorder.permitted(
                    trail.decision_id, verdict, trail.inbound, spelled, trail.drive
                )
            except Exception:
                trail.decided = False
                raise
        return self._decided(trail, verdict if verdict is not None else Reason.INTERNAL_ERROR)

    def outcome(self, trail: Trail, reply: Reply) -> Awaitable[None]:
        """Record what came back; to be awaited. Where that fails, the reply is withheld."""
        principal = trail.principal
        assert principal is not None
        # Before the wait, as in `_decided`: a call has one outcome, whatever happens while it is written.
        trail.settled = True
        result, stages = reply.result, trail.stages
        try:
            if result and reply.error is None and (not stages or len(stages) == trail.reported):
                return self._recorder.answered(
                    trail.decision_id, principal, reply.outcome, result,
                    perf_counter() - trail.started, reply.upstream_s, trail.drive,
                )  # fmt: skip
            return self._recorder.outcome(
                trail.decision_id,
                principal,
                reply.outcome,
                result=result,
                error_code=None if reply.error is None else reply.error.code,
                total_s=perf_counter() - trail.started,
                upstream_s=reply.upstream_s,
                controls=stages[trail.reported :],
                waiter=trail.drive,
            )
        except Exception:
            trail.settled = False
            raise

    @staticmethod
    def blame(trail: Trail, error: DoorwardError) -> DoorwardError:
        """What an error means that ended the message: a wait for a record may have failed.

        Then that record is missing again (see `ended`), and if it is the outcome's, the caller is told that
        the call was executed. A cancelled wait is no failure: the record is on its way.
        """
        cancelled = error.reason in (Reason.CANCELLED, Reason.SHUTTING_DOWN, Reason.CALL_CUT)
        if trail.settled and error.reason is Reason.AUDIT_UNAVAILABLE:
            trail.settled = False
            return unrecorded()
        if trail.decided and not trail.sent and not cancelled:
            trail.decided = False
        return error

    async def ended(self, trail: Trail, error: DoorwardError) -> None:
        """Record whatever is still missing of a message that ended with an error.

        Raises GatewayError(AUDIT_UNAVAILABLE).
        """
        inbound = trail.inbound
        if trail.principal is None:
            await self._recorder.refused(
                error.reason,
                peer=inbound.credential.peer,
                transport=inbound.transport,
                endpoint=inbound.endpoint,
                detail=error.message,
            )
        elif not trail.decided:
            try:
                await self._decided(trail, error.reason)
            except Exception:
                trail.decided = False
                raise
        elif isinstance(trail.verdict, Permit) and not trail.settled:
            trail.settled = True
            try:
                await self._recorder.outcome(
                    trail.decision_id,
                    trail.principal,
                    OUTCOMES.get(error.reason, Outcome.FAILED),
                    error_code=FORMS[error.reason].code,
                    reason=error.reason,
                    total_s=perf_counter() - trail.started,
                    controls=trail.stages[trail.reported :],
                    waiter=trail.drive,
                )
            except Exception:
                self._recorder.forsake()  # nobody tries once more
                raise

    def _decided(self, trail: Trail, verdict: Permit | Deny | Hold | Reason) -> Awaitable[None]:
        principal = trail.principal
        assert principal is not None
        # Before the wait, not after it: a call cancelled while its record is being written has that record.
        trail.decided = True
        trail.reported = len(trail.stages)
        try:
            return self._recorder.decision(
                trail.decision_id,
                principal,
                verdict,
                inbound=trail.inbound,
                call=verdict.call if isinstance(verdict, Permit) else trail.call,
                target=trail.target,
                controls=trail.controls(),
                received=trail.call,
                not_reached=trail.unreached(self._stages(principal)),
                waiter=trail.drive,
            )
        except Exception:
            trail.decided = False
            raise


def unrecorded() -> GatewayError:
    """What the caller of an executed call is told when its outcome is not on record."""
    return GatewayError(Reason.OUTCOME_UNRECORDED, "the call was executed; its outcome could not be recorded")
