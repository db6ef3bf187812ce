"""Keys and outbox in a relational database (port: Store). Every verb is one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from doorward.backends.sql import tables
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.store import KeyRecord, OutboxEntry

_KEY_COLUMNS: Final = tuple(tables.keys.c[name] for name in KeyRecord.__struct_fields__)


class SqlStore:
    """Safe to use from several threads and processes. Each verb raises GatewayError(STORE_UNAVAILABLE)."""

    def __init__(self, engine: Engine) -> None:
        """`engine`: of a database that has the newest schema; `close` disposes of it."""
        self._engine = engine

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add_key(self, key: KeyRecord, change: bytes) -> None:
        """See ports/store.py."""
        values = {name: getattr(key, name) for name in KeyRecord.__struct_fields__}
        with self._transaction() as connection:
            try:
                connection.execute(insert(tables.keys).values(values))
            except IntegrityError as error:
                raise ValueError(f"key {key.id} exists, or lacks something") from error
            _changed(connection, change)

    def revoke_key(self, key_id: str, at: float, change: bytes) -> bool:
        """See ports/store.py."""
        live = (tables.keys.c.id == key_id) & tables.keys.c.revoked_at.is_(None)
        with self._transaction() as connection:
            if connection.execute(update(tables.keys).where(live).values(revoked_at=at)).rowcount == 0:
                return False
            _changed(connection, change)
            return True

    def add_change(self, change: bytes) -> None:
        """See ports/store.py."""
        with self._transaction() as connection:
            _changed(connection, change)

    def keys(self) -> list[KeyRecord]:
        """See ports/store.py."""
        query = select(*_KEY_COLUMNS).order_by(tables.keys.c.created_at, tables.keys.c.id)
        with self._reading() as connection:
            return [KeyRecord(*row) for row in connection.execute(query)]

    def epoch(self) -> int:
        """See ports/store.py."""
        with self._reading() as connection:
            value: int = connection.execute(select(tables.epoch.c.value)).scalar_one()
            return value

    def outbox(self, after: int, limit: int) -> list[OutboxEntry]:
        """See ports/store.py."""
        seq, record = tables.outbox.c.seq, tables.outbox.c.record
        query = select(seq, record).where(seq > after).order_by(seq).limit(limit)
        with self._reading() as connection:
            return [OutboxEntry(*row) for row in connection.execute(query)]

    def outbox_done(self, seq: int) -> None:
        """See ports/store.py."""
        with self._transaction() as connection:
            connection.execute(delete(tables.outbox).where(tables.outbox.c.seq <= seq))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _unavailable(error) from error


def _changed(connection: Connection, change: bytes) -> None:
    """What every change of state does, in its transaction."""
    connection.execute(insert(tables.outbox).values(record=change))
    connection.execute(update(tables.epoch).values(value=tables.epoch.c.value + 1))


def _unavailable(error: SQLAlchemyError) -> GatewayError:
    # The driver's words only: SQLAlchemy's own text repeats the statement and its values.
    cause = getattr(error, "orig", None) or type(error).__name__
    return GatewayError(Reason.STORE_UNAVAILABLE, f"the database cannot be used: {cause}")
