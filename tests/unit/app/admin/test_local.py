"""Administration on the store of a configuration: with the same rights as over HTTP, and the same records."""

import threading
from pathlib import Path

import pytest

from doorward.app.admin.bootstrap import TOKEN_FILE, kept
from doorward.app.admin.local import Unserved, administered, asking, recovered
from doorward.app.state import paths
from doorward.audit import records
from doorward.backends.files.ring import FileRing
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import Loaded, parse
from doorward.control.errors import Forbidden, Unavailable, Unknown
from doorward.control.plane import Plane
from doorward.model.errors import CallerError

TEXT = "version: 1\nservers: {git: {url: 'http://127.0.0.1:1/'}}\nagents: {b: {}, a: {}}\n"


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return parse(TEXT, path=tmp_path / "doorward.yaml", environ={})


def changes(loaded: Loaded) -> list[records.Change]:
    lines = b"".join(path.read_bytes() for path in sorted(paths(loaded.settings).audit.glob("*.jsonl")))
    found = [records.decode(line) for line in lines.splitlines()]
    return [record for record in found if isinstance(record, records.Change)]


def test_the_first_change_makes_the_first_operator(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    with administered(loaded) as send:
        assert send("GET", "/operators") == {"operators": [], "cursor": None}
    root = paths(loaded.settings).root
    assert not (root / TOKEN_FILE).exists()
    with administered(loaded) as send:
        made = send("POST", "/keys", {"agent": "a"})
    assert made["created_by"] == "owner"
    token = kept(root / TOKEN_FILE)
    assert token is not None
    said = capsys.readouterr()
    assert token in said.err
    assert "dwa_" not in said.out
    first, second = changes(loaded)
    assert (first.action, first.actor.method) == ("operator:create", "cli")
    assert (second.action, second.actor) == ("key:create", records.Actor("owner", "cli"))
    with administered(loaded) as send:
        send("POST", "/keys", {"agent": "a"})
    assert "dwa_" not in capsys.readouterr().err


def test_of_many_first_changes_at_once_all_are_made(loaded: Loaded) -> None:
    """One of them makes the operator, and the others act as the one that it made."""
    root = paths(loaded.settings).root
    open_sqlite(root / "doorward.db").close()
    together, found = threading.Barrier(6), []

    def ask() -> None:
        store = open_sqlite(root / "doorward.db")
        who = asking(Plane(store, FileRing(root / "secrets.json"), Unserved(loaded), "cli"), root, None)
        together.wait(30)
        found.append(who(True).name)
        store.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["owner"] * 6


def test_without_a_token_nobody_gets_in_once_there_are_operators(loaded: Loaded) -> None:
    with administered(loaded) as send:
        send("POST", "/keys", {"agent": "a"})
    (paths(loaded.settings).root / TOKEN_FILE).unlink()
    with administered(loaded) as send:
        for method, path in (("GET", "/keys"), ("POST", "/keys")):
            with pytest.raises(CallerError, match="no operator's token"):
                send(method, path, {"agent": "a"} if method == "POST" else None)
    with administered(loaded, "dwa_x") as send, pytest.raises(CallerError):
        send("GET", "/keys")


def test_rights_are_those_of_the_token(loaded: Loaded) -> None:
    with administered(loaded) as send:
        viewer = send("POST", "/operators", {"name": "anna", "role": "viewer"})["token"]
    number = len(changes(loaded))
    with administered(loaded, viewer) as send:
        assert send("GET", "/whoami")["operator"]["name"] == "anna"
        with pytest.raises(Forbidden, match="keys:create"):
            send("POST", "/keys", {"agent": "a"})
        with pytest.raises(Forbidden, match="operators:change"):
            send("POST", "/operators", {"name": "bert", "role": "owner"})
    assert len(changes(loaded)) == number


def test_what_only_a_gateway_knows(loaded: Loaded) -> None:
    with administered(loaded) as send:
        assert send("GET", "/status")["status"] == "stopped"
        assert [row["state"] for row in send("GET", "/servers")["servers"]] == ["unknown"]
        assert [row["name"] for row in send("GET", "/agents")["agents"]] == ["a", "b"]
        for path in ("/tools", "/calls"):
            with pytest.raises(Unavailable, match="running gateway"):
                send("GET", path)
        with pytest.raises(Unavailable, match="running gateway"):
            send("POST", "/calls/cancel", {"agent": "a"})
        with pytest.raises(Unknown):
            send("GET", "/agents/c")
        with pytest.raises(ValueError, match="no operation"):
            send("GET", "/nothing")


def test_recovering_is_on_record_with_who_did_it(loaded: Loaded) -> None:
    with administered(loaded) as send:
        send("POST", "/keys", {"agent": "a"})
    with recovered(loaded) as (name, token):
        assert name == "owner-2"
    assert changes(loaded)[-1].action == "operator:create"
    with administered(loaded) as send:
        assert send("GET", "/whoami")["operator"]["name"] == "owner-2"
    with administered(loaded, token) as send:
        send("DELETE", "/operators/owner")
