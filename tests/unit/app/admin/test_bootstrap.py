"""The first operator, and the file that keeps its token."""

import os
import threading
from pathlib import Path

import pytest

from doorward.app.admin import bootstrap
from doorward.app.admin.bootstrap import TOKEN_FILE, ensure_owner, kept
from doorward.audit.records import Actor
from doorward.backends.files.ring import FileRing
from doorward.backends.sql.sqlite import open_sqlite
from doorward.control import operators
from doorward.control.operator_proof import prove
from doorward.model.errors import CallerError

NOW = 1_700_000_000.0
ACTOR = Actor("root", "cli")


class State:
    """A state directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []

    def ensure(self) -> str | None:
        store, ring = open_sqlite(self.root / "doorward.db"), FileRing(self.root / "secrets.json")
        try:
            return ensure_owner(self.root, store, ring, actor=ACTOR, now=NOW, say=self.said.append)
        finally:
            store.close()

    def name(self, token: str) -> str:
        store = open_sqlite(self.root / "doorward.db")
        try:
            ring = FileRing(self.root / "secrets.json")
            return prove(store.operators(), ring, token, via="cli", now=NOW).name
        finally:
            store.close()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def test_the_first_token_is_said_once_and_kept(state: State) -> None:
    token = state.ensure()
    assert token is not None
    assert sum(token in line for line in state.said) == 1
    path = state.root / TOKEN_FILE
    assert kept(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert state.name(token) == "owner"
    state.said.clear()
    assert state.ensure() is None
    assert state.said == []


def test_of_many_who_begin_at_once_one_makes_it(state: State) -> None:
    state.root.mkdir()
    open_sqlite(state.root / "doorward.db").close()
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(state.ensure())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (token,) = [each for each in found if each is not None]
    assert kept(state.root / TOKEN_FILE) == token
    assert sum("dwa_" in line for line in state.said) == 1


def test_a_file_that_others_can_read_is_refused(state: State) -> None:
    state.ensure()
    path = state.root / TOKEN_FILE
    for mode in (0o640, 0o604, 0o660, 0o666):
        path.chmod(mode)
        with pytest.raises(CallerError, match="can be read by other users"):
            kept(path)
    path.chmod(0o400)
    assert kept(path) is not None


@pytest.mark.parametrize("content", [b"", b"\n", b"a b\n", b"\xff\xfe", b"x" * 300, b"a\nb\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CallerError, match="no operator's token"):
        kept(path)


def test_no_file_is_no_token(tmp_path: Path) -> None:
    assert kept(tmp_path / TOKEN_FILE) is None


def test_a_token_that_cannot_be_kept_is_said_all_the_same(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(bootstrap, "replace_file", full)
    token = state.ensure()
    assert token is not None
    assert token in "\n".join(state.said)
    assert "keep it yourself" in state.said[-1]


def test_only_the_kept_operators_token_is_replaced(state: State) -> None:
    token = state.ensure()
    assert token is not None
    own = f"op_{token.split('_')[1]}"
    assert not bootstrap.renew(state.root, "op_000000000000", "dwa_other")
    assert kept(state.root / TOKEN_FILE) == token
    assert bootstrap.renew(state.root, own, "dwa_new")
    assert kept(state.root / TOKEN_FILE) == "dwa_new"


@pytest.mark.parametrize(("content", "mode"), [(b"a b", 0o600), (b"dwa_x", 0o644)])
def test_a_file_that_does_not_count_keeps_nobodys_new_token_from_being_told(
    state: State, content: bytes, mode: int
) -> None:
    state.root.mkdir()
    path = state.root / TOKEN_FILE
    path.write_bytes(content)
    path.chmod(mode)
    assert not bootstrap.renew(state.root, "op_000000000000", "dwa_new")
    assert path.read_bytes() == content


def test_who_lost_every_token_gets_one_more_owner(state: State) -> None:
    state.ensure()
    store, ring = open_sqlite(state.root / "doorward.db"), FileRing(state.root / "secrets.json")
    made = bootstrap.recover(state.root, store, ring, actor=ACTOR, now=NOW)
    assert made.record.name == "owner-2"
    assert kept(state.root / TOKEN_FILE) == made.text
    assert (
        len(operators.list_operators(store, by=prove(store.operators(), ring, made.text, via="cli", now=NOW)))
        == 2
    )
    store.close()
