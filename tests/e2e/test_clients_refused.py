"""What is refused before it is read as a message: the client's call fails, and its session goes on."""

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests.e2e.support.actors import CLIENTS, SERVERS, Client
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

Json = dict[str, Any]

LABELS = ("deep", "large")
# Version 1 of the Python SDK ends its transport on any status from 400 on but 404, whatever the body says. A
# body that is not read has no id by which it could be answered otherwise.
ENDS_ON_STATUS = ("py1", "large")


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("refused")
    port, server = free_port(), next(one for one in SERVERS if one.name == "py2-http")
    with child(server.command(str(port)), folder / "server.log") as upstream:
        upstream.wait_until(lambda: listens(port), "the server listens")
        grant = {"servers": ["sums"], "tools": {"allow": ["add"]}}
        entry = {"url": f"http://{LOOPBACK}:{port}/mcp"}
        with running(
            folder, {"servers": {"sums": entry}, "agents": {"user": {"grants": [grant]}}}
        ) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def told(gw: Gateway) -> Callable[[Client], dict[str, Json]]:
    """What a client has seen, by label, in a session for each; told once."""
    targets = [
        {
            "id": label,
            "server": "sums",
            "url": f"{gw.url}/mcp/sums",
            "key": gw.key("user"),
            "calls": {"add": ["add", {"a": 2, "b": 3}]},
            "prefixes": {"name": ""},
            "lists": {},
            "refused": {label: ["call", "add", {label: True}]},
        }
        for label in LABELS
    ]

    @cache
    def tell(client: Client) -> dict[str, Json]:
        done = subprocess.run(
            client.command(),
            input=json.dumps(targets),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}

    return tell


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_session_goes_on(told: Callable[[Client], dict[str, Json]], client: Client, label: str) -> None:
    line = told(client)[label]
    if (client.name, label) == ENDS_ON_STATUS:
        assert "HTTPStatusError" in line["failed"]
        return
    assert "failed" not in line, line["failed"]

    seen = line["seen"][f"refused {label}"]
    assert seen["alive"]
    assert {"code", "lost"} & seen["refusal"].keys(), "it was answered as if it had been carried"
