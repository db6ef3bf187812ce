"""What is known so far of one message on its way: the only mutable thing in the spine.

The spine writes a line into it at each step, so that however the call ends (denied, refused, cancelled,
failed) its record says how far it came and which controls ran.
"""

import time

from doorward.model.call import Call, Era, Inbound, RequestId
from doorward.model.principal import Principal
from doorward.model.target import Target
from doorward.model.verdict import Allow, ControlRun, Deny, Hold, Permit


class Trail:
    """One per message; lives exactly as long as it."""

    __slots__ = (
        "_mark",
        "call",
        "controls",
        "decided",
        "decision_id",
        "era",
        "inbound",
        "principal",
        "reported",
        "request_id",
        "settled",
        "started",
        "target",
        "unanswerable",
        "verdict",
    )

    def __init__(self, inbound: Inbound, decision_id: str) -> None:
        """`decision_id`: a UUIDv7 that no other message has."""
        self.inbound = inbound
        self.decision_id = decision_id
        self.request_id: RequestId | None = None
        self.era: Era | None = None
        self.principal: Principal | None = None
        self.call: Call | None = None
        self.target: Target | None = None
        self.verdict: Permit | Deny | Hold | None = None
        self.decided = False
        """True once the decision record is on its way: from then on only an outcome record may follow."""
        self.settled = False
        """True once the outcome record is on its way: from then on nothing may follow."""
        self.unanswerable = False
        """True for a notification or a response: JSON-RPC has no answer to either, not even an error."""
        self.controls: list[ControlRun] = []
        self.reported = 0
        """How many of `controls` the decision record holds."""
        self.started = self._mark = time.perf_counter()

    def ran(self, control: str, verdict: str = "pass") -> None:
        """Note that `control` ran; its cost is the time since the previous note."""
        now = time.perf_counter()
        self.controls.append(ControlRun(control, verdict, int((now - self._mark) * 1e6)))
        self._mark = now

    def judged(self, verdict: Allow | Deny | Hold) -> None:
        """Note what the rules said."""
        if isinstance(verdict, Allow):
            self.ran("policy", "pass" if verdict.softened is None else "would_deny")
        else:
            self.ran("policy", "deny" if isinstance(verdict, Deny) else "hold")
