"""What `doorward audit query|show|export` asks: the index beside the log, brought up to date first."""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from doorward import __version__
from doorward.app.state import paths
from doorward.audit import filters
from doorward.audit.entries import Entry
from doorward.audit.filters import Filter
from doorward.audit.ocsf import event
from doorward.audit.tabular import FIELDS, csv_lines, row
from doorward.backends.files.index import AuditIndex
from doorward.backends.files.index_file import discard
from doorward.backends.files.lookup import records_at
from doorward.config.load import Loaded

INDEX: Final = "audit-index.db"
_encode: Final = msgspec.json.Encoder().encode


Wanted = Filter
"""What a command asks for; the commands do not know `audit`."""


class NoLog(LookupError):
    """There is no audit log in that place."""


class Damaged(ValueError):
    """Some lines of the log are no records; the text says how many."""


@dataclass(frozen=True, slots=True)
class Place:
    """A log, and where its index is kept; None for an index that lasts as long as the question."""

    log: Path
    index: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found."""

    entries: list[dict[str, Any]]
    """Rows as `audit.tabular.row` makes them."""
    more: bool
    """Whether there are more than were asked for."""
    damaged: int
    """Lines of the log that are no records."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are."""

    entries: int
    requests: int
    """Roll-ups count as many as they stand for."""
    damaged: int


def parse(text: str, now: float) -> Wanted:
    """See `audit.filters.parse`. Raises ValueError, which says what may have been meant."""
    return filters.parse(text, now)


def place_of(loaded: Loaded) -> Place:
    """Of the log of a configuration."""
    where = paths(loaded.settings)
    return Place(where.audit, where.root / INDEX)


def query(place: Place, wanted: Filter, *, limit: int | None, newest: bool) -> Answer:
    """At most `limit` entries. Raises NoLog, OSError, GatewayError(AUDIT_UNAVAILABLE)."""
    with opened(place) as (index, damaged):
        more = None if limit is None else limit + 1
        found = [row(entry) for entry in index.find(wanted, limit=more, newest_first=newest)]
    return Answer(found[:limit], limit is not None and len(found) > limit, damaged)


def count(place: Place, wanted: Filter) -> Counted:
    """Raises as `query`."""
    with opened(place) as (index, damaged):
        return Counted(*index.count(wanted), damaged)


def export(
    place: Place, wanted: Filter, form: str, *, limit: int | None = None, newest: bool | None = None
) -> Iterator[str]:
    """Lines of one of `FORMS`, as many as there are, none of them kept.

    In the order of the log, unless `newest` says which come first, which the records themselves (`json`) take
    no notice of. Raises as `query`, and Damaged after the last line.
    """
    with opened(place) as (index, damaged):
        by_number = newest is None or form == "json"
        entries = index.find(
            wanted, limit=limit, newest_first=not by_number and bool(newest), by_number=by_number
        )
        yield from FORMS[form](place, entries)
    if damaged:
        raise Damaged(f"{damaged} lines of the log are no records")


@contextmanager
def opened(place: Place) -> Iterator[tuple[AuditIndex, int]]:
    """An index that is up to date, and how many lines of the log are no records. Raises as `query`."""
    if not place.log.is_dir():
        raise NoLog(f"there is no audit log in {place.log}: a gateway makes it when it first runs")
    if place.index is None:
        with (
            TemporaryDirectory(prefix="doorward-index-") as directory,
            _ready(place.log, Path(directory) / INDEX) as it,
        ):
            yield it
        return
    with _ready(place.log, place.index) as it:
        yield it


@contextmanager
def _ready(log: Path, file: Path) -> Iterator[tuple[AuditIndex, int]]:
    try:
        try:
            opened_index = AuditIndex(log, file)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"no index can be kept in {file}: {why}; --log {log} asks without one") from None
        with opened_index as index:
            yield index, index.refresh()
    except sqlite3.OperationalError as error:
        raise OSError(f"the index {file} cannot be used: {error}") from None
    except sqlite3.DatabaseError as error:
        discard(file)
        raise OSError(f"the index {file} was damaged ({error}) and is removed: ask again") from None


def _records(place: Place, entries: Iterable[Entry]) -> Iterator[str]:
    for found in records_at(place.log, numbers_of(entries)):
        yield found.record.decode("utf-8", "replace")


def numbers_of(entries: Iterable[Entry]) -> Iterator[int]:
    """Of all their records, ascending. Few calls are on their way at any moment, so few are held here."""
    waiting: list[int] = []
    for entry in entries:
        while waiting and waiting[0] < entry.number:
            yield heapq.heappop(waiting)
        yield entry.number
        if entry.done is not None:
            heapq.heappush(waiting, entry.done)
    while waiting:
        yield heapq.heappop(waiting)


def _csv(_: Place, entries: Iterable[Entry]) -> Iterator[str]:
    return csv_lines(entries)


def _fields(_: Place, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.how.kind in {"decision", "refusal", "denials"}:
            yield _encode({name: of(entry) for name, of in FIELDS.items()}).decode()


def _ocsf(_: Place, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        if (made := event(entry, __version__)) is not None:
            yield _encode(made).decode()


FORMS: Final[Mapping[str, Callable[[Place, Iterable[Entry]], Iterator[str]]]] = {
    "json": _records,
    "csv": _csv,
    "ocsf": _ocsf,
    "fields": _fields,
}
