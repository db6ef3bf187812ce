"""What `audit` may say."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from doorward.config.model import STRICT
from doorward.config.values import FilePath, Term

Strict = Literal["writes", "all", "none"]


class Disk(BaseModel):
    """What happens as the log's disk fills up: per cent of it that are in use."""

    model_config = STRICT

    strict_at: float = Field(90, gt=0, le=100)
    """From here on every call waits until the disk has its record. Default: 90."""
    refuse_writes_at: float = Field(98, gt=0, le=100)
    """From here on calls that change something are refused. Default: 98."""
    refuse_all_at: float = Field(99, gt=0, le=100)
    """From here on all calls are refused. Default: 99."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.strict_at <= self.refuse_writes_at <= self.refuse_all_at:
            raise ValueError("strict_at, refuse_writes_at and refuse_all_at have to grow in this order")
        return self


class Keep(BaseModel):
    """How long records are kept. What is older is taken out of closed segments; its hashes stay, so that the
    log can still be verified. Nothing is taken out while `doorward audit hold` is in force."""

    model_config = STRICT

    decisions: Term = 400 * 86400.0
    """Calls: decisions, outcomes, refusals, and the heartbeats between them. Default: 400d."""
    changes: Term = 7 * 366 * 86400.0
    """Changes by operators and the life of the gateway. Default: 7y."""


class ServerAudit(BaseModel):
    """How the calls of one server are recorded."""

    model_config = STRICT

    strict: Strict | None = None
    """writes, all or none, for this server; default: that of audit.strict."""


class Audit(BaseModel):
    """How the audit log is kept."""

    model_config = STRICT

    anchor: FilePath | None = None
    """Directory on another volume or mount to which every signed checkpoint of the log is copied. Whoever can
    rewrite the log cannot make it fit what stands there. It has to exist. Default: none."""
    strict: Strict = "writes"
    """Which calls are sent only once the disk has their record: those that change something (writes), all, or
    none. Others are sent once the kernel has it, which survives the death of Doorward but not of the machine.
    Default: writes."""
    disk: Disk = Disk()
    """Limits for a disk that fills up."""
    keep: Keep = Keep()
    """How long records are kept, by class."""
