"""The admin plane of a real gateway: a process that comes when it is wanted and ends with the gateway."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers, waiting
from tests.e2e.support.gateway import DOORWARD, Gateway
from tests.e2e.support.processes import children_of, wait_until
from tests.e2e.support.raw import call
from tests.e2e.test_orphans import _gone

Json = dict[str, Any]
GRANT = {"servers": ["*"], "tools": {"allow": ["*"]}}


def started(start: Start, tmp_path: Path) -> Gateway:
    documents = tmp_path / "documents"
    documents.mkdir()
    config = {
        "servers": {"files": {"command": servers.files(documents)}},
        "agents": {"user": {"grants": [GRANT]}},
    }
    return start(config)


def address(gw: Gateway) -> str:
    holder: Json = json.loads((gw.folder / "state" / "lock").read_text())
    return f"http://{holder['admin']}"


def token(gw: Gateway) -> str:
    return (gw.folder / "state" / "operator.token").read_text().strip()


def ask(gw: Gateway, method: str, path: str, body: Json | None = None, shown: str = "") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {shown or token(gw)}"}
    return httpx2.request(method, f"{address(gw)}/api/v1{path}", json=body, headers=headers, timeout=60)


def process(gw: Gateway) -> list[int]:
    def is_admin(pid: int) -> bool:
        try:
            return b"doorward.app.admin" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [pid for pid in children_of(gw.process.pid) if is_admin(pid)]


def works(gw: Gateway, http: httpx2.Client) -> bool:
    answer = call(http, f"{gw.url}/mcp/files", gw.key("user"), "list_files", {})
    return "result" in answer.json()


def test_it_comes_when_it_is_wanted_and_dies_without_hurting_a_call(start: Start, tmp_path: Path) -> None:
    gw = started(start, tmp_path)
    assert process(gw) == []
    me = ask(gw, "GET", "/whoami").json()
    assert me["operator"]["name"] == "owner"
    (first,) = process(gw)
    with httpx2.Client(timeout=30) as http:
        for _ in range(3):
            assert works(gw, http)
            for pid in process(gw):
                os.kill(pid, signal.SIGKILL)
            assert works(gw, http)
            assert ask(gw, "GET", "/status").json()["status"] == "ready"
        assert works(gw, http)
    assert first not in process(gw)
    assert "admin plane ended (exit status -9)" in gw.process.said()
    assert "Traceback" not in gw.process.said()


def test_it_ends_with_the_gateway_however_that_ends(start: Start, tmp_path: Path) -> None:
    gw = started(start, tmp_path)
    ask(gw, "GET", "/whoami")
    (first,) = process(gw)
    gw.process.kill()
    wait_until(lambda: _gone(first), "it is gone after kill -9")
    gw.start()
    ask(gw, "GET", "/whoami")
    (second,) = process(gw)
    os.kill(second, signal.SIGSTOP)  # however stuck it is
    gw.process.kill()
    wait_until(lambda: _gone(second), "it is gone though it stood still")
    gw.start()
    ask(gw, "GET", "/whoami")
    (third,) = process(gw)
    assert gw.stop() == 0
    wait_until(lambda: _gone(third), "it is gone after a stop")


def test_commands_go_through_it_with_the_rights_of_their_token(start: Start, tmp_path: Path) -> None:
    gw = started(start, tmp_path)
    made = json.loads(gw.run("operators", "add", "anna", "--role", "auditor", "--json"))
    file = tmp_path / "anna.token"
    file.write_text(made["token"])
    file.chmod(0o600)
    as_anna = ("--admin-token-file", str(file))
    assert json.loads(gw.run("operators", "whoami", *as_anna, "--json"))["operator"]["name"] == "anna"
    assert len(json.loads(gw.run("keys", "list", *as_anna, "--json"))["keys"]) == 1
    gw.run("keys", "create", "--agent", "user", *as_anna, code=3)
    gw.run("operators", "set", "anna", "--role", "owner", *as_anna, code=3)
    file.chmod(0o644)
    gw.run("operators", "whoami", *as_anna, code=3)
    key = json.loads(gw.run("keys", "create", "--agent", "user", "--json"))
    with httpx2.Client(timeout=30) as http:
        assert "result" in call(http, f"{gw.url}/mcp/files", key["key"], "list_files", {}).json()
        gw.run("keys", "revoke", key["id"])
        assert call(http, f"{gw.url}/mcp/files", key["key"], "list_files", {}).status_code == 401
    gw.run("operators", "rotate", "owner")
    gw.run("operators", "remove", "anna")
    gw.stop()
    changes = [record for record in gw.records() if record["kind"] == "change"]
    assert [(each["action"], each["actor"]["method"]) for each in changes] == [
        ("operator:create", "cli"),
        ("key:create", "cli"),
        ("operator:create", "api"),
        ("key:create", "api"),
        ("key:revoke", "api"),
        ("operator:rotate", "api"),
        ("operator:remove", "api"),
    ]
    assert {each["actor"]["subject"] for each in changes[1:]} == {"owner"}
    # The rotated token was kept, so it goes on without the gateway.
    assert len(json.loads(gw.run("keys", "list", "--json"))["keys"]) == 2


def test_agents_and_operators_are_strangers_to_each_other(start: Start, tmp_path: Path) -> None:
    gw = started(start, tmp_path)
    answer = ask(gw, "GET", "/keys", shown=gw.key("user"))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "credential_invalid")
    with httpx2.Client(timeout=30) as http:
        refused = call(http, f"{gw.url}/mcp/files", token(gw), "list_files", {})
    assert refused.status_code == 401
    gw.stop()
    refusals = [record for record in gw.records() if record["kind"] == "refusal"]
    assert {(each["reason"], each["transport"]) for each in refusals} == {
        ("credential_invalid", "admin"),
        ("credential_invalid", "http"),
    }
    log = b"".join(path.read_bytes() for path in (gw.folder / "state" / "audit").glob("*.jsonl"))
    assert token(gw).encode() not in log
    assert gw.key("user").encode() not in log


def test_what_runs_is_shown_and_ended(start: Start) -> None:
    command = [sys.executable, waiting.__file__]
    gw = start({"servers": {"waiting": {"command": command}}, "agents": {"user": {"grants": [GRANT]}}})
    assert ask(gw, "GET", "/calls").json() == {"calls": []}
    assert [row["state"] for row in ask(gw, "GET", "/servers").json()["servers"]] == ["up"]
    (tool,) = ask(gw, "GET", "/tools?server=waiting&limit=1").json()["tools"]
    assert tool["name"] == "wait"
    assert ask(gw, "GET", "/agents/user").json()["name"] == "user"
    answers: list[httpx2.Response] = []

    def wait() -> None:
        with httpx2.Client(timeout=120) as http:
            answers.append(call(http, f"{gw.url}/mcp/waiting", gw.key("user"), "wait", {}))

    caller = threading.Thread(target=wait)
    caller.start()
    wait_until(lambda: any(each["sent"] for each in running(gw)), "the call is in flight")
    (row,) = running(gw)
    assert (row["agent"], row["server"], row["name"]) == ("user", "waiting", "wait")
    assert abs(row["since"] - time.time()) < 300
    assert ask(gw, "POST", "/calls/cancel", {"agent": "other"}).json() == {"calls": []}
    assert len(running(gw)) == 1
    ended = ask(gw, "POST", "/calls/cancel", {"call": row["id"]}).json()["calls"]
    assert [each["id"] for each in ended] == [row["id"]]
    caller.join(60)
    assert "error" in answers[0].json()
    assert running(gw) == []
    gw.stop()
    assert [each["action"] for each in gw.records() if each["kind"] == "change"][-1] == "calls:cancel"


def running(gw: Gateway) -> list[Json]:
    found: list[Json] = ask(gw, "GET", "/calls?server=waiting").json()["calls"]
    return found


def test_two_gateways_listen_beside_each_other(start: Start, tmp_path: Path) -> None:
    one, other = (start({"servers": {}, "agents": {"user": {}}}) for _ in range(2))
    assert address(one) != address(other)
    for gw in (one, other):
        assert ask(gw, "GET", "/keys").json()["keys"][0]["id"] == gw.key_id("user")
    assert ask(one, "GET", "/keys", shown=token(other)).status_code == 401


def test_the_first_token_is_printed_once(tmp_path: Path) -> None:
    gw = Gateway(tmp_path, {"servers": {}, "agents": {"user": {}}})
    for _ in range(2):
        gw.start(settled=False)
        gw.stop()
    printed = gw.process.said().count(token(gw))
    assert printed == 1


def test_a_configuration_may_say_where_or_that_nobody_listens(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()

    def serve(admin: Any, folder: Path) -> Gateway:
        folder.mkdir()
        gw = Gateway(folder, {"servers": {}, "agents": {"user": {}}})
        config = json.loads(gw.config.read_text())
        config["gateway"]["admin"] = admin
        gw.config.write_text(json.dumps(config))
        return gw

    gw = serve({"listen": f"unix:{path}/admin.sock"}, tmp_path / "unix")
    try:
        gw.start(settled=False)
        assert (path / "admin.sock").stat().st_mode & 0o777 == 0o600
        assert json.loads(gw.run("keys", "create", "--agent", "user", "--json"))["created_by"] == "owner"
        taken = serve({"listen": f"unix:{path}/admin.sock"}, tmp_path / "taken")
        done = subprocess.run(
            [DOORWARD, "serve", "-c", str(taken.config)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, "another process listens there" in done.stderr) == (2, True)
        gw.stop()
        assert not (path / "admin.sock").exists()
    finally:
        gw.sweep()
    gw = serve(False, tmp_path / "none")
    try:
        gw.start(settled=False)
        assert json.loads((gw.folder / "state" / "lock").read_text())["admin"] == ""
        made = json.loads(gw.run("keys", "create", "--agent", "user", "--json"))
        began = time.monotonic()
        wait_until(lambda: made["id"] in gw.run("keys", "list"), "the key is there")
        assert time.monotonic() - began < 60
        gw.stop()
    finally:
        gw.sweep()
