"""How far a segment was read into the index, and what comes after that."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BufferedReader
from typing import Final, NamedTuple

from doorward.backends.files.checkpoints import changed
from doorward.backends.files.lookup import numbered
from doorward.backends.files.segment_lines import SegmentFile

LONGEST: Final = 1 << 16
"""Bytes of a line that are looked at; a record has at most 60,000."""
_LAST: Final = 1 << 53


class Stamp(NamedTuple):
    """A file as the directory shows it."""

    form: str
    size: int
    modified: int
    """Nanoseconds since 1970."""

    @classmethod
    def of(cls, file: SegmentFile) -> "Stamp":
        """Raises OSError."""
        status = file.path.stat()
        return cls(file.form, status.st_size, status.st_mtime_ns)


class Place(NamedTuple):
    """How far one segment was read."""

    number: int
    form: str
    size: int
    modified: int
    first: int
    """Number of its first record."""
    lines: int
    """How many of its records were read; those that a pruned segment has lost count."""
    offset: int
    """Bytes up to there, as they were before compression."""
    span: int
    """Bytes of the last line that was read."""
    head: bytes
    """SHA-256 of the first line."""
    tail: bytes
    """And of that last one."""
    whole: bool
    """Whether there is nothing more to come."""
    damaged: int
    """Lines that are no records."""

    @property
    def end(self) -> int:
        """The number after the last record that was read."""
        return self.first + self.lines

    @property
    def stamp(self) -> Stamp:
        """The file as it was then."""
        return Stamp(self.form, self.size, self.modified)


class Unread(NamedTuple):
    """A line behind a place."""

    number: int
    line: bytes
    """Without its feed; only the beginning of one that is longer than any record."""
    bytes: int
    """All of it, with its feed."""


def place_of(file: SegmentFile) -> Place | None:
    """Before its first record; None of a segment that has none yet.

    Raises OSError, GatewayError(AUDIT_UNAVAILABLE) for what is no segment of a log.
    """
    opening = file.begins()
    if opening is None:
        return None
    if not 0 <= opening.first < _LAST:
        raise changed(f"{file.path} says of itself that it begins with record {opening.first}")
    return Place(file.number, *Stamp.of(file), opening.first, 0, 0, 0, b"", b"", False, 0)


def fits(file: SegmentFile, place: Place) -> bool:
    """Whether the file still has what was read of it. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
    if file.pruned or place.form == "kept.jsonl":
        return place.stamp == Stamp.of(file)
    with _opened(file) as lines:
        if digest(lines.readline(LONGEST)) != place.head:
            return False
        lines.seek(place.offset - place.span)
        return digest(lines.readline(LONGEST)) == place.tail


def unread(file: SegmentFile, place: Place) -> Iterator[Unread]:
    """The whole lines after a place. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
    if file.pruned:
        for kept in numbered(file):
            if not place.first <= kept.number < _LAST:
                raise changed(f"{file.path} has a record with the number {kept.number}")
            yield Unread(kept.number, kept.record, len(kept.record) + 1)
        return
    number = place.end
    with _opened(file) as lines:
        lines.seek(place.offset)
        for line, taken in _whole(lines):
            yield Unread(number, line, taken)
            number += 1


def _whole(lines: gzip.GzipFile | BufferedReader) -> Iterator[tuple[bytes, int]]:
    """Lines with their feed, and their bytes. Zeros are the room that is kept behind the last one."""
    while line := lines.readline(LONGEST):
        taken, more = len(line), line
        while not more.endswith(b"\n"):
            more = lines.readline(LONGEST)
            if line[0] == 0 or not more:
                return
            taken += len(more)
        yield line, taken


@contextmanager
def _opened(file: SegmentFile) -> Iterator[gzip.GzipFile | BufferedReader]:
    try:
        with file.open() as lines:
            yield lines
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise changed(f"{file.path} is damaged: {error}") from None


def digest(line: bytes) -> bytes:
    """By which a line is known again."""
    return sha256(line).digest()
