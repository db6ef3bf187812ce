"""Which stages stand in which phase, one row each, with the reason it stands there and what its failure
means.

The fixed steps (identity, protocol, route, policy, audit) are code in `request.py`; their failure always
denies. Nothing is registered by import: a stage that is not in this table does not run. Both tables are empty
until the first inspecting stage arrives with tool pinning and inspection; the runner in `run.py` already
gives every row its declared failure meaning.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from doorward.ports.stage import AfterStage, BeforeStage


class OnError(StrEnum):
    """What it means when a stage itself fails. There is no silent open mode."""

    DENY = "deny"
    HOLD = "hold"


class BeforeSlot(NamedTuple):
    """A row of BEFORE."""

    stage: BeforeStage
    why_here: str
    on_error: OnError
    on: bool = True
    """False where the configuration turns it off: it does not run, and every record says so."""


class AfterSlot(NamedTuple):
    """A row of AFTER. A reply cannot wait for a person: its only failure meaning is to withhold it."""

    stage: AfterStage
    why_here: str
    on: bool = True
    """As of a BeforeSlot."""


BEFORE: Final[tuple[BeforeSlot, ...]] = ()
AFTER: Final[tuple[AfterSlot, ...]] = ()
