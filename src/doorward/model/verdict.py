"""Verdicts: values, not exceptions. Only `policy/` constructs a Permit (tests/unit/test_house_rules.py)."""

from enum import StrEnum

import msgspec

from doorward.model.call import Call
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target


class Mode(StrEnum):
    """Whether softenable denials deny (`enforce`) or are only recorded (`audit`)."""

    ENFORCE = "enforce"
    AUDIT = "audit"


class RuleRef(msgspec.Struct, frozen=True, gc=False):
    """A rule someone can read: its id and where it stands."""

    id: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Deny(msgspec.Struct, frozen=True):
    """No. `softenable` says whether `mode: audit` may let it pass (never for authentication or protocol)."""

    reason: Reason
    message: str
    """For the caller: short, true, without rule locations."""
    rules: tuple[RuleRef, ...] = ()
    """The rules that deny, in file order; empty for default deny."""
    nearest: RuleRef | None = None
    """The allow rule that came closest."""
    argument: str | None = None
    """The argument whose value or absence decided, when one did."""
    visible: bool = False
    """True when the target is listed for this principal although this call is denied."""
    softenable: bool = True
    scopes: tuple[str, ...] = ()
    """For INSUFFICIENT_SCOPE: every scope that this operation needs, those that the token has included."""
    bound: str | None = None
    """Who denies, if not the agent's own rules: "key", "creator:NAME", "people", "agent:NAME" or "scopes"."""
    retry_after_s: int | None = None
    """When the same call may pass, if time is all that it takes."""


class Hold(msgspec.Struct, frozen=True):
    """Not now: somebody has to decide first. Until approvals exist it is answered like a denial."""

    reason: Reason
    message: str
    rules: tuple[RuleRef, ...] = ()
    visible: bool = True
    softenable: bool = True


class Allow(msgspec.Struct, frozen=True):
    """Provisional: the rules allow it, the stages have not spoken yet. Only the final step makes a Permit."""

    rules: tuple[RuleRef, ...]
    softened: Deny | None = None
    """The denial that `mode: audit` let pass; recorded with the call."""
    depends: bool = False
    """In a static (argument-free) question: true when it may still turn out to be a denial."""
    lacking: tuple[str, ...] = ()
    """In a static question: every scope that the operation needs, where the token lacks one of them."""


class Finding(msgspec.Struct, frozen=True):
    """What a stage saw. Never carries the value that it saw."""

    control: str
    kind: str
    path: str
    confidence: float = 1.0


class ControlRun(msgspec.Struct, frozen=True, gc=False):
    """That a control ran, what it said, and what it cost in microseconds (DESIGN section 9)."""

    id: str
    verdict: str
    cost_us: int = 0


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What the stages of `before` learned; the final step of policy may look at it."""

    findings: tuple[Finding, ...] = ()
    labels: frozenset[str] = frozenset()
    changed: bool = False
    """True when a stage changed an argument: policy must look again."""


class Permit(msgspec.Struct, frozen=True):
    """Proof that this call, by this principal, to this target, was decided: nothing else can be sent."""

    call: Call
    principal: Principal
    target: Target
    decision_id: str
    rules: tuple[RuleRef, ...]
    softened: Deny | None = None


Verdict = Permit | Deny | Hold
