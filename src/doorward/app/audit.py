"""What `doorward audit tail` reads."""

from collections.abc import Iterator
from typing import Final

from doorward.app.queries import Place, numbers_of, opened, place_of
from doorward.audit.entries import Entry, entry_of
from doorward.audit.filters import Filter, FilterError
from doorward.audit.matching import Matcher
from doorward.backends.files.lookup import records_at
from doorward.backends.files.read import Cursor, follow, follow_from, last_records
from doorward.config.load import Loaded

REMEMBERED: Final = 10_000
"""Calls on their way whose decision is held, so that their outcome can be judged with it."""


def audit_tail(loaded: Loaded, follow_on: bool, count: int, wanted: Filter | None = None) -> Iterator[bytes]:
    """The last `count` records as JSON, oldest first; with `follow_on`, then each new one as it comes.

    With a filter only those of calls that it accepts: of the last `count` entries all records. Raises
    FilterError for a filter that is about the log as a whole.
    """
    place = place_of(loaded)
    if wanted is not None:
        if any(term.field == "number" for term in wanted.terms):
            raise FilterError("number is no condition for tail, which counts no records: use audit query")
        return _chosen(place, follow_on, count, wanted)
    if follow_on:
        return follow(place.log, last=count)
    return iter(last_records(place.log, count))


def _chosen(place: Place, follow_on: bool, count: int, wanted: Filter) -> Iterator[bytes]:
    with opened(place) as (index, _):
        entries = sorted(index.find(wanted, limit=count), key=lambda entry: entry.number)
        position = index.position()
    yield from (found.record for found in records_at(place.log, numbers_of(entries)))
    if follow_on:
        number, lines = position or (1, 0)
        sieve = Sieve(wanted)
        for record in follow_from(Cursor(place.log, number), skip=lines):
            yield from sieve.taken(record)


class Sieve:
    """Lets the records through whose calls a filter accepts."""

    def __init__(self, wanted: Filter) -> None:
        self._matcher = Matcher(wanted)
        self._waiting: dict[str, tuple[Entry, bytes | None]] = {}
        """Decisions by call, and their records where these were not let through."""

    def taken(self, record: bytes) -> list[bytes]:
        """What is to be shown now: an outcome may be the reason to show its decision."""
        try:
            entry = entry_of(0, record)
        except ValueError:
            return []
        if entry.how.kind == "outcome" and (held := self._waiting.pop(entry.id, None)) is not None:
            decision, unseen = held
            decision.join(entry)
            if not self._matcher.accepts(decision):
                return []
            return [record] if unseen is None else [unseen, record]
        # A decision has no outcome yet, which is not the same as never having one.
        early = entry.how.decision == "permit" and self._matcher.about_outcomes
        shown = not early and self._matcher.accepts(entry)
        if entry.how.kind == "decision" and entry.how.decision == "permit":
            if len(self._waiting) >= REMEMBERED:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[entry.id] = (entry, None if shown else record)
        return [record] if shown else []
