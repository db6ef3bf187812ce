"""`doorward demo` as anybody runs it: it succeeds quickly, and nothing of it stays, however it ends."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.gateway import DOORWARD
from tests.e2e.support.processes import wait_until


def started(tmp_path: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [DOORWARD, "demo", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )


def processes_about(folder: Path) -> dict[int, str]:
    """Command lines, by process id, of live processes that work in `folder` or name it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                where = str((entry / "cwd").readlink())
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if str(folder) in command or where.startswith(str(folder)):
                found[int(entry.name)] = command
    return found


@pytest.fixture(autouse=True)
def swept(tmp_path: Path) -> Iterator[None]:
    """What a failing test leaves behind is not left to the next one."""
    yield
    for pid in processes_about(tmp_path):
        os.kill(pid, signal.SIGKILL)


def test_it_succeeds_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    demo = started(tmp_path, "--fast")
    output, _ = demo.communicate(timeout=250)

    assert demo.returncode == 0, output
    assert time.monotonic() - began < 120
    assert "doorward.yaml:" in output
    assert "Unknown tool" in output
    assert "✗" not in output
    assert max(map(len, output.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []
    assert not processes_about(tmp_path)


def test_the_first_words_come_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    demo = started(tmp_path, "--fast")
    assert demo.stdout is not None
    first = demo.stdout.readline()
    waited = time.monotonic() - began
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=30)

    assert "Doorward" in first
    assert waited < 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    demo = started(tmp_path)
    assert demo.stdout is not None
    line = demo.stdout.readline()
    while "Each agent" not in line:
        assert line, "the demonstration ended early"
        line = demo.stdout.readline()
    assert processes_about(tmp_path)

    os.killpg(demo.pid, number)
    demo.communicate(timeout=30)

    assert demo.returncode == 128 + number
    wait_until(lambda: not processes_about(tmp_path), "no process is left")
    assert list(tmp_path.iterdir()) == []


def test_keep_leaves_a_working_starting_point(tmp_path: Path) -> None:
    demo = started(tmp_path, "--fast", "--keep")
    output, _ = demo.communicate(timeout=250)

    (folder,) = tmp_path.iterdir()
    assert demo.returncode == 0, output
    assert f"doorward serve -c {folder / 'doorward.yaml'}" in output
    subprocess.run(
        [DOORWARD, "serve", "--check", "-c", str(folder / "doorward.yaml")], check=True, timeout=30
    )
    assert not processes_about(tmp_path)
