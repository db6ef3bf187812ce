"""Real clients at real servers, each through /mcp/{server} and through /mcp: the whole everyday round.

A client tells its story (`tests/e2e/stories/story.py`) of all servers in one process, once; what it saw at
each is compared here with what `tests/e2e/support/rounds.py` expects.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from tests.e2e.support import rounds
from tests.e2e.support.actors import CLIENTS, LEGACY, SERVERS, Client, Server
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

Json = dict[str, Any]
Told = Callable[[Client], dict[str, Json]]

STORY_S = 280.0


@pytest.fixture(scope="module")
def servers() -> dict[str, str]:
    """Why a server is not there, for those that are not; where CI runs, all have to be."""
    absent = {}
    for server in SERVERS:
        try:
            server.command("stdio")
        except pytest.skip.Exception as missing:
            absent[server.name] = str(missing)
    return absent


@pytest.fixture(scope="module")
def gw(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway before all of them."""
    folder = tmp_path_factory.mktemp("clients")
    there = [server for server in SERVERS if server.name not in servers]
    with ExitStack() as stack:
        entries: dict[str, Json] = {}
        listening = []
        for server in there:
            if server.stdio:
                entries[server.name] = {"command": server.command("stdio"), **server.settings}
                continue
            port = free_port()
            started = stack.enter_context(child(server.command(str(port)), folder / f"{server.name}.log"))
            entries[server.name] = {"url": f"http://{LOOPBACK}:{port}/mcp", **server.settings}
            listening.append((started, port))
        for started, port in listening:
            started.wait_until(lambda port=port: listens(port), "the server listens")  # type: ignore[misc]
        grants = [grant for server in there for grant in rounds.grants(server)]
        config = {"servers": entries, "agents": {"user": {"grants": grants}}}
        yield stack.enter_context(running(folder, config))


@pytest.fixture(scope="module")
def told(gw: Gateway, servers: dict[str, str]) -> Told:
    """What a client has seen, by the id of the target; told once."""
    there = [server for server in SERVERS if server.name not in servers]
    targets = [
        rounds.target(server, gw.url, gw.key("user"), path) for server in there for path in rounds.PATHS
    ]

    @cache
    def tell(client: Client) -> dict[str, Json]:
        done = subprocess.run(
            client.command(),
            input=json.dumps(targets),
            capture_output=True,
            text=True,
            timeout=STORY_S,
            check=False,
        )
        assert done.returncode == 0, f"{client.name} ended with {done.returncode}: {done.stderr[-4000:]}"
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["id"]: line for line in lines}

    return tell


@pytest.mark.parametrize("path", rounds.PATHS, ids=("alone", "together"))
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_everyday_round(
    told: Told, servers: dict[str, str], client: Client, server: Server, path: str
) -> None:
    if server.name in servers:
        pytest.skip(servers[server.name])
    line = told(client)[f"{server.name} {path}"]
    assert "failed" not in line, line["failed"]

    seen = line["seen"]
    # What comes and goes was there or not, as the round before has left it.
    seen["tools"] = [name for name in seen["tools"] if not name.endswith("extra")]
    assert seen == rounds.expected(client, server, path)


def test_no_client_had_to_begin_again(told: Told, gw: Gateway, servers: dict[str, str]) -> None:
    """One session for each round in the legacy era, whatever was refused in it; none in the modern one."""
    clients = [client for client in CLIENTS if client.era == LEGACY]
    spoken = sum(len(told(client)) for client in clients)
    begun = gw.calls("initialize")

    assert spoken == len(clients) * len(rounds.PATHS) * (len(SERVERS) - len(servers))
    assert len(begun) == spoken
