"""The index as a SQLite file of its owner's alone: opened, or made anew when it is not what it should be."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from doorward.backends.files.index_rows import SCHEMA, VERSION
from doorward.backends.files.private import locked_directory

BUSY_S: Final = 120.0
"""How long one reader waits for another that takes a segment in."""
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # what a power failure takes is read again
    "PRAGMA secure_delete = ON",  # what is pruned is not left in free pages
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -65536",
    "PRAGMA temp_store = MEMORY",
)


def open_index(file: Path) -> sqlite3.Connection:
    """Without implicit transactions. Raises OSError, sqlite3.Error."""
    try:
        return _opened(file)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
    discard(file)
    return _opened(file)


def discard(file: Path) -> None:
    """Remove an index that is damaged: everything in it can be read from the log again. Raises OSError."""
    with locked_directory(file.parent):
        for suffix in ("", "-wal", "-shm"):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that may write; waits for others."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """One moment of the index."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def _opened(file: Path) -> sqlite3.Connection:
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if _version(connection) != VERSION:
            with writing(connection):
                if _version(connection) != VERSION:  # still, now that nobody else makes it
                    _make(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def _make(connection: sqlite3.Connection) -> None:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        if not name.startswith("sqlite_"):
            connection.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA:
        connection.execute(statement)
