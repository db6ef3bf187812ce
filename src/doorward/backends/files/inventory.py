"""What the segments of a log are, remembered between two looks: a first record never changes."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise
from pathlib import Path
from typing import Final

from doorward.audit.keep import CLASSES, Class, Span, class_of
from doorward.audit.records import Segment
from doorward.backends.files.checkpoints import changed
from doorward.backends.files.segment_lines import SegmentFile, segment_files

_AT_ONCE: Final = 16
"""Segments that are opened between two steps."""
_LINES_AT_ONCE: Final = 256


class Inventory:
    """Of one log, used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._openings: dict[int, Segment] = {}
        self._lost: dict[int, frozenset[Class]] = {}
        """What pruned segments have no record of any more, and whole ones never had."""
        self.files: list[SegmentFile] = []
        """Those that begin as they should; the last one is open."""

    def look(self) -> Iterator[None]:
        """Find what is there now, in steps of milliseconds.

        Raises OSError, GatewayError(AUDIT_UNAVAILABLE).
        """
        found, there = [], segment_files(self._directory)
        if there and there[-1].form != "jsonl":  # none is made smaller before there is another one behind it
            raise changed(f"{self._directory} has no segment behind {there[-1].path.name}")
        for count, file in enumerate(there, 1):
            if file.number not in self._openings:
                opening = file.begins()
                if opening is None and file is there[-1]:  # its maker died before it wrote anything
                    continue
                if opening is None:
                    raise changed(f"{file.path} has no record")
                self._openings[file.number] = opening
                if count % _AT_ONCE == 0:
                    yield
            if file.pruned and file.number not in self._lost:
                yield from self._classify(file)
            found.append(file)
        self.files = found

    def opening(self, number: int) -> Segment:
        """The first record of a segment that was found."""
        return self._openings[number]

    def closed(self, covered: int) -> list[tuple[SegmentFile, Segment]]:
        """Segments that a checkpoint of `covered` records covers whole, each with how the next one begins."""
        rows = ((file, self._openings[following.number]) for file, following in pairwise(self.files))
        return [(file, following) for file, following in rows if following.first <= covered]

    def spans(self, covered: int) -> list[Span]:
        """The same, as retention sees them."""
        none: frozenset[Class] = frozenset()
        return [
            Span(file.number, following.ts, self._lost.get(file.number, none))
            for file, following in self.closed(covered)
        ]

    def without(self, number: int, classes: AbstractSet[Class]) -> None:
        """This segment has no record of these classes any more, or never had one."""
        self._lost[number] = self._lost.get(number, frozenset()) | classes

    def _classify(self, file: SegmentFile) -> Iterator[None]:
        held: set[Class | None] = set()
        for count, record in enumerate(file.records(), 1):
            held.add(class_of(record))
            if count % _LINES_AT_ONCE == 0:
                yield
        self._lost[file.number] = frozenset(CLASSES) - held
