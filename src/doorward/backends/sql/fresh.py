"""A database that has nothing yet gets the newest tables at once: Alembic, which takes longer to import than
all the rest of a start, is for databases that have rows to keep."""

from typing import Final

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, text

from doorward.backends.sql import tables

_revision: Final = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def is_empty(connection: Connection) -> bool:
    """No tables, views, indexes or triggers, ours or anybody's."""
    return connection.execute(text("SELECT 1 FROM sqlite_master LIMIT 1")).first() is None


def create(connection: Connection, revision: str) -> None:
    """What the migrations up to `revision`, the newest, would leave, within the caller's transaction.

    Raises SQLAlchemyError where it is not empty.
    """
    tables.metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(tables.epoch).values(id=1, value=0))
    _revision.create(connection)
    connection.execute(insert(_revision).values(version_num=revision))
