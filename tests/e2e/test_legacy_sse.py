"""Servers of the first HTTP transport (2024-11-05), as both official SDKs still make them."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.support import legacy_sse, servers
from tests.e2e.support.clients import ERAS, LEGACY, connect, names, text
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, Child, child, free_port, listens, wait_until
from tests.e2e.support.raw import call

PYTHON, NODE = "python", "everything"


class Legacy:
    """The gateway with one server of each SDK behind it."""

    def __init__(self, gw: Gateway, python: Child, port: int) -> None:
        self.gw, self.python, self.port = gw, python, port


def _python(port: int) -> list[str]:
    return [sys.executable, legacy_sse.__file__, str(port)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Legacy]:
    folder = tmp_path_factory.mktemp("legacy-sse")
    ports = {PYTHON: free_port(), NODE: free_port()}
    everything = [*servers.everything()[:-1], "sse"]
    config = {
        "servers": {name: {"url": f"http://{LOOPBACK}:{port}/sse"} for name, port in ports.items()},
        "agents": {"user": {"grants": [{"servers": ["*"], "tools": {"allow": ["*"]}}]}},
    }
    with (
        child(_python(ports[PYTHON]), folder / "python.log") as python,
        child(everything, folder / "node.log", {"PORT": str(ports[NODE])}),
    ):
        wait_until(lambda: all(listens(port) for port in ports.values()), "both servers listen")
        with running(folder, config) as gw:
            yield Legacy(gw, python, ports[PYTHON])


@pytest.mark.spec("DW-167")
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_both_sdks_servers_list_and_answer_in_both_eras(made: Legacy, mode: str) -> None:
    async with connect(f"{made.gw.url}/mcp", made.gw.key("user"), mode) as client:
        seen = await names(client)
        answers = await asyncio.gather(
            client.call_tool(f"{PYTHON}__echo", {"text": "grüß dich"}),
            client.call_tool(f"{NODE}__echo", {"message": "grüß dich"}),
        )

    assert {f"{PYTHON}__echo", f"{PYTHON}__slow", f"{NODE}__get-sum"} <= seen
    assert [text(answer) for answer in answers] == ["grüß dich", "Echo: grüß dich"]


def test_the_transport_is_shown(made: Legacy) -> None:
    servers_shown = made.gw.readyz().json()["servers"]
    assert {name: one["transport"] for name, one in servers_shown.items()} == {PYTHON: "sse", NODE: "sse"}
    for command in (("status",), ("servers", "list")):
        rows = made.gw.run(*command).splitlines()
        assert all("sse" in next(row for row in rows if row.startswith(name)) for name in (PYTHON, NODE))
    shown = json.loads(made.gw.run("status", "--json"))
    assert shown["servers"][PYTHON]["transport"] == "sse"


@pytest.mark.spec("DW-162")
@pytest.mark.asyncio
async def test_each_client_session_has_a_session_of_its_own(made: Legacy) -> None:
    url, key = f"{made.gw.url}/mcp/{PYTHON}", made.gw.key("user")
    async with connect(url, key, LEGACY) as one, connect(url, key, LEGACY) as other:
        streams = [text(await client.call_tool("session", {})) for client in (one, other, one, other)]

    assert streams[0] == streams[2] != streams[1] == streams[3]


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("name", [PYTHON, NODE])
async def test_progress_arrives_while_the_call_runs(made: Legacy, mode: str, name: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    tool, arguments = {
        PYTHON: ("slow", {"seconds": 0.4}),
        NODE: ("trigger-long-running-operation", {"duration": 0.4, "steps": 2}),
    }[name]
    async with connect(f"{made.gw.url}/mcp/{name}", made.gw.key("user"), mode) as client:
        result = await client.call_tool(tool, arguments, progress_callback=note)

    assert not result.is_error
    assert seen == [(1, 2), (2, 2)]


def test_a_restarted_server_is_reached_again_and_a_call_it_took_along_is_named(
    made: Legacy, tmp_path: Path
) -> None:
    url, key = f"{made.gw.url}/mcp/{PYTHON}", made.gw.key("user")
    with httpx2.Client(timeout=30) as http:
        assert "result" in call(http, url, key, "echo", {"text": "a"}).json()
        made.python.kill()
        lost = call(http, url, key, "echo", {"text": "b"}).json()["error"]
        assert lost["data"]["server"] == PYTHON
        with child(_python(made.port), tmp_path / "again.log"):
            wait_until(lambda: listens(made.port), "it listens again")

            def answers() -> bool:
                return "result" in call(http, url, key, "echo", {"text": "c"}).json()

            wait_until(answers, "it answers again")
