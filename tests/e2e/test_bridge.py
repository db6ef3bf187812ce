"""`doorward bridge`: what a client that only speaks stdio starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, TIMEOUT_S, names, text
from tests.e2e.support.gateway import DOORWARD, Gateway, running


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "a.txt").write_text("first\n")
    grant = {"servers": ["files"], "tools": {"allow": ["list_*", "read_*"]}}
    config = {
        "servers": {"files": {"command": servers.files(folder)}},
        "agents": {"reader": {"grants": [grant]}},
    }
    with running(tmp_path_factory.mktemp("gateway"), config) as gateway:
        yield gateway


def bridge(url: str, key: str) -> StdioServerParameters:
    return StdioServerParameters(command=DOORWARD, args=["bridge", "--url", url], env={"DOORWARD_KEY": key})


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", [*ERAS, "auto"])
async def test_it_relays_both_eras(gw: Gateway, mode: str) -> None:
    parameters = bridge(f"{gw.url}/mcp/files", gw.key("reader"))
    async with Client(parameters, mode=mode, read_timeout_seconds=TIMEOUT_S) as client:
        assert await names(client) == {"list_files", "read_file"}
        result = await client.call_tool("read_file", {"path": "a.txt"})
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("write_file", {"path": "a.txt", "text": ""})

    assert text(result) == "first\n"


@pytest.mark.asyncio
async def test_a_wrong_key_is_said_and_not_hung_upon(gw: Gateway) -> None:
    parameters = bridge(f"{gw.url}/mcp/files", gw.key("reader")[:-1] + "_")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the SDK wraps it in groups of its own
        async with Client(parameters, mode="legacy", read_timeout_seconds=TIMEOUT_S) as client:
            await client.list_tools()

    found: BaseException = caught.value
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, MCPError)
    assert "key" in str(found)


def test_the_parameters_carry_no_key_in_arguments(gw: Gateway, tmp_path: Path) -> None:
    parameters = bridge(gw.url, gw.key("reader"))

    assert gw.key("reader") not in " ".join(parameters.args)
