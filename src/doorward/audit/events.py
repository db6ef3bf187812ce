"""Records of what is no call: refusals before anybody was known, what was only counted, and what happened to
the gateway itself."""

from collections.abc import Callable, Sequence
from typing import Any

from doorward.audit import records
from doorward.audit.denials import Alike, Counted, DenialTally
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.tally import RefusalTally, Rollup
from doorward.model.errors import GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.audit import AuditLog


class EventRecords:
    """The part of a recorder that is the same under every configuration. Methods raise
    GatewayError(AUDIT_UNAVAILABLE)."""

    def __init__(
        self,
        log: AuditLog,
        *,
        gateway: str,
        large: LargeRecords,
        clock: Callable[[], float],
        network: Callable[[str], str],
        tally: RefusalTally,
        denials: DenialTally,
    ) -> None:
        self._log = log
        self._gateway = gateway
        self._large = large
        self._clock = clock
        self._network = network
        self._tally = tally
        self._denials = denials

    async def refused(
        self, reason: Reason, *, peer: str, transport: str, endpoint: str | None, detail: str | None = None
    ) -> None:
        """A request whose caller never became known; beyond the limit it is only counted."""
        now = self._clock()
        source = self._network(peer)
        if not self._tally.admit(reason, source, now):
            return
        refusal = records.Refusal(
            **self._head(now),
            reason=reason,
            peer=source,
            transport=transport,
            endpoint=endpoint,
            detail=None if detail is None else records.clip(detail),
        )
        await self._log.append(records.encode(refusal))

    def denied(
        self, principal: Principal, ruling: records.Ruling, mcp: records.Mcp, call_id: str, peer: str
    ) -> bool:
        """True when this denial is to be written; False when it was counted, as one of many that are
        alike."""
        alike = Alike(
            principal.tenant,
            principal.subject,
            principal.agent,
            principal.method,
            principal.key_id,
            ruling.effect,
            ruling.reason or "",
            mcp.method,
            mcp.server,
            mcp.name,
            records.clip(principal.issuer) or None,
            principal.client and records.clip(principal.client),
        )
        return self._denials.admit(alike, self._clock(), call_id, peer)

    async def roll_up(self) -> None:
        """Write what was only counted: every 10 seconds, and when the gateway stops. Returns when the large
        records that were begun are written, too."""
        await self._large.settled()
        while (rollup := self._tally.take()) is not None:
            try:
                await self._log.append(records.encode(self._refusals(rollup)))
            except GatewayError:
                self._tally.put_back(rollup)
                raise
        while (counted := self._denials.take()) is not None:
            try:
                await self._log.append(records.encode(self._counted(counted)))
            except GatewayError:
                self._denials.put_back(counted)
                raise

    async def heartbeat(self, *, written: int, size: int, checkpoint: int) -> None:
        """See records.Heartbeat; `written` are its `records`."""
        head = self._head(self._clock())
        beat = records.Heartbeat(**head, records=written, size=size, checkpoint=checkpoint)
        await self._log.append(records.encode(beat))

    async def lifecycle(self, event: str, **detail: Any) -> None:
        """Something that happened to the gateway itself; see records.Lifecycle.event."""
        happened = records.Lifecycle(**self._head(self._clock()), event=event, detail=detail)
        await self._log.append(records.encode(happened))

    async def changed(self, actor: records.Actor, changes: Sequence[records.Changed]) -> None:
        """What is about to change, one record each."""
        for each in changes:
            change = records.Change(
                **self._head(self._clock()),
                action=each.action,
                actor=actor,
                object=each.object,
                before=each.before,
                after=each.after,
            )
            await self._log.append(records.encode(change))

    def _head(self, now: float) -> dict[str, Any]:
        return {
            "v": records.VERSION,
            "id": uuid7(),
            "ts": int(now * 1000),
            "gateway": self._gateway,
            "tenant": records.TENANT,
        }

    def _refusals(self, rollup: Rollup) -> records.Refusal:
        return records.Refusal(
            **self._head(self._clock()),
            reason=rollup.reason,
            peer=rollup.peer,
            count=rollup.count,
            networks=rollup.networks,
            since=int(rollup.since * 1000),
        )

    def _counted(self, counted: Counted) -> records.Denials:
        alike = counted.alike
        return records.Denials(
            **self._head(self._clock()) | {"tenant": alike.tenant},
            actor=records.Actor(
                alike.subject,
                alike.proven,
                alike.agent,
                alike.key_id,
                issuer=alike.issuer,
                client_id=alike.client_id,
            ),
            effect=alike.effect,
            reason=alike.reason,
            count=counted.count,
            since=int(counted.since * 1000),
            last=counted.last,
            peer=counted.peer,
            method=alike.method,
            server=alike.server,
            name=alike.name,
        )
