"""An answer in several streams, from a server of the official SDK that ends them before it is done."""

import sys
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.e2e.support import resumable
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.raw import call


@pytest.mark.spec("DW-376")
def test_a_call_whose_stream_ends_early_is_answered_and_runs_once(start: Start, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, resumable.__file__, str(port)]
    with child(command, tmp_path / "server.log") as upstream, httpx2.Client(timeout=30) as http:
        upstream.wait_until(lambda: listens(port), "the server listens")
        server = {"url": f"http://{LOOPBACK}:{port}/mcp", "timeout": "15s"}
        grant = {"servers": ["long"], "tools": {"allow": ["*"]}}
        gw = start({"servers": {"long": server}, "agents": {"user": {"grants": [grant]}}})
        assert gw.readyz().json()["servers"]["long"]["era"] == "legacy"
        for run, times in enumerate((1, 3), 1):
            answer = call(http, f"{gw.url}/mcp/long", gw.key("user"), "long", {"times": times}).json()
            assert answer["result"]["content"][0]["text"] == f"run {run}"
