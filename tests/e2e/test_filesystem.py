"""npm's server-filesystem over stdio: reading is granted, writing only into one file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import MCPError

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, connect, inspect, names, text
from tests.e2e.support.gateway import Gateway, running

ENDPOINTS = {"/mcp/disk": "", "/mcp": "disk__"}
READS = {"read_text_file", "list_directory", "directory_tree"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("disk")
    (made / "hello.txt").write_text("good morning\n")
    return made


@pytest.fixture(scope="module")
def gw(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    notes = str(folder / "notes.txt")
    config = {
        "servers": {"disk": {"command": servers.filesystem(folder)}},
        "agents": {
            "writer": {
                "see_rules": True,
                "grants": [
                    {"servers": ["disk"], "tools": {"allow": sorted(READS)}},
                    {
                        "servers": ["disk"],
                        "tools": {"allow": ["write_file"]},
                        "when": {"arguments.path": {"equals": notes}},
                    },
                ],
            }
        },
    }
    with running(tmp_path_factory.mktemp("gateway"), config) as gateway:
        yield gateway


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_reads_what_is_granted(gw: Gateway, folder: Path, mode: str, path: str) -> None:
    prefix = ENDPOINTS[path]
    async with connect(gw.url + path, gw.key("writer"), mode) as client:
        assert await names(client) == {prefix + name for name in READS | {"write_file"}}
        result = await client.call_tool(f"{prefix}read_text_file", {"path": str(folder / "hello.txt")})
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool(f"{prefix}move_file", {"source": "a", "destination": "b"})

    assert text(result) == "good morning\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_a_denied_argument_names_its_rule_and_writes_nothing(
    gw: Gateway, folder: Path, mode: str
) -> None:
    async with connect(f"{gw.url}/mcp/disk", gw.key("writer"), mode) as client:
        allowed = await client.call_tool(
            "write_file", {"path": str(folder / "notes.txt"), "content": f"in {mode}"}
        )
        denied = await client.call_tool(
            "write_file", {"path": str(folder / "hello.txt"), "content": "overwritten"}
        )

    assert not allowed.is_error
    assert (folder / "notes.txt").read_text() == f"in {mode}"
    assert denied.is_error
    assert denied.meta is not None
    assert denied.meta["dev.doorward/denial"]["reason"] == "argument_not_allowed"
    assert f"doorward.yaml:{gw.line_of('equals')}" in text(denied)
    assert (folder / "hello.txt").read_text() == "good morning\n"


@pytest.mark.asyncio
async def test_the_servers_own_refusal_comes_through(gw: Gateway) -> None:
    async with connect(f"{gw.url}/mcp/disk", gw.key("writer")) as client:
        result = await client.call_tool("read_text_file", {"path": "/etc/hostname"})

    assert result.is_error
    assert "Access denied" in text(result)
    assert "dev.doorward/denial" not in (result.meta or {})


def test_inspector_lists_and_calls(gw: Gateway, folder: Path, tmp_path: Path) -> None:
    url, key = f"{gw.url}/mcp/disk", gw.key("writer")
    listed = inspect(url, key, "tools/list", home=tmp_path)
    called = inspect(
        url,
        key,
        "tools/call",
        *("--tool-name", "read_text_file", "--tool-arg", f"path={folder / 'hello.txt'}"),
        home=tmp_path,
    )

    assert {tool["name"] for tool in listed["result"]["tools"]} == READS | {"write_file"}
    assert called["result"]["content"][0]["text"] == "good morning\n"
