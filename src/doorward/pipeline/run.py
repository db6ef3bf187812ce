"""Runs the stages of a phase and gives each its declared failure meaning.

A stage can turn an Allow into a Deny or a Hold, never the reverse, so the order inside a phase cannot widen
access. A stage that raises has said nothing: its row in `order.py` says what silence means.
"""

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from doorward.model.call import Call, Reply
from doorward.model.errors import PolicyError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Allow, Deny, Facts, Hold, Permit
from doorward.pipeline.order import AfterSlot, BeforeSlot, OnError
from doorward.pipeline.rescue import attempt
from doorward.pipeline.trail import Trail
from doorward.ports.stage import Change, Pass, Replace

NOTHING: Final = Facts()
FAILED: Final = "this call could not be checked, so it was not sent"


class BeforePhase:
    """What runs between the rules and the final word."""

    __slots__ = ("_waits", "concerns", "off", "slots")

    def __init__(self, slots: Sequence[BeforeSlot]) -> None:
        self.slots = tuple(slot for slot in slots if slot.on)
        self._waits = any(not slot.instant for slot in self.slots)
        asked = [slot.concerns for slot in self.slots if slot.concerns is not None]
        self.concerns: Callable[[Principal], bool] = self._any
        """Whether any stage has anything to say of a principal's calls: asked before `run`."""
        if len(asked) == len(self.slots) == 1:
            self.concerns = asked[0]  # without a frame of ours around it
        self.off = tuple(slot.stage.id for slot in slots if not slot.on)
        """Those that never run."""

    def _any(self, principal: Principal) -> bool:
        return any(slot.concerns is None or slot.concerns(principal) for slot in self.slots)

    def concerning(self, principal: Principal) -> tuple[str, ...]:
        """Ids of the stages that have anything to say of a principal's calls."""
        return tuple(
            slot.stage.id for slot in self.slots if slot.concerns is None or slot.concerns(principal)
        )

    async def run(
        self, call: Call, principal: Principal, target: Target, allowed: Allow, trail: Trail
    ) -> tuple[Call, Facts, Allow | Deny | Hold]:
        """The call as the stages leave it, what they learned, and Allow unless one objected."""
        facts = NOTHING
        if self._waits:
            await asyncio.sleep(0)  # a stage may use a timeout, and so needs to be within a task (drive.py)
        for slot in self.slots:
            if slot.concerns is not None and not slot.concerns(principal):
                continue
            said = await self._ask(slot, call, principal, target, facts, trail)
            if type(said) is Pass and not said.findings:
                continue
            if isinstance(said, Deny | Hold):
                return call, facts, said
            changed = facts.changed
            if isinstance(said, Change):
                call, changed = said.call, True
            facts = Facts(facts.findings + said.findings, facts.labels, changed)
        return call, facts, allowed

    @staticmethod
    async def _ask(  # noqa: PLR0917 - as of `run`
        slot: BeforeSlot, call: Call, principal: Principal, target: Target, facts: Facts, trail: Trail
    ) -> Pass | Change | Deny | Hold:
        began = perf_counter()
        said = await attempt(slot.stage.check(call, principal, target, facts))
        if isinstance(said, CancelledError):
            raise said
        trail.ran(slot.stage.id, _verdict_of(said), began, perf_counter())
        if not isinstance(said, BaseException):
            return said
        if slot.on_error is OnError.HOLD:
            return Hold(Reason.CHECK_FAILED, FAILED, softenable=False)
        return Deny(Reason.CHECK_FAILED, FAILED, visible=True, softenable=False)


class AfterPhase:
    """What runs between the reply and the caller."""

    __slots__ = ("off", "slots")

    def __init__(self, slots: Sequence[AfterSlot]) -> None:
        self.slots = tuple(slot for slot in slots if slot.on)
        self.off = tuple(slot.stage.id for slot in slots if not slot.on)
        """Those that never run."""

    async def run(self, permit: Permit, reply: Reply, trail: Trail) -> Reply:
        """The reply as the stages leave it.

        Raises PolicyError(REPLY_WITHHELD) when a stage objects: the call has run, its answer stays with us.
        """
        await asyncio.sleep(0)  # as in `BeforePhase.run`
        for slot in self.slots:
            began = perf_counter()
            said = await attempt(slot.stage.check(permit, reply))
            if isinstance(said, CancelledError):
                raise said
            trail.ran(slot.stage.id, _verdict_of(said), began, perf_counter())
            if isinstance(said, BaseException):
                raise PolicyError(
                    Reason.REPLY_WITHHELD, f"{slot.stage.id} could not check the reply"
                ) from said
            if isinstance(said, Deny):
                raise PolicyError(Reason.REPLY_WITHHELD, said.message)
            if isinstance(said, Replace):
                reply = said.reply
        return reply


def _verdict_of(said: object) -> str:
    """As it stands in the record: pass, change, replace, deny, hold, or failed for a stage that raised."""
    return "failed" if isinstance(said, BaseException) else type(said).__name__.lower()
