"""Our own keys, replaced under a running gateway, lost, and brought back."""

import json
import re
import time
from pathlib import Path

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway, Json
from tests.e2e.support.processes import wait_until
from tests.e2e.support.raw import call


def started(start: Start, tmp_path: Path) -> Gateway:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["*"]}}
    return start(
        {"servers": {"files": {"command": servers.files(documents)}}, "agents": {"user": {"grants": [grant]}}}
    )


def listed(gw: Gateway, purpose: str) -> list[Json]:
    found: list[Json] = json.loads(gw.run("secrets", "list", "--json"))["secrets"]
    return next(each["versions"] for each in found if each["purpose"] == purpose)


def status(gw: Gateway, http: httpx2.Client, key: str) -> int:
    return call(http, f"{gw.url}/mcp/files", key, "read_file", {"path": "a.txt"}).status_code


def test_a_pepper_is_replaced_and_ended_under_a_running_gateway(start: Start, tmp_path: Path) -> None:
    gw, http = started(start, tmp_path), httpx2.Client(timeout=30)
    old = gw.key("user")
    assert status(gw, http, old) == 200
    gw.run("secrets", "rotate", "pepper")
    made = json.loads(gw.run("keys", "create", "--agent", "user", "--json"))
    assert status(gw, http, old) == status(gw, http, made["key"]) == 200
    assert [(each["state"], each["needed"]) for each in listed(gw, "pepper")] == [("old", 2), ("in use", 1)]
    gw.run("secrets", "end", "pepper", "1", code=2)
    assert status(gw, http, old) == 200

    rotated = json.loads(gw.run("keys", "rotate", gw.key_id("user"), "--overlap", "0", "--json"))
    owner = json.loads(gw.run("operators", "list", "--json"))["operators"][0]["id"]
    gw.run("operators", "rotate", owner)
    assert [each["needed"] for each in listed(gw, "pepper")] == [0, 3]
    gw.run("secrets", "end", "pepper", "1")
    assert status(gw, http, rotated["key"]) == status(gw, http, made["key"]) == 200
    assert status(gw, http, old) == 401
    http.close()


def test_a_pepper_that_ends_by_itself_takes_its_keys_along(start: Start, tmp_path: Path) -> None:
    gw, http = started(start, tmp_path), httpx2.Client(timeout=30)
    gw.run("secrets", "rotate", "pepper", "--overlap", "1m")
    versions = listed(gw, "pepper")
    assert 0 < versions[0]["ends"] - time.time() <= 60
    assert status(gw, http, gw.key("user")) == 200
    gw.run("secrets", "end", "pepper", "1", "--force")
    wait_until(lambda: status(gw, http, gw.key("user")) == 401, "the key counts no longer", 10)
    http.close()


def test_a_log_goes_on_under_the_new_key_of_the_quarter(start: Start, tmp_path: Path) -> None:
    gw, http = started(start, tmp_path), httpx2.Client(timeout=30)
    status(gw, http, gw.key("user"))
    rotated = json.loads(gw.run("secrets", "rotate", "digest", "--json"))
    status(gw, http, gw.key("user"))
    http.close()
    gw.stop()
    names = re.findall(rf"{rotated['purpose']}:[0-9]+", json.dumps(gw.calls()))
    assert list(dict.fromkeys(names)) == [f"{rotated['purpose']}:1", f"{rotated['purpose']}:2"]


def test_a_lost_ring_is_brought_back(start: Start, tmp_path: Path) -> None:
    gw, http = started(start, tmp_path), httpx2.Client(timeout=30)
    words, copy = tmp_path / "words", tmp_path / "copy.json"
    words.write_text("correct horse battery staple\n")
    gw.run("secrets", "export", "--output", str(copy), "--passphrase-file", str(words), code=2)
    encrypted = ("secrets", "export", "--encrypted", "--output", str(copy))
    gw.run(*encrypted, "--passphrase-file", str(words))
    assert copy.stat().st_mode & 0o777 == 0o600
    gw.run("secrets", "import", str(copy), "--passphrase-file", str(words), code=2)
    gw.stop()
    ring = gw.folder / "state" / "secrets.json"
    lost = ring.read_bytes()
    for secret in json.loads(lost)["keys"].values():
        assert secret[0]["key"].encode() not in copy.read_bytes()
    ring.unlink()
    gw.run("keys", "list", code=4)
    wrong = tmp_path / "wrong"
    wrong.write_text("correct horse battery maple\n")
    gw.run("secrets", "import", str(copy), "--passphrase-file", str(wrong), code=2)
    assert not ring.exists()
    gw.run("secrets", "import", str(copy), "--passphrase-file", str(words))
    assert json.loads(ring.read_bytes()) == json.loads(lost)
    gw.start()
    assert status(gw, http, gw.key("user")) == 200
    http.close()
    gw.stop()
    actions = [each["action"] for each in gw.records() if each["kind"] == "change"]
    assert actions[-2:] == ["secret:export", "secret:import"]
