"""scripts/pytest-all: what fails twice fails, what fails once is named, and nothing else is run again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts/pytest-all"
STANDIN = """#!/usr/bin/env bash
known=.cache/pytest/v/cache/lastfailed
# Ends with the next of CODES; the first time it leaves FAILED failures.
echo "$@" >>said
mkdir -p .cache/pytest/v/cache
turn=$(wc -l <said)
if [ "$turn" -eq 1 ]; then
    { echo '{'; seq -f '  "tests/a.py::test[%g x]": true,' "$FAILED"; echo '}'; } >$known
fi
exit "$(cut -d' ' -f"$turn" <<<"$CODES")"
"""


def played(folder: Path, codes: str, failed: int) -> tuple[int, list[str], str]:
    """Exit code, the arguments of each run, and what was printed."""
    standin = folder / "pytest"
    standin.write_text(STANDIN)
    standin.chmod(0o755)
    env = {**os.environ, "PYTEST": str(standin), "CODES": codes, "FAILED": str(failed)}
    done = subprocess.run(
        [SCRIPT, "tests/a", "-k", "one two"],
        cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, (folder / "said").read_text().splitlines(), done.stdout


def test_what_is_right_is_run_once_with_several_workers(tmp_path: Path) -> None:
    code, runs, said = played(tmp_path, "0", 0)
    assert (code, len(runs), said) == (0, 1, "")
    assert runs[0].endswith("--dist loadfile --no-loadscope-reorder tests/a -k one two")


def test_what_failed_once_counts_as_right_and_is_named(tmp_path: Path) -> None:
    code, runs, said = played(tmp_path, "1 0", 2)
    assert (code, len(runs)) == (0, 2)
    assert "--last-failed" in runs[1]
    assert "-n" not in runs[1].split()
    assert said.splitlines()[-2:] == ["  tests/a.py::test[1 x]", "  tests/a.py::test[2 x]"]


def test_what_fails_twice_fails(tmp_path: Path) -> None:
    code, runs, said = played(tmp_path, "1 1", 1)
    assert (code, len(runs)) == (1, 2)
    assert "second time" not in said


def test_many_failures_are_not_run_again(tmp_path: Path) -> None:
    assert played(tmp_path, "1 0", 9)[:1] == (1,)
    assert len((tmp_path / "said").read_text().splitlines()) == 1


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_whatever_else_goes_wrong_is_not_run_again(tmp_path: Path, code: int) -> None:
    ended, runs, _ = played(tmp_path, f"{code} 0", 1)
    assert (ended, len(runs)) == (code, 1)


def test_it_reads_what_pytest_leaves(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pytest]\ncache_dir = ".cache/pytest"\n')
    (tmp_path / "test_a.py").write_text(
        "from pathlib import Path\n"
        "def test_good(): pass\n"
        "def test_late():\n"
        "    seen = Path('seen').exists()\n"
        "    Path('seen').touch()\n"
        "    assert seen\n"
    )
    pytest_command = Path(sys.executable).with_name("pytest")
    env = {**os.environ, "PYTEST": str(pytest_command)}
    arguments = [SCRIPT, ".", "-W", "ignore"]
    done = subprocess.run(
        arguments, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "  test_a.py::test_late"
