"""A stream that is cut on its way to an official client, which goes on with it by Last-Event-ID."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.support.actors import CLIENTS, LEGACY, SERVERS, Client
from tests.e2e.support.cutting import cutting
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

STEPS = 40


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("cut")
    port, server = free_port(), next(one for one in SERVERS if one.name == "py2-http")
    with child(server.command(str(port)), folder / "server.log") as upstream:
        upstream.wait_until(lambda: listens(port), "the server listens")
        entry = {"url": f"http://{LOOPBACK}:{port}/mcp"}
        grant = {"servers": ["slow"], "tools": {"allow": ["slow"]}}
        config = {"servers": {"slow": entry}, "agents": {"user": {"grants": [grant]}}}
        with running(folder, config) as gateway:
            yield gateway


@pytest.mark.parametrize(
    "client", [one for one in CLIENTS if one.era == LEGACY], ids=lambda client: client.name
)
def test_a_client_goes_on_with_a_stream_that_was_cut(gw: Gateway, client: Client) -> None:
    command, before = client.command(), len(gw.calls())
    with cutting(gw.port, b'"progress":5') as (cut, reached):
        target = {
            "id": "cut",
            "server": "slow",
            "url": f"http://{LOOPBACK}:{reached}/mcp/slow",
            "key": gw.key("user"),
            "calls": {"slow": ["slow", {"steps": STEPS}]},
            "prefixes": {"name": ""},
            "lists": {},
        }
        done = subprocess.run(
            command,
            input=json.dumps([target]),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "failed" not in told, told["failed"]

    assert cut.done
    assert b"last-event-id:" in cut.sent.lower()
    assert told["seen"]["slow"] == {"text": "done"}
    assert told["seen"]["progress"] == [[step, STEPS] for step in range(1, STEPS + 1)]
    assert len(gw.calls()) - before == 1
