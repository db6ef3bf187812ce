import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from doorward.backends.sql import migrate, sqlite
from doorward.backends.sql.sqlite import open_sqlite
from doorward.backends.sql.store import SqlStore
from doorward.backends.sql.tables import metadata
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from tests.contract.store import BLOCK, OPERATOR, RECORD, StoreContract, key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "doorward.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = open_sqlite(path)
    yield store
    store.close()


class TestSqlStore(StoreContract):
    """Fixture `store` is the module's."""


def add_from_another_process(path: Path, prefix: str) -> None:
    store = open_sqlite(path)
    for number in range(10):
        store.add_key(key(f"{prefix}{number}"), f"{prefix}{number}".encode())
    store.close()


def test_two_processes_make_and_share_one_database(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=add_from_another_process, args=(path, prefix)) for prefix in "ab"]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0, 0]
    store = open_sqlite(path)
    assert len(store.keys()) == 20
    assert store.epoch() == 20
    assert len({entry.seq for entry in store.outbox(0, 100)}) == 20
    store.close()


def test_a_change_of_another_connection_is_seen_at_once(path: Path, store: SqlStore) -> None:
    other = open_sqlite(path)
    before = store.epoch()
    other.add_key(RECORD, b"{}")
    assert store.epoch() != before
    assert store.keys() == [RECORD]
    other.close()


def test_what_was_stored_is_there_after_reopening(path: Path, store: SqlStore) -> None:
    store.add_key(RECORD, b"change")
    store.close()
    again = open_sqlite(path)
    assert again.keys() == [RECORD]
    assert [entry.record for entry in again.outbox(0, 10)] == [b"change"]
    again.close()


def test_files_are_private_under_a_lax_umask(path: Path) -> None:
    lax = os.umask(0)
    try:
        store = open_sqlite(path)
        store.add_key(RECORD, b"{}")
    finally:
        os.umask(lax)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["doorward.db", "doorward.db-shm", "doorward.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.close()


def test_uses_wal_and_syncs_fully(store: SqlStore) -> None:
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_migrations_end_where_the_tables_say(store: SqlStore) -> None:
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_head_names_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == sqlite.HEAD


def refused(path: Path) -> str:
    with pytest.raises(GatewayError) as caught:
        open_sqlite(path)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    return caught.value.message


def test_refuses_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    assert "not a database" in refused(path)


def test_refuses_a_database_of_a_newer_version(path: Path, store: SqlStore) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "not made by this version" in refused(path)


def test_refuses_a_directory_in_the_files_place(path: Path) -> None:
    path.mkdir(parents=True)
    assert str(path) in refused(path)


def test_a_failing_database_is_store_unavailable_and_leaks_no_values(path: Path, store: SqlStore) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE outbox")
    with pytest.raises(GatewayError) as caught:
        store.add_key(RECORD, b"change")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    assert "alice" not in caught.value.message
    assert store.keys() == []  # the key went with its change record


def test_a_locked_database_is_store_unavailable(path: Path, store: SqlStore) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(GatewayError, match="locked"):
            store.add_key(RECORD, b"{}")
        assert store.keys() == []
    store.add_key(RECORD, b"{}")


def test_a_new_database_is_made_without_alembic(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from doorward.backends.sql.sqlite import open_sqlite;"
        "open_sqlite(Path(sys.argv[1])).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], timeout=60, check=False).returncode == 0


def test_a_database_that_migrations_began_is_migrated(path: Path, store: SqlStore) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM alembic_version")
        for name in metadata.tables:
            connection.execute(f"DROP TABLE {name}")
        connection.commit()
    again = open_sqlite(path)
    again.add_key(RECORD, b"{}")
    assert again.epoch() == 1
    again.close()


ODD = {
    "no JSON": "UPDATE keys SET servers = 'not json'",
    "JSON of another kind": "UPDATE keys SET tools = '[1]'",
    "text for a time": "UPDATE keys SET expires_at = 'soon'",
    "no replaced secret": "UPDATE keys SET previous = '{}'",
    "text for an operator's time": "UPDATE operators SET expires_at = 'soon'",
    "no globs of an operator": "UPDATE operators SET agents = '{}'",
    "text for the end of a block": "UPDATE blocks SET expires_at = 'soon'",
}


@pytest.mark.parametrize("statement", ODD.values(), ids=ODD)
def test_a_record_that_cannot_be_read_makes_the_store_unavailable(
    store: SqlStore, path: Path, statement: str
) -> None:
    """And nothing worse: who watches the store asks it again, and goes on when somebody has mended it."""
    store.add_key(RECORD, b"{}")
    store.add_operator(OPERATOR, b"{}")
    store.add_block(BLOCK, b"{}")
    good = store.facts()
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(GatewayError, match="a record that cannot be read") as caught:
        store.facts()
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    for change in (store.change_key(good.keys[0], b"{}"), store.change_operator(good.operators[0], b"{}")):
        assert change
    assert store.change_block(good.blocks[0], b"{}")
    mended = store.facts()
    assert [one.id for one in (*mended.keys, *mended.operators, *mended.blocks)] == [
        RECORD.id, OPERATOR.id, BLOCK.id,
    ]  # fmt: skip


def test_a_database_that_was_replaced_is_not_relied_on(store: SqlStore, path: Path) -> None:
    """Its open file would go on answering, and no revocation in the other one would ever be seen."""
    store.add_key(RECORD, b"{}")
    aside = path.with_name("aside")
    path.rename(aside)
    asked = (store.epoch, store.facts, lambda: store.add_key(key("B"), b"{}"), lambda: store.outbox(0, 1))
    for ask in asked:
        with pytest.raises(GatewayError, match="not the file any more") as caught:
            ask()
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
    aside.rename(path)
    assert store.facts().keys == (RECORD,)
    open_sqlite(aside).close()
    aside.replace(path)
    with pytest.raises(GatewayError, match="not the file any more"):
        store.facts()
