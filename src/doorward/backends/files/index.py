"""An index over the audit log, kept by its readers: the gateway pays nothing for it (docs/adr/0016)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from doorward.audit.entries import Entry
from doorward.audit.filters import Filter, Term
from doorward.backends.files.index_file import open_index, reading
from doorward.backends.files.index_parts import Shapes, chosen
from doorward.backends.files.index_refresh import refresh
from doorward.backends.files.index_rows import SELECT, entry_of_row
from doorward.backends.files.index_sql import Where, joined, of_own, of_parts, of_time, points

FEW: Final = 20_000
"""Entries that are sorted at once sooner than looked for in their order."""
ROLLED: Final = ("refusal", "denials")
"""Kinds of records that can stand for many requests."""
_ALL: Final = Filter()
_BY_SHAPE: Final = "INDEXED BY entry_shape"
_BY_TIME: Final = "INDEXED BY entry_ts"


class Found(NamedTuple):
    """How many there are."""

    entries: int
    times: int
    """Requests, where roll-ups count as many as they stand for."""


class AuditIndex:
    """The index in `file` over the log in `directory`. Asked for one thing at a time."""

    def __init__(self, directory: Path, file: Path, few: int = FEW) -> None:
        """Raises OSError, sqlite3.Error."""
        self._directory = directory
        self._most_sorted = few
        self._connection = open_index(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def refresh(self) -> int:
        """See index_refresh.py."""
        return refresh(self._connection, self._directory)

    def find(
        self,
        wanted: Filter = _ALL,
        *,
        limit: int | None = None,
        newest_first: bool = True,
        by_number: bool = False,
    ) -> Iterator[Entry]:
        """Entries by time, or by number; all of one moment of the index."""
        with reading(self._connection):
            where, source = self._plan(wanted)
            down = "DESC" if newest_first else "ASC"
            order = f"{'+ts' if source == _BY_SHAPE else 'ts'} {down}, number {down}"
            if by_number:
                order, source = f"number {down}", "NOT INDEXED" if source == _BY_TIME else source
            text = f"{SELECT} {source}{where.text} ORDER BY {order} LIMIT ?"
            shapes = Shapes(self._connection)
            for row in self._connection.execute(text, (*where.values, -1 if limit is None else limit)):
                yield entry_of_row(row, shapes.parts(row[2]))

    def count(self, wanted: Filter = _ALL) -> Found:
        """How many entries meet a filter."""
        with reading(self._connection):
            entries = self._sum("count(*)", wanted)
            rolled = wanted._replace(terms=(*wanted.terms, Term("kind", "=", ROLLED)))
            return Found(entries, entries + self._sum("total(times - 1)", rolled))

    def position(self) -> tuple[int, int] | None:
        """The segment that was read last, and how many of its lines; None when there is none."""
        found = self._connection.execute("SELECT number, lines FROM segment ORDER BY number DESC").fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def _plan(self, wanted: Filter) -> tuple[Where, str]:
        """Few entries are found by what they have in common and sorted; many are met on the way."""
        own, parts = of_own(wanted), chosen(self._connection, wanted)
        if points(wanted):
            return joined(of_parts(parts, led=False), of_time(wanted, led=False), own), ""
        led = of_parts(parts, led=True), of_time(wanted, led=True)
        if parts and self._few(joined(*led)):
            return joined(*led, own), _BY_SHAPE
        return joined(of_parts(parts, led=False), of_time(wanted, led=True), own), _BY_TIME

    def _few(self, where: Where) -> bool:
        text = f"SELECT count(*) FROM (SELECT 1 FROM entry {_BY_SHAPE}{where.text} LIMIT ?)"  # noqa: S608
        (number,) = self._connection.execute(text, (*where.values, self._most_sorted + 1)).fetchone()
        return int(number) <= self._most_sorted

    def _sum(self, what: str, wanted: Filter) -> int:
        if of_own(wanted) is None:
            parts = chosen(self._connection, wanted)
            where, source = joined(of_parts(parts, led=True), of_time(wanted, led=True)), ""
        else:
            where, source = self._plan(wanted)
            source = "NOT INDEXED" if source == _BY_TIME else source
        text = f"SELECT {what} FROM entry {source}{where.text}"  # noqa: S608 - our own words, marks for theirs
        (number,) = self._connection.execute(text, where.values).fetchone()
        return int(number)
