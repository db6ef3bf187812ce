"""A local server that prints to its standard output works, and the operator is told."""

import sys
from pathlib import Path

from tests.e2e.conftest import Start

CHILD = Path(__file__).parents[1] / "attack" / "hostile_child.py"


def test_status_shows_the_first_line_that_is_no_message(start: Start) -> None:
    grant = {"servers": ["*"], "tools": {"allow": ["*"]}}
    gw = start(
        {
            "servers": {"noisy": {"command": [sys.executable, str(CHILD), "noisy"]}},
            "agents": {"user": {"grants": [grant]}},
        }
    )

    row = next(line for line in gw.run("status").splitlines() if line.startswith("noisy"))

    assert row.split()[:5] == ["noisy", "up", "enforce", "legacy", "stdio"]
    assert "not JSON-RPC, such as 'Welcome to the noisy server!'" in row
    assert gw.process.said().count("Welcome") == 0
