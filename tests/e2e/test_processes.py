"""What the tests of this folder stand on: a port has one server."""

import json
import subprocess
import sys

import pytest

from tests.e2e.support import processes
from tests.e2e.support.servers import ROOT

COUNT = 40
"""Of 300: without claims two processes would choose some of the same for sure."""
TAKE = """
import json
from tests.e2e.support import processes
first, last, count = json.loads(input())
processes.PORTS = range(first, last)
print(json.dumps([processes.free_port() for _ in range(count)]))
"""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> range:
    """Ports above those that others use, and below those that the kernel gives away."""
    ports = range(32_100, 32_400)
    monkeypatch.setattr(processes, "PORTS", ports)
    return ports


def test_no_port_is_given_twice(few: range) -> None:
    given = [processes.free_port() for _ in range(COUNT)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(few)


def test_no_port_of_another_process_is_given(few: range) -> None:
    mine = {processes.free_port() for _ in range(COUNT)}
    done = subprocess.run(
        [sys.executable, "-c", TAKE],
        input=json.dumps([few.start, few.stop, COUNT]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    others = json.loads(done.stdout)
    assert len(set(others)) == COUNT
    assert mine.isdisjoint(others)
