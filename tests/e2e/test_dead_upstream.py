"""One server that is dead, and one that dies in the middle of a call: named, and no harm to the others."""

import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.e2e.support import fragile, servers
from tests.e2e.support.clients import ERAS, connect, names
from tests.e2e.support.processes import LOOPBACK, free_port
from tests.e2e.support.raw import call, list_tools


def config(documents: Path) -> dict[str, Any]:
    grant = {"servers": ["*"], "tools": {"allow": ["*"]}}
    return {
        "servers": {
            "dead": {"url": f"http://{LOOPBACK}:{free_port()}/mcp"},
            "files": {"command": servers.files(documents)},
            "fragile": {"command": [sys.executable, fragile.__file__], "shared": True},
        },
        "agents": {"user": {"grants": [grant]}},
    }


@pytest.mark.spec("DW-828")
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_a_dead_server_is_named_and_the_others_work(start: Start, tmp_path: Path, mode: str) -> None:
    gw = start(config(tmp_path))
    async with connect(f"{gw.url}/mcp", gw.key("user"), mode) as client:
        seen = await names(client)
        listed = await client.call_tool("files__list_files", {})

    assert "files__list_files" in seen
    assert not any(name.startswith("dead__") for name in seen)
    assert not listed.is_error
    answer = gw.readyz()
    assert answer.status_code == 200
    assert "dead" in answer.text
    assert "files" not in str(answer.json().get("failing", ""))


def test_the_list_of_a_dead_server_is_an_error_that_names_it(start: Start, tmp_path: Path) -> None:
    gw = start(config(tmp_path))
    with httpx2.Client(timeout=30) as http:
        answer = list_tools(http, f"{gw.url}/mcp/dead", gw.key("user"))

    assert answer["id"] == "list-1"
    assert answer["error"]["data"]["server"] == "dead"
    assert answer["error"]["data"]["retryable"] is True


def test_a_crash_in_a_call_is_an_error_that_names_the_server(start: Start, tmp_path: Path) -> None:
    gw = start(config(tmp_path))
    url, key = f"{gw.url}/mcp/fragile", gw.key("user")
    with httpx2.Client(timeout=30) as http:
        before = call(http, url, key, "pid", {}).json()["result"]["structuredContent"]["result"]
        crashed = call(http, url, key, "crash", {}, id="caller-7").json()
        after = call(http, url, key, "pid", {}).json()["result"]["structuredContent"]["result"]

    assert crashed["id"] == "caller-7"
    assert crashed["error"]["data"]["server"] == "fragile"
    assert crashed["error"]["data"]["reason"] == "upstream_connection_lost"
    assert crashed["error"]["data"]["retryable"] is False
    assert before != after
