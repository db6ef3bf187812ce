"""Turns what happened into records and hands them to the log.

What a method returns is to be awaited: it returns after the kernel has the record (ports/audit.py) and raises
GatewayError(AUDIT_UNAVAILABLE) when it has not; then the caller must not go on. The methods themselves raise
GatewayError(STORE_UNAVAILABLE) when the ring cannot give a digest key.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from doorward.audit import records
from doorward.audit.bounds import bounded_decision, bounded_outcome
from doorward.audit.build import actor_of, args_of, large_args, mcp_of, result_of, ruling_of, trace_of
from doorward.audit.denials import DenialTally
from doorward.audit.digests import LARGE, Digested, DigestKey, DigestKeys
from doorward.audit.events import EventRecords
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.lines import CallLines
from doorward.audit.peers import network
from doorward.audit.questions import About, asked_of, question_of, questioned
from doorward.audit.strictness import Strictness
from doorward.audit.tally import RefusalTally
from doorward.model.call import Call, Inbound, Outcome, Session
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import ControlRun, Deny, Hold, Mode, Permit
from doorward.ports.asks import Inquiry
from doorward.ports.audit import AuditLog, Role
from doorward.ports.secrets import SecretRing
from doorward.ports.waits import Waiter

_OUTCOME: Final = Role.OUTCOME
_controls: Final = msgspec.json.Decoder(tuple[ControlRun, ...]).decode


class Recorder(EventRecords):
    """One per configuration in force; `under` makes the next one's, which shares log, keys and counts."""

    def __init__(
        self,
        log: AuditLog,
        ring: SecretRing,
        *,
        gateway: str,
        revision: str,
        modes: Mapping[str, Mode],
        large: LargeRecords,
        ways: Mapping[str, records.Way] | None = None,
        off: tuple[str, ...] = (),
        strictness: Strictness | None = None,
        tally: RefusalTally | None = None,
        denials: DenialTally | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`gateway`: a name for this process among replicas. `modes`, `ways`: effective mode, and how it is
        reached, by server name. `large`: of this log. `off`: controls that the configuration turns off."""
        super().__init__(
            log,
            gateway=gateway,
            large=large,
            clock=clock,
            network=lru_cache(maxsize=4096)(network),
            tally=tally or RefusalTally(),
            denials=denials or DenialTally(),
        )
        self._ring = ring
        self._revision = revision
        self._modes = modes
        self._ways: Mapping[str, records.Way] = ways or {}
        self._off = tuple(records.Skipped(each, "off") for each in off)
        self._keys = DigestKeys(ring, records.TENANT)
        strictness = strictness or Strictness()
        self._roles, self._usual = strictness.servers, strictness.usual
        self._lines = CallLines(
            self._keys,
            self._network,
            gateway=gateway,
            revision=revision,
            modes=modes,
            ways=self._ways,
            off=self._off,
        )

    def renew_keys(self) -> None:
        """The ring may have other keys now."""
        self._keys.until = 0.0

    def under(
        self,
        revision: str,
        modes: Mapping[str, Mode],
        strictness: Strictness,
        ways: Mapping[str, records.Way] | None = None,
        off: tuple[str, ...] = (),
    ) -> "Recorder":
        """The recorder of a new configuration."""
        return Recorder(
            self._log,
            self._ring,
            gateway=self._gateway,
            revision=revision,
            modes=modes,
            large=self._large,
            ways=ways,
            off=off,
            strictness=strictness,
            tally=self._tally,
            denials=self._denials,
            clock=self._clock,
        )

    def decision(
        self,
        call_id: str,
        principal: Principal,
        verdict: Permit | Deny | Hold | Reason,
        *,
        inbound: Inbound,
        call: Call | None,
        target: Target | None,
        controls: Sequence[ControlRun] = (),
        received: Call | None = None,
        not_reached: Sequence[str] = (),
        waiter: Waiter | None = None,
    ) -> Awaitable[None]:
        """The one decision record of a call of a known caller; `verdict` is a Reason when policy never spoke.

        `call_id`: a UUIDv7, the record's own id too; `outcome` repeats it. `call`: as it will be sent; None
        when the message could not be read. `received`: as it came, if a control may have changed it.
        `not_reached`: controls that would have run if the call had not ended before. A denial like many
        others of this minute is counted instead (denials.py). `waiter`: see ports/audit.py.
        """
        now = self._clock()
        if isinstance(verdict, Permit):
            line = self._lines.decision(call_id, now, verdict, inbound, controls)
            if line is not None:
                return self._decide(line, verdict.target, waiter)
        ruling, mcp = ruling_of(verdict, target, self._revision, self._modes), mcp_of(inbound, call, target)
        peer = self._network(inbound.credential.peer)
        if not isinstance(verdict, Permit | Hold) and not self.denied(principal, ruling, mcp, call_id, peer):
            return _counted()

        def write(key: DigestKey | Digested, waiter: Waiter | None = None) -> Awaitable[None]:
            record = records.Decision(
                v=records.VERSION,
                id=call_id,
                ts=int(now * 1000),
                gateway=self._gateway,
                tenant=principal.tenant,
                call_id=call_id,
                actor=actor_of(principal, call),
                peer=peer,
                mcp=mcp,
                op_class=None if target is None else target.op_class,
                way=None if target is None else self._ways.get(target.server),
                trace=trace_of(call),
                skipped=(*self._off, *(records.Skipped(each, "not_reached") for each in not_reached)),
                decision=ruling,
                args=None if call is None else args_of(call, target, key, received),
                controls=tuple(controls),
            )
            line = bounded_decision(record)
            if isinstance(verdict, Permit):
                return self._decide(line, verdict.target, waiter)
            return self._log.append(line, waiter)

        key, large = self._keys.at(now), large_args(received or call)
        return write(key, waiter) if large is None else self._large.write(large, key, write)

    def _decide(self, line: bytes, target: Target, waiter: Waiter | None = None) -> Awaitable[None]:
        role, changing = self._roles.get(target.server, self._usual)[target.op_class]
        return self._log.append(line, waiter, role, changing)

    def permitted(
        self, call_id: str, permit: Permit, inbound: Inbound, controls: str, waiter: Waiter | None = None
    ) -> Awaitable[None]:
        """As `decision`, of a permitted call whose controls are spelled already: an array of ControlRun.

        `waiter`: see ports/audit.py.
        """
        line = self._lines.decision(call_id, self._clock(), permit, inbound, controls)
        if line is not None:  # as in `_decide`, without its frame
            target = permit.target
            role, changing = self._roles.get(target.server, self._usual)[target.op_class]
            return self._log.append(line, waiter, role, changing)
        return self.decision(
            call_id,
            permit.principal,
            permit,
            inbound=inbound,
            call=permit.call,
            target=permit.target,
            controls=_controls(controls),
            waiter=waiter,
        )

    def answered(  # noqa: PLR0917 - by position, because names cost a call more than its arguments do
        self,
        call_id: str,
        principal: Principal,
        outcome: Outcome,
        result: bytes,
        total_s: float,
        upstream_s: float,
        waiter: Waiter | None,
    ) -> Awaitable[None]:
        """As `outcome`, of a call that brought a result and after which no control ran."""
        line = self._lines.outcome(
            call_id, self._clock(), principal.tenant, outcome, result, total_s, upstream_s
        )
        if line is not None:
            return self._log.append(line, waiter, _OUTCOME)
        return self.outcome(
            call_id, principal, outcome, result=result, total_s=total_s, upstream_s=upstream_s, waiter=waiter
        )

    def outcome(
        self,
        call_id: str,
        principal: Principal,
        outcome: Outcome,
        *,
        result: bytes | None = None,
        error_code: int | None = None,
        reason: Reason | None = None,
        total_s: float,
        upstream_s: float = 0.0,
        controls: Sequence[ControlRun] = (),
        waiter: Waiter | None = None,
    ) -> Awaitable[None]:
        """What became of a permitted call. `result`: the bytes as delivered. Durations in seconds.

        `controls`: those that ran since the decision record. `waiter`: see ports/audit.py.
        """
        now = self._clock()
        total, upstream = int(total_s * 1e6), int(upstream_s * 1e6)

        def write(key: DigestKey | Digested | None, waiter: Waiter | None = None) -> Awaitable[None]:
            record = records.Outcome(
                v=records.VERSION,
                id=uuid7(),
                ts=int(now * 1000),
                gateway=self._gateway,
                tenant=principal.tenant,
                call_id=call_id,
                result=result_of(outcome, result, error_code, reason, key),
                latency_ms=records.Latency(total / 1e3, upstream / 1e3, (total - upstream) / 1e3),
                controls=tuple(controls),
            )
            return self._log.append(bounded_outcome(record), waiter, _OUTCOME)

        if result is None:
            return write(None, waiter)
        key = self._keys.at(now)
        return write(key, waiter) if len(result) <= LARGE else self._large.write(result, key, write)

    def forsake(self) -> None:
        """There will be no outcome of a call that was permitted, because it could not be written."""
        self._log.forsake()

    def question(
        self,
        ask_id: str,
        principal: Principal,
        inquiry: Inquiry,
        session: Session,
        about: About | None,
        *,
        refused: Reason | None = None,
    ) -> Awaitable[None]:
        """The decision on what a server asks of its client; `refused` is what speaks against it.

        `ask_id`: a UUIDv7, which `outcome` repeats. `about`: the call in the middle of which it asks.
        """
        now = self._clock()
        record = records.Decision(
            v=records.VERSION,
            id=ask_id,
            ts=int(now * 1000),
            gateway=self._gateway,
            tenant=principal.tenant,
            call_id=ask_id,
            actor=questioned(principal, session),
            peer="" if about is None else self._network(about.inbound.credential.peer),
            mcp=question_of(inquiry, session, "" if about is None else about.inbound.transport),
            decision=records.Ruling(
                "permit" if refused is None else "deny",
                self._revision,
                self._modes.get(inquiry.server),
                refused,
            ),
            way=self._ways.get(inquiry.server),
            trace=None if about is None else trace_of(about.call),
            args=asked_of(inquiry, self._keys.at(now)),
            during=None if about is None else about.decision_id,
        )
        line = bounded_decision(record)
        return self._log.append(line) if refused is not None else self._log.append(line, None, Role.DECISION)


async def _counted() -> None:
    """Nothing is to be awaited: the record comes with the next roll-up."""
