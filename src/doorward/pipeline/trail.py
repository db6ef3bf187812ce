"""What is known so far of one message on its way: the only mutable thing in the spine.

The spine writes a line into it at each step, so that however the call ends (denied, refused, cancelled,
failed) its record says how far it came and which controls ran.
"""

from asyncio import CancelledError
from time import perf_counter
from typing import Final

from doorward.model.call import Call, Era, Inbound, Reply, RequestId
from doorward.model.principal import Principal
from doorward.model.target import Target
from doorward.model.verdict import Allow, ControlRun, Deny, Hold, Permit
from doorward.pipeline.drive import Drive
from doorward.pipeline.rescue import Answer

FIXED: Final = ("identity", "protocol", "route", "policy")
"""The controls that every call meets, in their order; then come the stages."""
PASSED: Final = "pass"
_FEW: Final = 256


def _spellings(control: str) -> tuple[str, ...]:
    """By microseconds: looking one up costs a third of spelling it."""
    before = f'{{"id":"{control}","verdict":"pass","cost_us":'
    return tuple(f"{before}{cost}}}" for cost in range(_FEW))


_IDENTITY: Final = _spellings("identity")
_PROTOCOL: Final = _spellings("protocol")
_ROUTE: Final = _spellings("route")
_POLICY: Final = _spellings("policy")
Ended = Reply | Answer | Deny | Hold | Exception | CancelledError | None
"""How the spine was left, or the answer to that; None for a message that wants no answer."""
NOTHING_SAID: Final = RuntimeError("the work on a message ended without a word")
"""A bug: answered as one."""


class Trail:
    """One per message; lives exactly as long as it. Times are seconds of `time.perf_counter`.

    No msgspec struct, although it would be made faster: each of some eighteen notes that a call leaves here
    would cost ten times as much, because CPython cannot specialise the setting of a struct's attribute.
    """

    __slots__ = (
        "call", "decided", "decision_id", "drive", "ended", "era", "flight", "identified", "inbound",
        "judged", "principal", "reported", "request_id", "routed", "said", "sent", "settled", "stages",
        "started", "target", "unanswerable", "understood", "verdict",
    )  # fmt: skip

    def __init__(self, inbound: Inbound, decision_id: str, started: float) -> None:
        """`decision_id`: a UUIDv7 that no other message has."""
        self.inbound = inbound
        self.decision_id = decision_id
        self.started = started
        self.identified = self.understood = self.routed = self.judged = 0.0
        """When each of the fixed controls had spoken; 0 for one that was not reached."""
        self.request_id: RequestId | None = None
        self.era: Era | None = None
        self.principal: Principal | None = None
        self.call: Call | None = None
        self.target: Target | None = None
        self.said: Allow | Deny | Hold | None = None
        """The word of the rules, before the stages had theirs."""
        self.verdict: Permit | Deny | Hold | None = None
        self.decided = False
        """True once the decision record is on its way: from then on only an outcome record may follow."""
        self.sent = False
        """True once the call may have left the building."""
        self.settled = False
        """True once the outcome record is on its way: from then on nothing may follow."""
        self.unanswerable = False
        """True for a notification or a response: JSON-RPC has no answer to either, not even an error."""
        self.flight: tuple[str, RequestId] | None = None
        """Where the call is among those in flight, if it is."""
        self.drive: Drive | None = None
        """What runs the message, and can cancel it."""
        self.stages: tuple[ControlRun, ...] = ()
        """The stages that ran after the fixed controls."""
        self.reported = 0
        """How many of `stages` the decision record holds."""
        self.ended: Ended = NOTHING_SAID
        """What the spine, or whatever answered in its place, came to."""

    def ran(self, stage: str, verdict: str, began: float, ended: float) -> None:
        """Note that a stage ran."""
        self.stages += (ControlRun(stage, verdict, int((ended - began) * 1e6)),)

    def controls(self) -> tuple[ControlRun, ...]:
        """What ran so far, in its order; the last one is where the call ended, unless the rules had
        spoken."""
        start, identified, understood, routed = self.started, self.identified, self.understood, self.routed
        if self.judged:
            return (
                ControlRun("identity", "pass", int((identified - start) * 1e6)),
                ControlRun("protocol", "pass", int((understood - identified) * 1e6)),
                ControlRun("route", "pass", int((routed - understood) * 1e6)),
                ControlRun("policy", self._word(), int((self.judged - routed) * 1e6)),
                *self.stages,
            )
        times = [time for time in (identified, understood, routed) if time]
        began = (start, *times)
        passed = tuple(
            ControlRun(name, "pass", int((time - before) * 1e6))
            for name, time, before in zip(FIXED, times, began, strict=False)
        )
        return (*passed, ControlRun(FIXED[len(times)], "ended", int((perf_counter() - began[-1]) * 1e6)))

    def unreached(self, stages: tuple[str, ...]) -> tuple[str, ...]:
        """Controls that had not had their turn; `stages` are those that would have come after the rules."""
        if self.judged:
            ran = {stage.id for stage in self.stages}
            return tuple(each for each in stages if each not in ran)
        times = [time for time in (self.identified, self.understood, self.routed) if time]
        return (*FIXED[len(times) + 1 :], *stages)

    def spelled(self) -> str | None:
        """`controls` as JSON, where the usual ones ran and all of them let the call pass; else None."""
        said = self.said
        if type(said) is not Allow or said.softened is not None:
            return None
        identified, understood, routed = self.identified, self.understood, self.routed
        first = int((identified - self.started) * 1e6)
        second = int((understood - identified) * 1e6)
        third = int((routed - understood) * 1e6)
        fourth = int((self.judged - routed) * 1e6)
        try:
            text = f"[{_IDENTITY[first]},{_PROTOCOL[second]},{_ROUTE[third]},{_POLICY[fourth]}]"
        except IndexError:
            text = (
                f'[{{"id":"identity","verdict":"pass","cost_us":{first}}},'
                f'{{"id":"protocol","verdict":"pass","cost_us":{second}}},'
                f'{{"id":"route","verdict":"pass","cost_us":{third}}},'
                f'{{"id":"policy","verdict":"pass","cost_us":{fourth}}}]'
            )
        return self._with_stages(text) if self.stages else text

    def _with_stages(self, text: str) -> str | None:
        """The same with the stages, which are reported by it; None where one did more than let it pass."""
        stages = self.stages
        if any(stage.verdict != PASSED for stage in stages):
            return None
        self.reported = len(stages)
        ran = [f',{{"id":"{each.id}","verdict":"pass","cost_us":{each.cost_us}}}' for each in stages]
        return f"{text[:-1]}{''.join(ran)}]"

    def _word(self) -> str:
        said = self.said
        if isinstance(said, Allow):
            return "pass" if said.softened is None else "would_deny"
        return "deny" if isinstance(said, Deny) else "hold"
