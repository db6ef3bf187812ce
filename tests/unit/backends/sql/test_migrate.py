"""Databases of earlier versions, brought to today's."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine

from doorward.backends.sql import migrate
from doorward.backends.sql.sqlite import HEAD, open_sqlite
from tests.contract.store import NARROWED, OPERATOR, RECORD, key


def migrated(path: Path, revision: str) -> None:
    """An empty database as `revision` has left it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), revision)
    engine.dispose()


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of the first version with two keys, of which one was revoked, and a record on its way."""
    path = tmp_path / "doorward.db"
    migrated(path, "0001")
    rows = [
        (one.id, one.name, one.agent, one.environment, one.digest, one.pepper_version, one.created_at,
         one.created_by, one.expires_at, revoked_at)
        for one, revoked_at in ((RECORD, None), (key("z", RECORD.created_at + 1), 1_790_000_100.5))
    ]  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO outbox (record) VALUES (?)", (b"waiting",))
        connection.execute("UPDATE epoch SET value = 7")
        connection.commit()
    return path


def test_keys_of_the_first_version_live_on_and_narrow_nothing(old: Path) -> None:
    store = open_sqlite(old)
    first, second = store.keys()
    assert first == RECORD
    assert second.revoked_at == 1_790_000_100.5
    assert (first.creator_id, first.servers, first.tools, first.read_only) == (None, None, None, False)
    assert (first.rate, first.networks, first.previous, first.expires_at) == (None, None, None, None)
    store.close()


def test_what_waits_and_the_epoch_are_kept(old: Path) -> None:
    store = open_sqlite(old)
    assert [entry.record for entry in store.outbox(0, 10)] == [b"waiting"]
    assert store.epoch() == 7
    store.close()


def test_it_can_do_afterwards_what_a_new_one_can(old: Path) -> None:
    store = open_sqlite(old)
    store.add_key(NARROWED, b"1")
    store.add_operator(OPERATOR, b"2")
    assert store.keys()[-1] == NARROWED
    assert store.operators() == [OPERATOR]
    store.close()


def test_it_is_migrated_once(old: Path) -> None:
    open_sqlite(old).close()
    store = open_sqlite(old)
    assert store.keys()[0] == RECORD
    store.close()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'keys_0001'").fetchall()


def test_the_way_back_keeps_the_keys_and_nothing_newer(old: Path) -> None:
    open_sqlite(old).close()
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    engine.dispose()
    with closing(sqlite3.connect(old)) as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(keys)")][-1] == "revoked_at"
        assert connection.execute("SELECT id, digest FROM keys ORDER BY created_at").fetchone() == (
            RECORD.id,
            RECORD.digest,
        )
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables.isdisjoint({"operators", "blocks"})
    store = open_sqlite(old)
    assert store.keys()[0] == RECORD
    store.close()
