"""The store in a relational database (port: Store). Every verb is one transaction."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from doorward.backends.sql import tables
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.store import BlockRecord, KeyRecord, OperatorRecord, OutboxEntry, StoreFacts

Record = TypeVar("Record", KeyRecord, OperatorRecord, BlockRecord)

_KEPT: Final = frozenset({"id", "created_at", "last_used_at", "revision"})
"""What a change does not touch, or counts up."""


class SqlStore:
    """Safe to use from several threads and processes. Each verb raises GatewayError(STORE_UNAVAILABLE)."""

    def __init__(self, engine: Engine, *, check: Callable[[], None] = lambda: None) -> None:
        """`engine`: of a database that has the newest schema; `close` disposes of it. `check` is asked before
        each verb and raises GatewayError(STORE_UNAVAILABLE) for a database that is not the one any more."""
        self._engine = engine
        self._check = check

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add_key(self, key: KeyRecord, change: bytes) -> None:
        """See ports/store.py."""
        self._add(tables.keys, key, change)

    def change_key(self, key: KeyRecord, change: bytes) -> bool:
        """See ports/store.py."""
        return self._change(tables.keys, key, change)

    def keys(self) -> list[KeyRecord]:
        """See ports/store.py."""
        with self._reading() as connection:
            return _all(connection, tables.keys, KeyRecord)

    def add_operator(self, operator: OperatorRecord, change: bytes) -> None:
        """See ports/store.py."""
        self._add(tables.operators, operator, change)

    def change_operator(self, operator: OperatorRecord, change: bytes) -> bool:
        """See ports/store.py."""
        return self._change(tables.operators, operator, change)

    def operators(self) -> list[OperatorRecord]:
        """See ports/store.py."""
        with self._reading() as connection:
            return _all(connection, tables.operators, OperatorRecord)

    def add_block(self, block: BlockRecord, change: bytes) -> None:
        """See ports/store.py."""
        self._add(tables.blocks, block, change)

    def change_block(self, block: BlockRecord, change: bytes) -> bool:
        """See ports/store.py."""
        return self._change(tables.blocks, block, change)

    def blocks(self) -> list[BlockRecord]:
        """See ports/store.py."""
        with self._reading() as connection:
            return _all(connection, tables.blocks, BlockRecord)

    def facts(self) -> StoreFacts:
        """See ports/store.py."""
        with self._reading() as connection:
            return StoreFacts(
                _epoch(connection),
                tuple(_all(connection, tables.keys, KeyRecord)),
                tuple(_all(connection, tables.operators, OperatorRecord)),
                tuple(_all(connection, tables.blocks, BlockRecord)),
            )

    def touch(self, last_used: Mapping[str, float]) -> None:
        """See ports/store.py."""
        if not last_used:
            return
        rows = [{"used_id": used_id, "at": at} for used_id, at in last_used.items()]
        with self._transaction() as connection:
            for table in (tables.keys, tables.operators):
                before = table.c.last_used_at
                older = before.is_(None) | (before < bindparam("at"))
                used = update(table).where((table.c.id == bindparam("used_id")) & older)
                connection.execute(used.values(last_used_at=bindparam("at")), rows)

    def add_change(self, change: bytes) -> None:
        """See ports/store.py."""
        with self._transaction() as connection:
            _changed(connection, change)

    def epoch(self) -> int:
        """See ports/store.py."""
        with self._reading() as connection:
            return _epoch(connection)

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

    def _add(self, table: Table, record: Record, change: bytes) -> None:
        with self._transaction() as connection:
            try:
                connection.execute(insert(table).values(_values(record)))
            except IntegrityError as error:
                raise _taken(record, error) from error
            _changed(connection, change)

    def _change(self, table: Table, record: Record, change: bytes) -> bool:
        values = {name: value for name, value in _values(record).items() if name not in _KEPT}
        read = (table.c.id == record.id) & (table.c.revision == record.revision)
        now = update(table).where(read).values(**values, revision=record.revision + 1)
        with self._transaction() as connection:
            try:
                found = connection.execute(now).rowcount
            except IntegrityError as error:
                raise _taken(record, error) from error
            if found == 0:
                return False
            _changed(connection, change)
            return True

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self._check()
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check()
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        except msgspec.MsgspecError as error:
            # Who may do what is not known then: whoever relies on the store has to refuse, and to ask again.
            message = f"the database holds a record that cannot be read: {error}"
            raise GatewayError(Reason.STORE_UNAVAILABLE, message) from error


def _values(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _all(connection: Connection, table: Table, kind: type[Record]) -> list[Record]:
    """Oldest first. Raises msgspec.MsgspecError: SQLite takes any value in any column."""
    names = kind.__struct_fields__
    query = select(*(table.c[name] for name in names)).order_by(table.c.created_at, table.c.id)
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind) for row in connection.execute(query)]


def _epoch(connection: Connection) -> int:
    value: int = connection.execute(select(tables.epoch.c.value)).scalar_one()
    return value


def _taken(record: KeyRecord | OperatorRecord | BlockRecord, error: IntegrityError) -> ValueError:
    if isinstance(record, OperatorRecord) and "name" in str(error.orig):
        return ValueError(f"an operator is named {record.name} already")
    return ValueError(f"{record.id} exists, or lacks something")


def _changed(connection: Connection, change: bytes) -> None:
    """What every change of state does, in its transaction."""
    connection.execute(insert(tables.outbox).values(record=change))
    connection.execute(update(tables.epoch).values(value=tables.epoch.c.value + 1))


def _unavailable(error: SQLAlchemyError) -> GatewayError:
    # The driver's words only: SQLAlchemy's own text repeats the statement and its values.
    cause = getattr(error, "orig", None) or type(error).__name__
    return GatewayError(Reason.STORE_UNAVAILABLE, f"the database cannot be used: {cause}")
