"""Reading the audit log beside its writer: whole records only, across segments."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from doorward.backends.files.recover import segment_path, segments
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

_CHUNK: Final = 1024 * 1024
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
    while True:
        records = cursor.read()
        if records:
            yield from records
        else:
            sleep(poll)


class Cursor:
    """A place in the log. `read` moves it past what it returns."""

    def __init__(self, directory: Path, first: int = 1, last: int | None = None) -> None:
        """Before the oldest record of segment `first`; stays within `last` when that is given."""
        self._directory = directory
        self._number = first
        self._last = last
        self._offset = 0

    def read(self) -> list[bytes]:
        """The next whole records, about 1 MiB of them; empty when there are none yet."""
        while True:
            # Asked before reading: a segment that has a successor is complete, so an empty read is its end.
            following = self._following()
            records = self._read_here()
            if records or following is None:
                return records
            self._number, self._offset = following, 0

    def _following(self) -> int | None:
        later = (number for number in _segments(self._directory) if number > self._number)
        following = min(later, default=None)
        return (
            None if self._last is not None and following is not None and following > self._last else following
        )

    def _read_here(self) -> list[bytes]:
        try:
            with segment_path(self._directory, self._number).open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK)
                # A zero is no part of a record, but of the room behind the last one.
                while (
                    (end := data.rfind(b"\n") + 1) == 0 and data[-1:] != b"\0" and (more := file.read(_CHUNK))
                ):
                    data += more
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self._directory, error) from error
        self._offset += end
        return data[: end - 1].split(b"\n") if end else []


def _segments(directory: Path) -> list[int]:
    try:
        return segments(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(directory: Path, error: OSError) -> GatewayError:
    return GatewayError(Reason.AUDIT_UNAVAILABLE, f"{directory} cannot be read: {error.strerror}")
