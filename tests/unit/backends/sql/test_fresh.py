"""What is made at once is what the migrations make one after the other."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from doorward.backends.sql import fresh
from doorward.backends.sql.migrate import upgrade
from doorward.backends.sql.sqlite import HEAD
from doorward.backends.sql.tables import metadata


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def schema(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")
    return {name: "".join((sql or "").split()) for name, sql in rows}


def rows(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    found = {}
    for name in (*metadata.tables, "alembic_version"):
        found[name] = [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]  # noqa: S608
    return found


def test_it_is_what_the_migrations_make(connection: Connection) -> None:
    upgrade(connection)
    migrated = schema(connection), rows(connection)
    for name in (*metadata.tables, "alembic_version"):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    fresh.create(connection, HEAD)
    assert (schema(connection), rows(connection)) == migrated
    assert migrated[1] == {name: [] for name in metadata.tables} | {
        "epoch": [(1, 0)],
        "alembic_version": [(HEAD,)],
    }


def test_a_migration_after_it_has_nothing_to_do(connection: Connection) -> None:
    fresh.create(connection, HEAD)
    before = schema(connection), rows(connection)
    upgrade(connection)
    assert (schema(connection), rows(connection)) == before


def test_only_nothing_at_all_is_empty(connection: Connection) -> None:
    assert fresh.is_empty(connection)
    connection.exec_driver_sql("CREATE VIEW theirs AS SELECT 1")
    assert not fresh.is_empty(connection)


def test_it_does_not_add_to_what_is_there(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE keys (id)")
    with pytest.raises(SQLAlchemyError, match="already exists"):
        fresh.create(connection, HEAD)
