"""Takes records into the index, within one transaction."""

import sqlite3
from typing import Any, Final

from doorward.audit.entries import Entry, entry_of
from doorward.backends.files.index_parts import Shapes
from doorward.backends.files.index_rows import (
    INSERT,
    SELECT,
    UPDATE,
    entry_of_row,
    packed_digest,
    packed_id,
    row_of,
)

_AT_ONCE: Final = 20_000
"""Entries that are held before they are written."""


class IndexWriter:
    """Belongs to one transaction: another one may have given shapes other ids."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._entries: list[Entry] = []
        self._open: dict[str, Entry] = {}
        """Of these, the decisions whose outcome has not come yet, by call."""
        self._shapes = Shapes(connection)
        self.damaged = 0
        """Lines that were no records."""

    def add(self, number: int, line: bytes) -> None:
        """One record, or a line that is none."""
        try:
            entry = entry_of(number, line)
        except ValueError:
            self.damaged += 1
            return
        if entry.how.kind == "outcome":
            if (decision := self._open.pop(entry.id, None)) is not None:
                decision.join(entry)
                return
            self._flush()
            if self._ended(entry):
                return
        elif entry.how.kind == "decision":
            self._open[entry.id] = entry
        self._entries.append(entry)
        if len(self._entries) >= _AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Write what is still held."""
        self._flush()

    def forget(self, first: int, end: int) -> list[int]:
        """Drop the records from `first` until before `end`, and what is known of them alone.

        The numbers of outcomes that are still in the log, but in no entry any more.
        """
        self._flush()
        run, span = self._connection.execute, (first, end)
        left = run(
            "SELECT done FROM late WHERE number >= ? AND number < ? AND done >= ?", (*span, end)
        ).fetchall()
        run("DELETE FROM entry WHERE number >= ? AND number < ?", span)
        run("DELETE FROM late WHERE number >= ? AND number < ?", span)
        late = run("SELECT number FROM late WHERE done >= ? AND done < ?", span).fetchall()
        for (number,) in late:
            (row,) = run(f"{SELECT} WHERE number = ?", (number,))
            entry = entry_of_row(row, self._shapes.parts(row[2]))
            entry.part()
            self._update(entry)
        run("DELETE FROM late WHERE done >= ? AND done < ?", span)
        self._shapes.drop_unused()
        return [number for (number,) in left]

    def _flush(self) -> None:
        rows = [row_of(entry, self._shapes.number(entry)) for entry in self._entries]
        self._connection.executemany(INSERT, rows)
        self._entries.clear()
        self._open.clear()

    def _ended(self, outcome: Entry) -> bool:
        """Whether the outcome belongs to a call that was written before."""
        found = self._connection.execute(
            f"{SELECT} WHERE id = ? AND done IS NULL ORDER BY number DESC", (packed_id(outcome.id),)
        )
        for row in found.fetchall():
            entry = entry_of_row(row, self._shapes.parts(row[2]))
            if entry.how.kind == "decision":
                entry.join(outcome)
                self._update(entry)
                self._connection.execute("INSERT INTO late VALUES (?, ?)", (outcome.number, entry.number))
                return True
        return False

    def _update(self, entry: Entry) -> None:
        values: tuple[Any, ...] = (entry.done, entry.latency, entry.bytes, packed_digest(entry.result))
        self._connection.execute(UPDATE, (self._shapes.number(entry), *values, entry.number))
