"""How long sessions of legacy clients are kept, and how many."""

from pydantic import BaseModel, Field

from doorward.config.model import STRICT
from doorward.config.values import Duration


class Sessions(BaseModel):
    """Sessions of clients up to 2025-11-25. Later ones have none."""

    model_config = STRICT

    idle: Duration = Field(24 * 3600.0, ge=60)
    """How long one is kept that nobody uses: no request, no open stream, no call that runs."""
    renewal: Duration = Field(600.0, ge=0, le=24 * 3600)
    """How long sessions and processes wait for the next token of a caller whose token has expired. Its
    streams end at once."""
    per_principal: int = Field(1_000, ge=1, le=100_000)
    """How many one principal may have. Who opens another loses the one that was used least recently."""
    total: int = Field(20_000, ge=1, le=1_000_000)
    """How many all principals may have. Who comes later is answered 503."""
