"""`doorward serve --stdio`: the whole gateway inside one client's child process."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, TIMEOUT_S, text
from tests.e2e.support.gateway import DOORWARD, Gateway
from tests.e2e.support.processes import wait_until


@pytest.fixture
def prepared(tmp_path: Path) -> Gateway:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.txt").write_text("first\n")
    grant = {"servers": ["files"], "tools": {"allow": ["list_*", "read_*"]}}
    config = {
        "auth": "none",
        "servers": {"files": {"command": servers.files(tmp_path / "documents")}},
        "agents": {"anonymous": {"grants": [grant]}},
    }
    (tmp_path / "gateway").mkdir()
    return Gateway(tmp_path / "gateway", config)


def embedded(gateway: Gateway) -> StdioServerParameters:
    return StdioServerParameters(command=DOORWARD, args=["serve", "--stdio", "-c", str(gateway.config)])


async def first_list(client: Client) -> set[str]:
    """As soon as it names nobody that did not come up in time, which takes a very slow machine."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            listed = await client.list_tools()
            if "dev.doorward/unavailable" not in (listed.meta or {}):
                return {tool.name for tool in listed.tools}


@pytest.mark.asyncio
async def test_the_first_list_has_a_server_that_takes_its_time_to_start(prepared: Gateway) -> None:
    document = json.loads(prepared.config.read_text())
    slow = ["sh", "-c", 'sleep 3.5; exec "$@"', "sh", *document["servers"]["files"]["command"]]
    document["servers"]["files"]["command"] = slow
    prepared.config.write_text(json.dumps(document))
    async with Client(embedded(prepared), read_timeout_seconds=TIMEOUT_S) as client:
        assert await first_list(client) == {"files__list_files", "files__read_file"}


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", [*ERAS, "auto"])
async def test_one_client_gets_the_whole_gateway(prepared: Gateway, mode: str) -> None:
    async with Client(embedded(prepared), mode=mode, read_timeout_seconds=TIMEOUT_S) as client:
        assert await first_list(client) == {"files__list_files", "files__read_file"}
        result = await client.call_tool("files__read_file", {"path": "a.txt"})
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("files__write_file", {"path": "a.txt", "text": ""})

    assert text(result) == "first\n"
    wait_until(lambda: len(prepared.calls()) == 2, "both calls are on record")
    permit, refusal = prepared.calls()
    assert (permit["decision"]["effect"], permit["actor"]["agent"]) == ("permit", "anonymous")
    assert refusal["decision"]["effect"] == "deny"
    assert permit["peer"] == "stdio"


def test_standard_output_carries_notices_of_the_session(prepared: Gateway) -> None:
    command = [DOORWARD, "serve", "--stdio", "-c", str(prepared.config)]
    initialize = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    }
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdin is not None
        assert gateway.stdout is not None

        def say(message: dict[str, object]) -> None:
            print(json.dumps({"jsonrpc": "2.0", **message}), file=gateway.stdin, flush=True)

        def heard() -> dict[str, object]:
            found: dict[str, object] = json.loads(gateway.stdout.readline())
            return found

        say({"id": 1, "method": "initialize", "params": initialize})
        assert heard()["id"] == 1
        say({"method": "notifications/initialized"})

        # What this client sees changes, so it is told.
        document = json.loads(prepared.config.read_text())
        document["agents"]["anonymous"]["grants"][0]["tools"]["allow"] = ["list_*"]
        prepared.config.write_text(json.dumps(document))

        assert heard()["method"] == "notifications/tools/list_changed"
        gateway.stdin.close()
        assert gateway.wait(15) == 0
