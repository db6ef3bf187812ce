"""The tables as the newest migration leaves them (tests/unit/backends/sql compares the two).

The columns of `keys`, `operators` and `blocks` are the fields of the port's records, by name.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from doorward.backends.sql.values import AsJson
from doorward.ports.store import Previous

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
    Column("creator_id", String(15)),
    Column("servers", AsJson(tuple[str, ...])),
    Column("tools", AsJson(tuple[str, ...])),
    Column("read_only", Boolean, nullable=False),
    Column("rate", String(32)),
    Column("networks", AsJson(tuple[str, ...])),
    Column("previous", AsJson(Previous)),
    Column("last_used_at", Float),
    Column("revision", Integer, nullable=False),
    Index("keys_by_age", "created_at", "id"),
)

operators: Final = Table(
    "operators",
    metadata,
    Column("id", String(15), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("pepper_version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("agents", AsJson(tuple[str, ...])),
    Column("servers", AsJson(tuple[str, ...])),
    Column("expires_at", Float),
    Column("removed_at", Float),
    Column("last_used_at", Float),
    Column("revision", Integer, nullable=False),
    Index("operators_by_age", "created_at", "id"),
    # A name in a record means one operator: it is free again once that one was removed.
    Index("operators_by_name", "name", unique=True, sqlite_where=text("removed_at IS NULL")),
)

blocks: Final = Table(
    "blocks",
    metadata,
    Column("id", String(15), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("value", String(2048), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("issuer", String(2048)),
    Column("expires_at", Float),
    Column("lifted_at", Float),
    Column("revision", Integer, nullable=False),
    Index("blocks_by_age", "created_at", "id"),
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
