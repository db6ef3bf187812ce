"""The mirror itself, and that this repository keeps it."""

from pathlib import Path

import pytest

from scripts.test_mirror import faults, main

RUNS = "def f():\n    return 1\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """One module that runs something, with a test of its own path."""
    write(tmp_path, "src/doorward/wire/sse.py", RUNS)
    write(tmp_path, "tests/unit/wire/test_sse.py", "")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def test_this_repository_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().err


def test_a_module_with_a_test_of_its_own_path_is_fine(house: Path) -> None:
    assert list(faults(house, {})) == []


def test_a_module_without_a_test_is_a_fault(house: Path) -> None:
    write(house, "src/doorward/wire/names.py", RUNS)

    assert list(faults(house, {})) == [
        "wire/names has neither tests/unit/wire/test_names.py nor a row in scripts/test_mirror.py"
    ]


def test_a_row_stands_for_a_test(house: Path) -> None:
    write(house, "src/doorward/wire/names.py", RUNS)

    assert list(faults(house, {"tests/unit/wire/test_sse.py": ("wire/names",)})) == []


@pytest.mark.parametrize(
    "text",
    [
        '"""Values."""\nNAMES = (1, 2)\n',
        "class P(Protocol):\n    def f(self) -> int:\n        '''One.'''\n        ...\n",
        "class P:\n    def f(self): ...\n",
    ],
    ids=["values", "protocol", "dots"],
)
def test_what_runs_nothing_needs_neither(house: Path, text: str) -> None:
    write(house, "src/doorward/ports/clock.py", text)

    assert list(faults(house, {})) == []
    assert list(faults(house, {"tests/unit/wire/test_sse.py": ("ports/clock",)})) == [
        "ports/clock runs nothing and needs no row under tests/unit/wire/test_sse.py"
    ]


def test_rows_that_are_not_true_are_faults(house: Path) -> None:
    covered = {"tests/unit/wire/test_sse.py": ("wire/sse", "wire/gone"), "tests/e2e/test_gone.py": ()}

    assert list(faults(house, covered)) == [
        "wire/sse has tests/unit/wire/test_sse.py and needs no row under tests/unit/wire/test_sse.py",
        "there is no wire/gone, named under tests/unit/wire/test_sse.py",
        "there is no tests/e2e/test_gone.py",
        "tests/e2e/test_gone.py stands for no module",
    ]
