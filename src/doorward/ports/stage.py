"""A check between decision and sending, or between reply and caller: one small file under `stages/` each."""

from typing import Protocol

import msgspec

from doorward.model.call import Call, Reply
from doorward.model.principal import Principal
from doorward.model.target import Target
from doorward.model.verdict import Deny, Facts, Finding, Hold, Permit


class Pass(msgspec.Struct, frozen=True):
    """Nothing against it. `findings` are facts for the final step of policy, not objections."""

    findings: tuple[Finding, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """Go on with this call instead; policy looks again."""

    call: Call
    findings: tuple[Finding, ...] = ()


class Replace(msgspec.Struct, frozen=True):
    """Go on with this reply instead."""

    reply: Reply
    findings: tuple[Finding, ...] = ()


class BeforeStage(Protocol):
    """May tighten or change arguments, never widen."""

    id: str

    async def check(
        self, call: Call, principal: Principal, target: Target, facts: Facts
    ) -> Pass | Change | Deny | Hold: ...


class AfterStage(Protocol):
    """Sees the reply before the caller does; returns a new one, never mutates."""

    id: str

    async def check(self, permit: Permit, reply: Reply) -> Pass | Replace | Deny: ...
