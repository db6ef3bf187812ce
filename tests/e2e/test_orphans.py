"""However the gateway ends, the processes that it started end with it: children, grandchildren, daemons."""

import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.e2e.support import clinging, servers
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.processes import children_of, wait_until
from tests.e2e.support.raw import call

GRANT = {"servers": ["*"], "tools": {"allow": ["*"]}}


def config() -> dict[str, object]:
    command = [sys.executable, clinging.__file__]
    return {
        "servers": {"clinging": {"command": command, "processes": {"stop": "1s"}}},
        "agents": {"user": {"grants": [GRANT]}},
    }


def family(gw: Gateway) -> list[int]:
    with httpx2.Client(timeout=30) as http:
        answer = call(http, f"{gw.url}/mcp/clinging", gw.key("user"), "family", {}).json()
    found: list[int] = answer["result"]["structuredContent"]["result"]
    assert not any(map(_gone, found))
    return found


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(pids: list[int]) -> None:
    wait_until(lambda: all(map(_gone, pids)), "all of them are gone")


def test_kill_9_leaves_nobody(start: Start) -> None:
    gw = start(config())
    theirs = [*family(gw), *children_of(gw.process.pid)]
    gw.process.kill()

    all_gone(theirs)


def test_kill_9_of_everything_that_is_ours_leaves_no_child(start: Start) -> None:
    """As `pkill -9 doorward` would: the warden goes with the gateway, and the kernel's signal is left."""
    if not Path("/usr/bin/setpriv").exists():
        pytest.skip("no setpriv here")
    gw = start(config())
    own, *_ = family(gw)
    wardens = [pid for pid in children_of(gw.process.pid) if b"warden_main" in _command(pid)]
    assert len(wardens) == 1
    os.kill(wardens[0], signal.SIGSTOP)  # whatever it might still do
    gw.process.kill()

    all_gone([own])
    os.kill(wardens[0], signal.SIGKILL)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_orderly_stop_leaves_nobody(start: Start) -> None:
    gw = start(config())
    theirs = [*family(gw), *children_of(gw.process.pid)]

    assert gw.stop() == 0
    all_gone(theirs)


def test_a_reload_leaves_nobody_of_what_it_took_out(start: Start, tmp_path: Path) -> None:
    gw = start(config())
    theirs = family(gw)
    files = {"files": {"command": servers.files(tmp_path)}}
    gw.write({"servers": files, "agents": {"user": {"grants": [GRANT]}}})

    all_gone(theirs)
    wait_until(gw.settled, "the others are up")


def test_a_crash_leaves_nobody_of_its_family(start: Start) -> None:
    gw = start(config())
    theirs = family(gw)
    with httpx2.Client(timeout=30) as http:
        error = call(http, f"{gw.url}/mcp/clinging", gw.key("user"), "crash", {}).json()["error"]

    assert error["data"]["reason"] == "upstream_connection_lost"
    all_gone(theirs)
