"""The log of a gateway that serves, asked while it writes: calls, denials, keys, and what was compressed."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.raw import call


def asked(gw: Gateway, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gw.run("audit", *words, "--json"))
    return found


def test_a_running_gateway_can_be_asked_what_it_did(start: Start, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["list_*"]}}
    gw = start(
        {
            "servers": {"files": {"command": servers.files(documents)}},
            "agents": {"asker": {"grants": [grant], "see_rules": True}, "other": {"grants": [grant]}},
        }
    )
    url, key, other = f"{gw.url}/mcp/files", gw.key("asker"), gw.key("other")
    with httpx2.Client(timeout=30) as http:
        for _ in range(3):
            assert "result" in call(http, url, key, "list_files", {}).json()
        assert "error" in call(http, url, key, "read_file", {"path": "x"}).json()
        assert "result" in call(http, url, other, "list_files", {}).json()
        assert call(http, url, "dw_nobody", "list_files", {}).status_code == 401

        found = asked(gw, "query", "tool=files.list_* agent=asker since=1h")["entries"]
        assert [entry["status"] for entry in found] == ["ok"] * 3
        assert len(found[0]["result_hmac"]) == 64
        (denied,) = asked(gw, "query", "agent=asker decision=deny")["entries"]
        assert denied["name"] == "read_file"
        assert asked(gw, "query", f"args={denied['args_hmac']}")["entries"] == [denied]
        assert asked(gw, "query", "decision!=permit", "--count")["entries"] == 2
        assert len(asked(gw, "query", "kind=change object=key:*")["entries"]) == 2

        told = asked(gw, "show", found[0]["call"])
        assert [each["record"]["kind"] for each in told["records"]] == ["decision", "outcome"]
        exported = gw.run("audit", "export", "agent=other", "--format", "fields").splitlines()
        assert {json.loads(line)["tool_name"] for line in exported} >= {"list_files"}

        # The index is up to date with each question.
        assert "result" in call(http, url, other, "list_files", {}).json()
        assert asked(gw, "query", "agent=other tool=files.list_files", "--count")["entries"] == 2
    assert gw.stop() == 0
    # With no gateway, and all of it at once: what is exported is what lies there.
    lines = [
        line
        for file in sorted((gw.folder / "state/audit").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    assert gw.run("audit", "export").splitlines() == lines
