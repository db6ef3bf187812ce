"""What is known so far of one message on its way: the only mutable thing in the spine.

The spine writes a line into it at each step, so that however the call ends (denied, refused, cancelled,
failed) its record says how far it came and which controls ran.
"""

from typing import Final

import msgspec

from doorward.model.call import Call, Era, Inbound, RequestId
from doorward.model.principal import Principal
from doorward.model.target import Target
from doorward.model.verdict import Allow, ControlRun, Deny, Hold, Permit
from doorward.pipeline.drive import Drive

_NUMBERS: Final = tuple(str(n) for n in range(1024))
"""Looking a number up costs a third of spelling it."""
_FEW: Final = len(_NUMBERS)


class Trail(msgspec.Struct, eq=False):
    """One per message; lives exactly as long as it. Times are seconds of `time.perf_counter`."""

    inbound: Inbound
    decision_id: str
    """A UUIDv7 that no other message has."""
    started: float
    identified: float = 0.0
    understood: float = 0.0
    routed: float = 0.0
    judged: float = 0.0
    """When each of the fixed controls had spoken; 0 for one that was not reached."""
    request_id: RequestId | None = None
    era: Era | None = None
    principal: Principal | None = None
    call: Call | None = None
    target: Target | None = None
    said: Allow | Deny | Hold | None = None
    """The word of the rules, before the stages had theirs."""
    verdict: Permit | Deny | Hold | None = None
    decided: bool = False
    """True once the decision record is on its way: from then on only an outcome record may follow."""
    sent: bool = False
    """True once the call may have left the building."""
    settled: bool = False
    """True once the outcome record is on its way: from then on nothing may follow."""
    unanswerable: bool = False
    """True for a notification or a response: JSON-RPC has no answer to either, not even an error."""
    flight: tuple[str, RequestId] | None = None
    """Where the call is among those in flight, if it is."""
    drive: Drive | None = None
    """What runs the message, and can cancel it."""
    stages: tuple[ControlRun, ...] = ()
    """The stages that ran after the fixed controls."""
    reported: int = 0
    """How many of `stages` the decision record holds."""

    def ran(self, stage: str, verdict: str, began: float, ended: float) -> None:
        """Note that a stage ran."""
        self.stages += (ControlRun(stage, verdict, int((ended - began) * 1e6)),)

    def controls(self) -> tuple[ControlRun, ...]:
        """What ran so far, in its order."""
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
        names = ("identity", "protocol", "route")
        began = (start, *times)
        return tuple(
            ControlRun(name, "pass", int((time - before) * 1e6))
            for name, time, before in zip(names, times, began, strict=False)
        )

    def spelled(self) -> str | None:
        """`controls` as JSON, where the usual ones ran and all of them let the call pass; else None."""
        if self.stages or not isinstance(self.said, Allow) or self.said.softened is not None:
            return None
        identified, understood, routed = self.identified, self.understood, self.routed
        first = int((identified - self.started) * 1e6)
        second = int((understood - identified) * 1e6)
        third = int((routed - understood) * 1e6)
        fourth = int((self.judged - routed) * 1e6)
        return (
            f'[{{"id":"identity","verdict":"pass","cost_us":{_NUMBERS[first] if first < _FEW else first}}},'
            f'{{"id":"protocol","verdict":"pass","cost_us":{_NUMBERS[second] if second < _FEW else second}}},'
            f'{{"id":"route","verdict":"pass","cost_us":{_NUMBERS[third] if third < _FEW else third}}},'
            f'{{"id":"policy","verdict":"pass","cost_us":{_NUMBERS[fourth] if fourth < _FEW else fourth}}}]'
        )

    def _word(self) -> str:
        said = self.said
        if isinstance(said, Allow):
            return "pass" if said.softened is None else "would_deny"
        return "deny" if isinstance(said, Deny) else "hold"
