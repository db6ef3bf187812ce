"""A server's credential from a file, changed while the gateway runs."""

import sys
import time
from pathlib import Path

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import guarded_crm
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.raw import call

RELOAD_S = 3.0


def test_a_changed_token_file_is_read_again(start: Start, tmp_path: Path) -> None:
    expected, ours, port = tmp_path / "expected", tmp_path / "token", free_port()
    expected.write_text("first-secret-token")
    ours.write_text("first-secret-token\n")
    ours.chmod(0o600)
    command = [sys.executable, guarded_crm.__file__, "--port", str(port), "--database", "crm.sqlite3"]
    with (
        child([*command, "--token", str(expected)], tmp_path / "crm.log") as upstream,
        httpx2.Client(timeout=30) as http,
    ):
        upstream.wait_until(lambda: listens(port), "the upstream listens")
        server = {"url": f"http://{LOOPBACK}:{port}/mcp", "auth": {"bearer": f"${{file:{ours}}}"}}
        grant = {"servers": ["crm"], "tools": {"allow": ["find_*"]}}
        gw = start({"servers": {"crm": server}, "agents": {"user": {"grants": [grant]}}})

        def find() -> httpx2.Response:
            return call(http, f"{gw.url}/mcp/crm", gw.key("user"), "find_customers", {"query": "quill"})

        assert "result" in find().json()

        expected.write_text("second-secret-token")
        refused = find().json()
        assert refused["error"]["data"]["reason"] == "upstream_auth_failed"
        assert refused["error"]["data"]["server"] == "crm"

        ours.write_text("second-secret-token\n")
        changed = time.monotonic()
        while "result" not in find().json():
            assert time.monotonic() - changed < RELOAD_S, "the new token is not used"
            time.sleep(0.05)

    log = gw.process.said() + "".join(map(str, gw.records()))
    assert "secret-token" not in log
