"""What a child gets of ours, and what is said when there is no such command."""

import errno
from pathlib import Path

import pytest

from doorward.upstream.launch import INHERITED, check, environment


def test_only_the_allowed_names_are_inherited() -> None:
    ours = dict.fromkeys(INHERITED, "x") | {
        "AWS_SECRET_ACCESS_KEY": "s",
        "LD_PRELOAD": "l",
        "PYTHONPATH": "p",
    }

    assert set(environment(ours)) == set(INHERITED)


def test_a_shell_function_is_not_inherited() -> None:
    assert environment({"TERM": "() { :; }; rm -rf /", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.joinpath("run").write_text("#!/bin/sh\n")
    tmp_path.joinpath("run").chmod(0o755)
    tmp_path.joinpath("plain").write_text("")
    return tmp_path


@pytest.mark.parametrize("program", ["run", "./run", "{folder}/run"])
def test_a_command_is_found_as_the_child_would_find_it(folder: Path, program: str) -> None:
    check(program.format(folder=folder), {"PATH": str(folder)}, str(folder))


@pytest.mark.parametrize(
    ("program", "number"),
    [
        ("nothing", errno.ENOENT),
        ("./nothing", errno.ENOENT),
        ("./plain", errno.EACCES),
        ("plain", errno.ENOENT),
    ],
)
def test_what_cannot_be_run_is_said(folder: Path, program: str, number: int) -> None:
    with pytest.raises(OSError, match=program) as caught:
        check(program, {"PATH": str(folder)}, str(folder))
    assert caught.value.errno == number


def test_a_directory_must_be_there(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        check("run", {"PATH": str(folder)}, str(folder / "missing"))
