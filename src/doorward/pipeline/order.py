"""Which stages stand in which phase, one row each, with the reason it stands there and what its failure
means.

The fixed steps (identity, protocol, route, policy, audit) are code in `request.py`; their failure always
denies. Nothing is registered by import: a stage that is not in this table does not run. AFTER is empty until
the first stage arrives that inspects replies.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from doorward.model.principal import Principal
from doorward.ports.stage import AfterStage, BeforeStage
from doorward.stages import rate


class OnError(StrEnum):
    """What it means when a stage itself fails. There is no silent open mode."""

    DENY = "deny"
    HOLD = "hold"


class BeforeRow(NamedTuple):
    """A row of BEFORE."""

    id: str
    why_here: str
    on_error: OnError
    instant: bool = False
    """Whether it never waits, and so can do without a task around it (drive.py)."""


class BeforeSlot(NamedTuple):
    """A row with its stage."""

    stage: BeforeStage
    why_here: str
    on_error: OnError
    on: bool = True
    """False where the configuration turns it off: it does not run, and every record says so."""
    instant: bool = False
    """As of a BeforeRow."""
    concerns: Callable[[Principal], bool] | None = None
    """Of whom it has anything to say; None: of everybody. Of others no record says that it ran."""


class AfterSlot(NamedTuple):
    """A row of AFTER. A reply cannot wait for a person: its only failure meaning is to withhold it."""

    stage: AfterStage
    why_here: str
    on: bool = True
    """As of a BeforeSlot."""


BEFORE: Final = (
    BeforeRow(
        rate.ID,
        "last: what somebody else refuses is not counted, and what is counted will be sent",
        OnError.DENY,
        instant=True,
    ),
)
AFTER: Final[tuple[AfterSlot, ...]] = ()


def before(limits: rate.RateStage | None) -> tuple[BeforeSlot, ...]:
    """The rows of BEFORE that have something to do, with their stages. `limits`: None where nobody has a
    rate."""
    stages = {rate.ID: limits}
    return tuple(
        BeforeSlot(stage, row.why_here, row.on_error, instant=row.instant, concerns=stage.concerns)
        for row in BEFORE
        if (stage := stages[row.id]) is not None
    )
