"""What must allow a call beside the agent's own grants: bounds only ever tighten (DESIGN section 6)."""

import math
import re
from typing import Final

import msgspec

_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(s|min|h|d)")
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class Rate(msgspec.Struct, frozen=True, gc=False):
    """`count` calls at once, and `count` more, evenly, in every `per_s` seconds, as `100/min` says it."""

    count: int
    per_s: float

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """COUNT/UNIT with the units s, min, h and d. Raises ValueError."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError("expected a rate such as 100/min; units are s, min, h and d")
        return cls(int(found[1]), _SECONDS[found[2]])

    def __str__(self) -> str:
        unit = next((unit for unit, seconds in _SECONDS.items() if math.isclose(seconds, self.per_s)), None)
        return f"{self.count}/{unit}" if unit is not None else f"{self.count}/{self.per_s:g}s"


class Narrowing(msgspec.Struct, frozen=True):
    """What one party leaves of the authority. What is None does not narrow; an empty tuple leaves nothing."""

    of: str
    """Who narrows: "key", "creator:anna"; named by `keys show` and by records."""
    servers: tuple[str, ...] | None = None
    """Globs over server names (only `*` is special)."""
    tools: tuple[str, ...] | None = None
    """Globs over a server's own tool names; `SERVERS/GLOB` counts at those servers only. Prompts and
    resources are left where a glob leaves every tool: who names some tools means nothing else."""
    read_only: bool = False
    """Whether only targets of OperationClass.READ are left."""


class Bounds(msgspec.Struct, frozen=True, eq=False):
    """Who must allow a call in addition to the agent's grants; all of them have to.

    Equal to itself only: one is made for a credential, and what it says of a target is remembered with it.
    """

    narrowings: tuple[Narrowing, ...] = ()
    people: tuple[tuple[str, ...], ...] = ()
    """Of each human behind the call the rule sets ("@people/N"), of which at least one must allow and none
    deny. Empty: no human stands behind it. An empty one among them: a human who may call nothing."""
    agents: tuple[str, ...] = ()
    """Further agents of a delegation chain, each of which must allow."""
    scopes: frozenset[str] | None = None
    """Of the token. None: scopes do not matter, as for a key or a certificate."""
