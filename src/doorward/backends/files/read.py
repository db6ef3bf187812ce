"""Reading the audit log beside its writer: whole records only, across segments."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from doorward.backends.files.recover import segment_path
from doorward.backends.files.segment_lines import SegmentFile, segment_files
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

_CHUNK: Final = 1024 * 1024
_FORMS: Final = ("jsonl", "jsonl.gz", "kept.jsonl", "none")
"""What a segment can become while it is read, one after the other."""
POLL: Final = 0.2
"""Seconds between two looks at a log that has nothing new."""


def read_records(directory: Path) -> Iterator[bytes]:
    """Every whole record, oldest first, without its newline. Raises GatewayError(AUDIT_UNAVAILABLE)."""
    cursor = Cursor(directory)
    while records := cursor.read():
        yield from records


def last_records(directory: Path, count: int) -> list[bytes]:
    """The newest `count` records, oldest first; reads no more segments than it needs."""
    found: deque[bytes] = deque()
    for number in reversed(_segments(directory)):
        cursor = Cursor(directory, number, number)
        newest: deque[bytes] = deque(maxlen=max(0, count - len(found)))
        while records := cursor.read():
            newest.extend(records)
        found.extendleft(reversed(newest))
        if len(found) >= count:
            break
    return list(found)


def follow(
    directory: Path, *, last: int = 0, poll: float = POLL, sleep: Callable[[float], None] = time.sleep
) -> Iterator[bytes]:
    """The newest `last` records, then each further one, for ever. Raises GatewayError(AUDIT_UNAVAILABLE)."""
    cursor = Cursor(directory)
    newest: deque[bytes] = deque(maxlen=last)
    while records := cursor.read():
        newest.extend(records)
    yield from newest
    yield from follow_from(cursor, poll=poll, sleep=sleep)


def follow_from(
    cursor: "Cursor", *, skip: int = 0, poll: float = POLL, sleep: Callable[[float], None] = time.sleep
) -> Iterator[bytes]:
    """Each record behind a cursor but the first `skip`, for ever. Raises GatewayError(AUDIT_UNAVAILABLE)."""
    while True:
        records = cursor.read()
        if not records:
            sleep(poll)
        yield from records[skip:]
        skip = max(0, skip - len(records))


class Cursor:
    """A place in the log. `read` moves it past what it returns.

    Compressing or pruning a segment in the middle of reading it costs no record that is still there.
    """

    def __init__(self, directory: Path, first: int = 1, last: int | None = None) -> None:
        """Before the oldest record of segment `first`; stays within `last` when that is given."""
        self._directory = directory
        self._number = first
        self._last = last
        self._offset = 0
        """Bytes of the plain file that were read."""
        self._taken = 0
        """Records of this segment that were read."""
        self._rest: Iterator[bytes] | None = None
        """Those that follow, of a segment that is not plain any more."""

    def read(self) -> list[bytes]:
        """The next whole records, about 1 MiB of them; empty when there are none yet."""
        while True:
            # Asked before reading: a segment that has a successor is complete, so an empty read is its end.
            following = self._following()
            try:
                records = self._read_here()
            except OSError as error:
                raise _unreadable(self._directory, error) from error
            if records or following is None:
                return records
            self._number, self._offset, self._taken, self._rest = following, 0, 0, None

    def _following(self) -> int | None:
        later = (number for number in _segments(self._directory) if number > self._number)
        following = min(later, default=None)
        return (
            None if self._last is not None and following is not None and following > self._last else following
        )

    def _read_here(self) -> list[bytes]:
        """Raises OSError, GatewayError."""
        for _ in _FORMS:
            try:
                records = self._read_growing() if self._rest is None else _some(self._rest)
            except FileNotFoundError:  # there is none, or it has taken another form since
                self._rest = self._read_still()
                if self._rest is None:
                    return []
            else:
                self._taken += len(records)
                return records
        return []

    def _read_growing(self) -> list[bytes]:
        """Of a plain file, opened each time: what follows its last record may be written anew."""
        with segment_path(self._directory, self._number).open("rb") as file:
            file.seek(self._offset)
            data = file.read(_CHUNK)
            # A zero is no part of a record, but of the room behind the last one.
            while (end := data.rfind(b"\n") + 1) == 0 and data[-1:] != b"\0" and (more := file.read(_CHUNK)):
                data += more
        self._offset += end
        return data[: end - 1].split(b"\n") if end else []

    def _read_still(self) -> Iterator[bytes] | None:
        """Of a segment that is compressed or pruned; None when there is no such segment."""
        try:
            segment = next(each for each in segment_files(self._directory) if each.number == self._number)
        except (StopIteration, FileNotFoundError):
            return None
        return segment_rest(segment, self._taken)


def segment_rest(segment: SegmentFile, taken: int) -> Iterator[bytes]:
    """The records that are left behind the first `taken` of a segment. Raises OSError, GatewayError."""
    if not segment.pruned:
        yield from islice(segment.lines(), taken, None)
        return
    opening = segment.begins()
    first = 0 if opening is None else opening.first
    for kept in segment.kept():
        if kept.n >= first + taken:
            yield kept.record.encode()


def _some(records: Iterator[bytes]) -> list[bytes]:
    taken: list[bytes] = []
    size = 0
    for record in records:
        taken.append(record)
        size += len(record)
        if size >= _CHUNK:
            break
    return taken


def _segments(directory: Path) -> list[int]:
    try:
        return [segment.number for segment in segment_files(directory)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(directory: Path, error: OSError) -> GatewayError:
    return GatewayError(Reason.AUDIT_UNAVAILABLE, f"{directory} cannot be read: {error.strerror}")
