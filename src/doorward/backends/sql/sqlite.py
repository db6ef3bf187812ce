"""SQLite as Doorward opens it: private file, WAL, full sync, explicit transactions, newest schema."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from doorward.backends.sql import fresh
from doorward.backends.sql.store import SqlStore
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

HEAD: Final = "0002"
"""Newest revision under migrations/: a database that has it needs no Alembic to be opened."""
BUSY_TIMEOUT_MS: Final = 5_000
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    # A revocation that was confirmed must survive a power failure; WAL's usual NORMAL may lose it.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def open_sqlite(path: Path) -> SqlStore:
    """The store in the file at `path`; makes and migrates it when needed.

    Raises GatewayError(STORE_UNAVAILABLE): no access, not a database, or made by a newer Doorward.
    """
    try:
        _make(path)
        engine = _engine(path)
        try:
            with engine.connect() as connection:
                _migrate(connection)
            place = _Place(path)
        except (OSError, SQLAlchemyError):
            engine.dispose()
            raise
    except (OSError, SQLAlchemyError) as error:
        cause = getattr(error, "orig", None) or error
        raise GatewayError(Reason.STORE_UNAVAILABLE, f"{path} cannot be opened: {cause}") from error
    return SqlStore(engine, check=place.check)


class _Place:
    """A file that was moved away, removed or replaced is still there for whoever has it open: what others
    revoke in its successor would never be seen here, and what is changed here would be lost."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._was = self._now()

    def check(self) -> None:
        """Raises GatewayError(STORE_UNAVAILABLE)."""
        try:
            same = self._now() == self._was
        except OSError:
            same = False
        if not same:
            message = (
                f"{self._path} is not the file any more that was opened: restart once it is the right one"
            )
            raise GatewayError(Reason.STORE_UNAVAILABLE, message)

    def _now(self) -> tuple[int, int]:
        found = os.stat(self._path)  # noqa: PTH116 - four times a second, and a third of the price
        return found.st_dev, found.st_ino


def _make(path: Path) -> None:
    """SQLite gives the -wal and -shm files the mode of the main file, so that one is made first, by us."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _began)
    return engine


def _connected(connection: Any, _record: Any) -> None:
    # Python's sqlite3 begins transactions by guessing from statements; we begin them ourselves.
    connection.isolation_level = None
    with closing(connection.cursor()) as cursor:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)


def _began(connection: Connection) -> None:
    # A transaction that reads first and writes later may fail at once under WAL instead of waiting its turn.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: Connection) -> None:
    if _revision(connection) == HEAD:
        return
    connection.rollback()
    # Another process may be at it too: whoever comes second waits here, and finds it made.
    with connection.execution_options(writes=True).begin():
        if fresh.is_empty(connection):
            fresh.create(connection, HEAD)
        elif _revision(connection) != HEAD:
            from doorward.backends.sql.migrate import upgrade

            upgrade(connection)


def _revision(connection: Connection) -> str | None:
    tables = connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'alembic_version'"))
    if tables.first() is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
