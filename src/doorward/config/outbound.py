"""How the gateway reaches a server: time limits, connections, names."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from doorward.config.model import STRICT
from doorward.config.values import Duration


class _Strict(BaseModel):
    model_config = STRICT


Limit = Annotated[Duration, Field(gt=0)]


class Timeouts(_Strict):
    """How long a server may take. A duration by itself is `total`; what is absent has no limit but that."""

    connect: Limit | None = None
    """To get a connection: its turn, the name, TCP, a proxy. Default: 5s."""
    tls: Limit | None = None
    """For the TLS handshake. Default: 5s."""
    first_byte: Limit | None = None
    """From the request to the first byte of its answer."""
    idle: Limit | None = None
    """Between any two bytes of an answer or a stream."""
    total: Limit | None = None
    """For the whole call. Default: 60s."""


def _total_alone(value: Any) -> Any:
    return value if isinstance(value, dict | Timeouts) else {"total": value}


Timeout = Annotated[Timeouts, BeforeValidator(_total_alone, json_schema_input_type=Limit | Timeouts)]


class Pool(_Strict):
    """Connections to a remote server that are kept for further calls."""

    size: int = Field(64, gt=0, le=1024)
    """How many at most, those of open streams apart. Who finds all of them in use waits in line."""
    keep_alive: Duration = Field(4.0, gt=0)
    """How long an idle one is kept. Less than the server keeps it: common ones close after 5s."""


class Dns(_Strict):
    """How the name of a remote server becomes an address."""

    ttl: Duration = 30.0
    """How long an address is used for new connections; 0s asks each time."""
    prefer: Literal["system", "ipv4", "ipv6"] = "system"
    """Which family of addresses is tried first. All of them are tried."""
