"""What retention no longer keeps of the log: which classes of records, of which segments, since when.

Pure. A segment loses a class as a whole, once its youngest record is old enough, so that it is rewritten once
for each class and never record by record. What the reading of the rest depends on is never due.
"""

import math
import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

Class = Literal["decisions", "changes"]
CLASSES: Final[tuple[Class, ...]] = ("decisions", "changes")
PRUNED: Final = "segment_pruned"
_HEAD: Final = re.compile(rb'\{"kind":"([a-z_]{1,32})"')
_DECISIONS: Final = frozenset({b"decision", b"outcome", b"refusal", b"denials", b"heartbeat"})
"""Heartbeats go with the decisions that they vouch for: none is missing. They are 1,440 a day."""
_CHANGES: Final = frozenset({b"change", b"lifecycle"})
_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
LONGEST_OPEN: Final = 31 * _DAY


class Retention(NamedTuple):
    """How long records are kept, by class; seconds, `math.inf` for ever."""

    decisions: float = math.inf
    changes: float = math.inf

    def of(self, name: Class) -> float:
        return self.decisions if name == "decisions" else self.changes

    @property
    def open_for(self) -> float:
        """Seconds after which an open segment is closed, so that its first records do not stay much longer
        than they should: a tenth of the shortest time, an hour at least, a month at most."""
        return max(_HOUR, min(LONGEST_OPEN, min(self) / 10))


class Span(NamedTuple):
    """What retention has to know of a closed segment."""

    number: int
    ends: int
    """Not before its last record was written: milliseconds since 1970."""
    lost: frozenset[Class] = frozenset()
    """Classes that it has been pruned of."""


class Due(NamedTuple):
    """A segment, and what it is to lose."""

    number: int
    classes: frozenset[Class]


def class_of(record: bytes) -> Class | None:
    """None for what always stays: a segment's own record, what says that a segment was pruned, what replaces
    the signing key, and what nobody knows."""
    found = _HEAD.match(record)
    kind = b"" if found is None else found[1]
    if kind in _DECISIONS:
        return "decisions"
    return "changes" if kind in _CHANGES and not _binds(record) else None


def due(spans: Iterable[Span], keep: Retention, now: float) -> list[Due]:
    """In the order of `spans`, segments with something to lose. `now`: seconds since 1970."""
    found = []
    for span in spans:
        age = now - span.ends / 1000
        classes = frozenset(name for name in CLASSES if age > keep.of(name)) - span.lost
        if classes:
            found.append(Due(span.number, classes))
    return found


class _Said(msgspec.Struct, frozen=True):
    event: str = ""
    action: str = ""
    object: str = ""


def _binds(record: bytes) -> bool:
    """Whether the rest of the log could not be judged without it."""
    try:
        said = msgspec.json.decode(record, type=_Said)
    except (msgspec.MsgspecError, UnicodeError):
        return True
    return said.event == PRUNED or (said.action, said.object) == ("secret:rotate", "checkpoints")
