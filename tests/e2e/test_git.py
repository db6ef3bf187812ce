"""PyPI's mcp-server-git, built on version 1 of the SDK, over stdio."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import MCPError

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, connect, inspect, names, text
from tests.e2e.support.gateway import Gateway, running

ENDPOINTS = {"/mcp/git": "", "/mcp": "git__"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("repository")
    identity = ["-c", "user.name=Ada Quill", "-c", "user.email=ada@quill.example"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(made)], check=True)
    (made / "poem.txt").write_text("roses\n")
    subprocess.run(["git", "-C", str(made), "add", "."], check=True)
    subprocess.run(["git", "-C", str(made), *identity, "commit", "-q", "-m", "Plant roses"], check=True)
    return made


@pytest.fixture(scope="module")
def gw(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {
        "servers": {"git": {"command": servers.git(repository)}},
        "agents": {
            "reader": {
                "see_rules": True,
                "grants": [
                    {"servers": ["git"], "tools": {"allow": ["git_status"]}},
                    {
                        "servers": ["git"],
                        "tools": {"allow": ["git_log"]},
                        "when": {"arguments.max_count": {"at_most": 10}},
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
async def test_lists_calls_and_denies(gw: Gateway, repository: Path, mode: str, path: str) -> None:
    prefix, repo = ENDPOINTS[path], str(repository)
    async with connect(gw.url + path, gw.key("reader"), mode) as client:
        assert await names(client) == {f"{prefix}git_log", f"{prefix}git_status"}
        status = await client.call_tool(f"{prefix}git_status", {"repo_path": repo})
        log = await client.call_tool(f"{prefix}git_log", {"repo_path": repo, "max_count": 3})
        denied = await client.call_tool(f"{prefix}git_log", {"repo_path": repo, "max_count": 11})
        missing = await client.call_tool(f"{prefix}git_log", {"repo_path": repo})
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool(f"{prefix}git_reset", {"repo_path": repo})

    assert "On branch main" in text(status)
    assert "Plant roses" in text(log)
    for refused in (denied, missing):
        assert refused.is_error
        assert f"doorward.yaml:{gw.line_of('at_most')}" in text(refused)


def test_inspector_lists_and_calls(gw: Gateway, repository: Path, tmp_path: Path) -> None:
    url, key = f"{gw.url}/mcp/git", gw.key("reader")
    listed = inspect(url, key, "tools/list", home=tmp_path)
    called = inspect(
        url,
        key,
        "tools/call",
        *("--tool-name", "git_status", "--tool-arg", f"repo_path={repository}"),
        home=tmp_path,
    )

    assert {tool["name"] for tool in listed["result"]["tools"]} == {"git_log", "git_status"}
    assert "On branch main" in called["result"]["content"][0]["text"]
