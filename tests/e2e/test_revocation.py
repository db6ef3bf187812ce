"""Keys that another process revokes or makes: known within a second."""

import json
import time
from pathlib import Path

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.raw import call

AT_MOST_S = 10.0
"""The promise is a second, on a machine that has one to give."""


def test_a_revoked_key_stops_within_a_second(start: Start, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["list_*"]}}
    gw = start(
        {
            "servers": {"files": {"command": servers.files(documents)}},
            "agents": {"leaver": {"grants": [grant]}, "stayer": {"grants": [grant]}},
        }
    )
    url, leaver, stayer = f"{gw.url}/mcp/files", gw.key("leaver"), gw.key("stayer")
    with httpx2.Client(timeout=30) as http:
        assert "result" in call(http, url, leaver, "list_files", {}).json()

        gw.run("keys", "revoke", gw.key_id("leaver"))
        revoked = time.monotonic()
        while call(http, url, leaver, "list_files", {}).status_code == 200:
            assert time.monotonic() - revoked < AT_MOST_S, "a revoked key still works"
            time.sleep(0.01)

        refused = call(http, url, leaver, "list_files", {})
        assert refused.status_code == 401
        assert refused.json()["error"]["data"]["reason"] == "credential_revoked"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert "result" in call(http, url, stayer, "list_files", {}).json()


def test_a_key_made_while_the_gateway_runs_works_within_a_second(start: Start, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["list_*"]}}
    agents = {"first": {"grants": [grant]}}
    gw = start({"servers": {"files": {"command": servers.files(documents)}}, "agents": agents})
    key = json.loads(gw.run("keys", "create", "--agent", "first", "--name", "second", "--json"))["key"]
    made = time.monotonic()

    with httpx2.Client(timeout=30) as http:
        while call(http, f"{gw.url}/mcp/files", key, "list_files", {}).status_code != 200:
            assert time.monotonic() - made < AT_MOST_S, "a new key does not work"
            time.sleep(0.01)
