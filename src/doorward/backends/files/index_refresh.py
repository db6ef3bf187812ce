"""Brings the index up to date with the log: one transaction a segment.

So several readers can share an index, and a crash leaves it at some moment of the log. What is pruned in the
log is dropped here, and a segment that is not the one that was read any more is read anew.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doorward.backends.files.checkpoints import changed
from doorward.backends.files.index_file import writing
from doorward.backends.files.index_lines import Place, Stamp, digest, fits, place_of, unread
from doorward.backends.files.index_rows import KEEP
from doorward.backends.files.index_writer import IndexWriter
from doorward.backends.files.lookup import numbered
from doorward.backends.files.segment_lines import SegmentFile, segment_files

LOOKS: Final = 4
"""How often a segment may be compressed or pruned while it is read."""


def refresh(connection: sqlite3.Connection, directory: Path) -> int:
    """Read what the log has more than the index. How many lines of the log are no records.

    Raises OSError, sqlite3.Error, GatewayError(AUDIT_UNAVAILABLE) for what is no log.
    """
    for look in range(LOOKS):
        try:
            _refresh(connection, segment_files(directory))
            break
        except FileNotFoundError:  # compressed or pruned since the directory was read
            if look == LOOKS - 1 or not directory.is_dir():
                raise
    (damaged,) = connection.execute("SELECT total(damaged) FROM segment").fetchone()
    return int(damaged)


def _refresh(connection: sqlite3.Connection, files: Sequence[SegmentFile]) -> None:
    known = _places(connection)
    numbers = {file.number for file in files}
    gone = [place for number, place in known.items() if number not in numbers]
    if gone:
        with writing(connection):
            _take_back(connection, files, _forgotten(connection, gone))
    for file in files:
        place = known.get(file.number)
        if place is None or not place.whole or place.stamp != Stamp.of(file):
            _take(connection, file, files, complete=file != files[-1])


def _take(
    connection: sqlite3.Connection, file: SegmentFile, files: Sequence[SegmentFile], *, complete: bool
) -> None:
    """All of a segment that is not in the index yet."""
    stamp = Stamp.of(file)  # before it is read: what comes in the meantime shows as another stamp
    with writing(connection):
        place, orphans = _places(connection).get(file.number), set[int]()
        if place is not None and not fits(file, place):
            orphans, place = _forgotten(connection, [place]), None
        place = place or place_of(file)
        if place is None:
            _take_back(connection, files, orphans)
            return
        _check(connection, file, place)
        writer, head, last = IndexWriter(connection), place.head, b""
        lines, offset, span = place.lines, place.offset, place.span
        for each in unread(file, place):
            writer.add(each.number, each.line)
            head, last = head or digest(each.line), each.line
            lines, offset, span = each.number + 1 - place.first, offset + each.bytes, each.bytes
        writer.close()
        tail = digest(last) if last else place.tail
        damaged = place.damaged + writer.damaged
        now = Place(
            file.number, *stamp, place.first, lines, offset, span, head, tail, complete, damaged
        )  # fmt: skip
        connection.execute(KEEP, now)
        _take_back(connection, files, orphans)


def _check(connection: sqlite3.Connection, file: SegmentFile, place: Place) -> None:
    """Raises GatewayError(AUDIT_UNAVAILABLE) where two segments claim the same records."""
    end, start = connection.execute(
        "SELECT (SELECT max(first + lines) FROM segment WHERE number < ?1),"
        " (SELECT min(first) FROM segment WHERE number > ?1)",
        (file.number,),
    ).fetchone()
    if (end is not None and end > place.first) or (start is not None and start <= place.first):
        raise changed(f"{file.path} begins with record {place.first}, which another segment has too")


def _forgotten(connection: sqlite3.Connection, places: Sequence[Place]) -> set[int]:
    """Drop what was read of segments. The numbers of outcomes that have lost their decisions by that."""
    writer = IndexWriter(connection)
    for place in places:
        connection.execute("DELETE FROM segment WHERE number = ?", (place.number,))
    return {number for place in places for number in writer.forget(place.first, place.end)}


def _take_back(connection: sqlite3.Connection, files: Sequence[SegmentFile], orphans: set[int]) -> None:
    """Outcomes whose decisions were dropped: to these if they were read anew, or as entries of their own."""
    writer, known = IndexWriter(connection), _places(connection)
    for file in files if orphans else ():
        place = known.get(file.number)
        here = {number for number in orphans if place is not None and place.first <= number < place.end}
        for found in numbered(file) if here else ():
            if found.number in here:
                writer.add(found.number, found.record)
    writer.close()


def _places(connection: sqlite3.Connection) -> dict[int, Place]:
    rows = connection.execute("SELECT * FROM segment ORDER BY number")
    return {row[0]: Place(*row) for row in rows}
