"""Real processes, no sockets: what is started ends, whatever happens."""

import asyncio
import sys
from pathlib import Path

import pytest

from doorward.demo.children import Broken, child, exit_code_of, output_of

pytestmark = pytest.mark.asyncio

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_child_ends_with_its_block_also_on_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with child(tmp_path / "log", *SLEEP, cwd=tmp_path) as process:
            raise ZeroDivisionError

    assert process.returncode == -15


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
async def test_grandchildren_end_too(tmp_path: Path) -> None:
    program = f"import subprocess; print(subprocess.Popen({list(SLEEP)!r}).pid, flush=True); raise SystemExit"
    log = tmp_path / "log"
    async with child(log, sys.executable, "-c", program, cwd=tmp_path) as process:
        await process.wait()
        pid = int(log.read_text())
        assert alive(pid)

    for _ in range(100):
        if not alive(pid):
            return
        await asyncio.sleep(0.02)
    # What init has not reaped yet is dead all the same.
    assert "Z" in (Path(f"/proc/{pid}") / "stat").read_text().rpartition(")")[2].split()[0]


async def test_output_is_taken_and_failure_says_why(tmp_path: Path) -> None:
    assert await output_of(sys.executable, "-c", "print('hi')", cwd=tmp_path) == "hi\n"
    with pytest.raises(Broken, match="exit code 3\nbad news"):
        await output_of(
            sys.executable, "-c", "import sys; sys.stderr.write('bad news'); sys.exit(3)", cwd=tmp_path
        )


async def test_exit_code_comes_back_and_stdin_arrives(tmp_path: Path) -> None:
    program = "import sys; sys.exit(len(sys.stdin.read()))"

    assert await exit_code_of(sys.executable, "-c", program, told="four", cwd=tmp_path) == 4
