"""Configuration changes while the gateway runs: adopted whole, or not at all."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.clients import connect, names, text
from tests.e2e.support.processes import wait_until


def config(folder: Path, *tools: str) -> dict[str, Any]:
    grant = {"servers": ["files"], "tools": {"allow": list(tools)}}
    return {
        "servers": {"files": {"command": servers.files(folder)}},
        "agents": {"reader": {"grants": [grant]}},
    }


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("first\n")
    return folder


@pytest.mark.asyncio
@pytest.mark.parametrize("hint", [None, signal.SIGHUP], ids=["by itself", "on SIGHUP"])
async def test_a_changed_file_is_adopted(start: Start, documents: Path, hint: signal.Signals | None) -> None:
    gw = start(config(documents, "list_*"))
    async with connect(f"{gw.url}/mcp/files", gw.key("reader")) as client:
        assert await names(client) == {"list_files"}

        gw.write(config(documents, "list_*", "read_*"))
        if hint is not None:
            gw.process.process.send_signal(hint)
        wait_until(lambda: "reloaded" in gw.process.said(), "the gateway says that it reloaded")

        assert await names(client) == {"list_files", "read_file"}
        result = await client.call_tool("read_file", {"path": "a.txt"})
    assert text(result) == "first\n"


@pytest.mark.asyncio
async def test_a_legacy_session_survives_a_reload(start: Start, documents: Path) -> None:
    gw = start(config(documents, "list_*"))
    async with connect(f"{gw.url}/mcp/files", gw.key("reader"), "legacy") as client:
        await client.list_tools()
        gw.write(config(documents, "read_*"))
        wait_until(lambda: "reloaded" in gw.process.said(), "the gateway says that it reloaded")

        assert await names(client) == {"read_file"}


@pytest.mark.asyncio
async def test_a_bad_file_keeps_the_old_world_until_it_is_good(start: Start, documents: Path) -> None:
    gw = start(config(documents, "list_*"))
    bad = config(documents, "read_*") | {"sevrers": {}}
    gw.write(bad)
    gw.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "stays in force" in gw.process.said(), "the gateway says that it keeps the old one")

    assert "sevrers" in gw.process.said()
    async with connect(f"{gw.url}/mcp/files", gw.key("reader")) as client:
        assert await names(client) == {"list_files"}

        gw.write(config(documents, "read_*"))
        wait_until(lambda: "reloaded" in gw.process.said(), "the repaired file is adopted")
        assert await names(client) == {"read_file"}
