"""The tables as the newest migration leaves them (tests/unit/backends/sql compares the two)."""

from typing import Final

from sqlalchemy import CheckConstraint, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

metadata: Final = MetaData()

keys: Final = Table(
    "keys",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("environment", String(4), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("pepper_version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Index("keys_by_age", "created_at", "id"),
)

outbox: Final = Table(
    "outbox",
    metadata,
    # AUTOINCREMENT: a number is never used again, also when the newest row was deleted.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("record", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

epoch: Final = Table(
    "epoch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
    CheckConstraint("id = 1", name="epoch_is_one_row"),
)
