"""How the processes of a local server are run."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from doorward.config.model import STRICT
from doorward.config.values import Duration

_OCTAL: Final = frozenset("01234567")
_DIGITS: Final = (3, 4)


def _mask(value: Any) -> Any:
    """A bare 027 is octal to some readers of YAML and decimal to others, so only text will do."""
    if (
        isinstance(value, str)
        and len(value) in _DIGITS
        and _OCTAL.issuperset(value)
        and int(value, 8) <= 0o777
    ):
        return int(value, 8)
    raise ValueError('expected three octal digits in quotes, such as "027"')


Umask = Annotated[
    int,
    BeforeValidator(_mask),
    PlainSerializer(lambda mask: f"{mask:03o}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0?[0-7]{3}$", "examples": ["027"]}),
]


class Processes(BaseModel):
    """How the processes of a local server are run: one for each principal, or one for all with shared."""

    model_config = STRICT

    max: int = Field(32, ge=2, le=1024)
    """How many at the same time, one of them for discovery. Beyond it the one that was idle longest is ended;
    when all are busy, the call is refused as upstream_overloaded."""
    idle: Duration = Field(600.0, gt=0)
    """How long one is kept that nobody uses. Default: 10m."""
    stop: Duration = 5.0
    """How long one may take to end by itself, from the closing of its standard input to SIGKILL."""
    restarts: int = Field(5, ge=0, le=100)
    """How often in a minute one that crashed is started again. Then it is down until the minute is over."""
    unanswered: int = Field(3, ge=0, le=1000)
    """After so many calls in a row that went unanswered, one that has said nothing meanwhile is ended and
    started again; 0: never."""
    umask: Umask | None = None
    """Which permissions its new files do not get, in octal: "027". Default: the gateway's own."""
