"""How long a server may take, and those of its tools that may take longer, or less."""

import math
from typing import Final

import msgspec

from doorward.model.globs import matches
from doorward.model.target import Kind, Target

MOST_NAMES: Final = 4096
"""Of tools whose rule is remembered; a server that renames its tools for ever must not fill our memory."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; `math.inf` for no bound but `total_s`."""

    connect_s: float = 5.0
    """For a connection: its turn in line, the name, TCP, a proxy's consent."""
    tls_s: float = 5.0
    """For the TLS handshake."""
    first_byte_s: float = math.inf
    """From the request to the first byte of its answer."""
    idle_s: float = math.inf
    """Between any two bytes of an answer or a stream."""
    total_s: float = 60.0
    """From handing a call over to the last byte of its answer."""


NO_LIMITS: Final = Timeouts(connect_s=math.inf, tls_s=math.inf, total_s=math.inf)


class ToolTimeouts(msgspec.Struct, frozen=True):
    """One entry of `servers.X.tools` that says how long its tools may take."""

    pattern: str
    timeouts: Timeouts | None
    """None: as the server. An entry without a word on it still is the first to match its tools."""


class Due(float):
    """When an exchange must be over, in `loop.time()` seconds, with the limits that its tool has of its own.

    A number like any other deadline, so that who only wants to know the time need not ask what it is.
    """

    __slots__ = ("timeouts",)
    timeouts: Timeouts

    @classmethod
    def of(cls, timeouts: Timeouts, now: float) -> "Due":
        due = cls(now + timeouts.total_s)
        due.timeouts = timeouts
        return due


class Ours(Due):
    """The same for what we do on our own account: its `total_s` is no setting of anybody's."""

    __slots__ = ()

    @classmethod
    def within(cls, seconds: float, usual: Timeouts, now: float) -> "Ours":
        due = cls(now + seconds)
        due.timeouts = msgspec.structs.replace(usual, total_s=seconds)
        return due


def timeouts_of(due: float, usual: Timeouts) -> Timeouts:
    """What bounds the exchange that is due then, where the server's own timeouts are the usual ones."""
    return due.timeouts if isinstance(due, Due) else usual


def later(due: float, by: float) -> float:
    """The same limits, `by` seconds later."""
    moved = due + by
    if not isinstance(due, Due):
        return moved
    made = Due(moved)
    made.timeouts = due.timeouts
    return made


def limit(seconds: float, name: str = "total") -> str:
    """A limit in words for a caller: how long, and which key under `timeout` says so."""
    return f"{seconds:.4g} s (timeout.{name})" if seconds < math.inf else "its time"


def span(due: float, usual: Timeouts) -> str:
    """What an exchange that was due then had, in the words of `limit`."""
    seconds = timeouts_of(due, usual).total_s
    return f"{seconds:.4g} s" if isinstance(due, Ours) else limit(seconds)


class Clockwork:
    """Finds the timeouts of a target: those of the first entry that names its tool, else the server's."""

    def __init__(self, usual: Timeouts, rules: tuple[ToolTimeouts, ...]) -> None:
        self._usual = usual
        self._rules = rules
        self._known: dict[str, Timeouts] = {}

    def of(self, target: Target) -> Timeouts:
        if target.kind is not Kind.TOOL:
            return self._usual
        known = self._known.get(target.name)
        if known is None:
            known = self._find(target.name)
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            self._known[target.name] = known
        return known

    def due(self, target: Target, now: float) -> float:
        """The deadline of a call that begins now."""
        found = self.of(target)
        return now + found.total_s if found is self._usual else Due.of(found, now)

    def _find(self, name: str) -> Timeouts:
        rule = next((rule for rule in self._rules if matches(rule.pattern, name)), None)
        return rule.timeouts if rule is not None and rule.timeouts is not None else self._usual
