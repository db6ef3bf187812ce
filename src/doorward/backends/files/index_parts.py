"""What entries have in common, as numbers: each part once, and each combination of parts that occurs."""

import sqlite3
from collections.abc import Mapping
from typing import Final, cast

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.filters import Filter
from doorward.audit.matching import COMMON, PARTS, Part, conditions, meets
from doorward.backends.files.index_rows import facts, part_of

_MOST: Final = 50_000
"""Parts and shapes that are remembered."""
_IDS: Final[Mapping[Part, tuple[str, str]]] = {
    part: (
        f"INSERT OR IGNORE INTO {part} (facts) VALUES (?)",  # noqa: S608 - our own tables
        f"SELECT id FROM {part} WHERE facts = ?",  # noqa: S608
    )
    for part in PARTS
}
_FACTS: Final[Mapping[Part, str]] = {
    part: f"SELECT facts FROM {part} WHERE id = ?"  # noqa: S608 - our own tables
    for part in PARTS
}


class Shapes:
    """Belongs to one transaction: in another one the numbers may mean something else."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parts: dict[tuple[Part, Who | What | How], int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}
        self._known: dict[int, tuple[Who, What, How]] = {}

    def number(self, entry: Entry) -> int:
        """Of an entry's shape, which gets one when it has none."""
        parts = (self._part("who", entry.who), self._part("what", entry.what), self._part("how", entry.how))
        known = self._shapes.get(parts)
        if known is not None:
            return known
        run = self._connection.execute
        run("INSERT OR IGNORE INTO shape (who, what, how) VALUES (?, ?, ?)", parts)
        (found,) = run("SELECT id FROM shape WHERE who = ? AND what = ? AND how = ?", parts).fetchone()
        if len(self._shapes) >= _MOST:
            self._shapes.clear()
        self._shapes[parts] = int(found)
        return int(found)

    def parts(self, number: int) -> tuple[Who, What, How]:
        """Of a shape."""
        known = self._known.get(number)
        if known is None:
            run = self._connection.execute
            ids = run("SELECT who, what, how FROM shape WHERE id = ?", (number,)).fetchone()
            found = [
                part_of(part, run(_FACTS[part], (at,)).fetchone()[0])
                for part, at in zip(PARTS, ids, strict=True)
            ]
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[number] = cast("tuple[Who, What, How]", tuple(found))
        return known

    def drop_unused(self) -> None:
        """What no entry has any more; the numbers are free again."""
        run = self._connection.execute
        run("DELETE FROM shape WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.shape = shape.id)")
        for part in PARTS:
            run(f"DELETE FROM {part} WHERE id NOT IN (SELECT {part} FROM shape)")  # noqa: S608 - our own tables
        self._parts.clear()
        self._shapes.clear()
        self._known.clear()

    def _part(self, part: Part, value: Who | What | How) -> int:
        known = self._parts.get((part, value))
        if known is not None:
            return known
        insert, select = _IDS[part]
        text = facts(value)
        self._connection.execute(insert, (text,))
        (found,) = self._connection.execute(select, (text,)).fetchone()
        if len(self._parts) >= _MOST:
            self._parts.clear()
        self._parts[part, value] = int(found)
        return int(found)


def chosen(connection: sqlite3.Connection, wanted: Filter) -> dict[Part, list[int]]:
    """Of each part that the filter says something about, the numbers of those that it is content with."""
    found: dict[Part, list[int]] = {}
    for part in PARTS:
        asked = conditions(wanted, COMMON[part])
        if asked:
            rows = connection.execute(f"SELECT id, facts FROM {part}")  # noqa: S608 - our own tables
            found[part] = [number for number, text in rows if meets(part_of(part, text), part, asked)]
    return found
