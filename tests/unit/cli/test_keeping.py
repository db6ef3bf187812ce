"""`doorward audit prune|hold|release` at the terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.evidence import log_of
from doorward.cli.main import main
from tests.unit.app.real_log import START, configured, written

DAY = 86_400.0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of July 2026 and later, on a day more than 400 days after."""
    written(configured(tmp_path), 60)
    monkeypatch.setattr("doorward.app.keeping.time.time", lambda: START + 800 * DAY)
    return tmp_path


def run(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["audit", *words, "-c", str(root / "doorward.yaml")])
    return code, "".join(capsys.readouterr())


def run_json(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["audit", *words, "-c", str(root / "doorward.yaml"), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dry_run_says_what_would_go(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(root, capsys, "prune", "--dry-run")
    assert code == 0
    header, row, *_ = said.splitlines()
    assert header.split() == ["SEGMENT", "FROM", "TO", "RECORDS", "BYTES", "TAKES", "OUT"]
    assert row.split()[:2] == ["00000001", "2026-07-01"]
    assert row.endswith("decisions")
    found = run_json(root, capsys, "prune", "--dry-run")
    assert found["schema"] == "doorward.audit.prune/v1"
    assert next(each["segment"] for each in found["due"]) == "00000001"
    assert (found["pruned"], found["held"], found["gateway"], found["troubles"]) == ([], None, None, [])


def test_pruning_says_what_went(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(root, capsys, "prune")
    assert code == 0
    assert "records were taken out of" in said
    assert run(root, capsys, "prune") == (0, "nothing is older than audit.keep\n")


def test_a_hold_and_its_end(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, capsys, "hold", "--reason", "case \x1b[31m7")[0] == 0
    code, said = run(root, capsys, "prune")
    assert code == 0
    assert "nothing is taken out: held since 2028-09-08 by " in said
    assert ": case ?[31m7" in said
    assert run_json(root, capsys, "prune")["held"]["reason"] == "case \x1b[31m7"
    code, said = run(root, capsys, "release")
    assert code == 0
    assert "released: it was held since 2028-09-08" in said
    assert run(root, capsys, "release") == (0, "nothing was held\n")
    assert run_json(root, capsys, "release") == {
        "schema": "doorward.audit.hold/v1", "held": False, "was": None,
    }  # fmt: skip
    assert run_json(root, capsys, "hold")["held"] is True


def test_a_damaged_segment_ends_with_12(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log_of(configured(root)) / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"bot"', b'"bat"', 1))
    code, said = run(root, capsys, "prune")
    assert code == 12
    assert "left as it is: " in said


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("00000001.jsonl", b"junk\n", 12),
        ("00000001.jsonl", b"\xff\xfe\n", 12),
        ("00000002.jsonl.gz", b"junk", 12),
        ("00000002.kept.jsonl", b'{"n":', 12),
        ("hold", b"", 12),
        ("keys", b"junk\n", 12),
    ],
)
def test_a_hostile_log_gives_a_verdict_and_no_traceback(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, code: int
) -> None:
    directory = log_of(configured(root))
    for each in directory.glob(f"{name.partition('.')[0]}*"):
        each.unlink()
    (directory / name).write_bytes(content)
    found, said = run(root, capsys, "prune")
    assert found == code, said
    assert "bug" not in said


def test_a_log_that_was_never_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(tmp_path)
    assert run(tmp_path, capsys, "prune", "--dry-run") == (0, "nothing is older than audit.keep\n")
