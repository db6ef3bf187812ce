"""What counts as a difference between a run directly and one through Doorward."""

import json
from pathlib import Path

import pytest

from tests.conformance import compare, suite, table
from tests.conformance.compare import MISSING, Excepted
from tests.conformance.suite import Check


def checks(**statuses: str) -> suite.Checks:
    return {name: Check(status, "words" if status == "FAILURE" else "") for name, status in statuses.items()}


GOOD = checks(a="SUCCESS", b="INFO")
BAD = checks(a="FAILURE", b="INFO")


@pytest.mark.parametrize(
    ("direct", "through", "worse"),
    [
        (GOOD, GOOD, []),
        (GOOD, checks(a="SUCCESS", b="SUCCESS"), []),
        (GOOD, checks(a="WARNING", b="INFO"), [("a", "SUCCESS", "WARNING")]),
        (GOOD, checks(a="SKIPPED", b="INFO"), [("a", "SUCCESS", "SKIPPED")]),
        (BAD, GOOD, []),
        (checks(a="WARNING"), checks(a="FAILURE"), [("a", "WARNING", "FAILURE")]),
        (GOOD, checks(a="SUCCESS"), []),
        (GOOD, checks(b="INFO"), [("a", "SUCCESS", MISSING)]),
        (GOOD, checks(a="SUCCESS", b="INFO", c="FAILURE"), [("c", MISSING, "FAILURE")]),
        (GOOD, checks(a="SUCCESS", b="INFO", c="WARNING"), []),
        (GOOD, None, [("a", "SUCCESS", MISSING)]),
    ],
)
def test_a_check_that_is_worse_through_doorward_is_a_difference(
    direct: suite.Checks, through: suite.Checks | None, worse: list[tuple[str, str, str]]
) -> None:
    found = compare.row("x", direct, through).worse
    assert [(each.check, each.direct, each.through) for each in found] == worse


def test_a_scenario_that_did_not_run_does_not_pass() -> None:
    assert not compare.row("x", GOOD, None).through
    assert not suite.passes(None)
    assert suite.passes(checks(a="WARNING"))


def listed(run: str, *scenarios: str, says: str = "words") -> Excepted:
    return Excepted((run,), scenarios, "because", says)


def judged(rows: list[compare.Row], *excepted: Excepted) -> list[str]:
    return list(map(str, compare.judge("run", rows, excepted)))


def test_a_difference_has_to_be_listed_with_its_words() -> None:
    rows = compare.rows(("x",), {"x": GOOD}, {"x": BAD})
    unlisted = ["run: x: a SUCCESS -> FAILURE (words)"]
    assert judged(rows) == unlisted
    assert judged(rows, listed("run", "x")) == []
    assert judged(rows, listed("other", "x")) == unlisted
    assert judged(rows, listed("run", "x", says="other words")) == unlisted


def test_a_listed_difference_has_to_be_one() -> None:
    same = compare.rows(("x",), {"x": GOOD}, {"x": GOOD})
    assert judged(same, listed("run", "x", "y")) == [
        "run: x: listed as a difference, and is none",
        "run: y: listed as a difference, and was not run",
    ]


def test_the_figures_name_what_is_excepted_and_why() -> None:
    rows = compare.rows(("x", "y"), {"x": GOOD, "y": GOOD}, {"x": GOOD, "y": BAD})
    figures = compare.figures("run", rows, (listed("run", "y"),))
    assert [figures[name] for name in ("passed", "total", "direct_passed", "excepted")] == [1, 2, 2, 1]
    assert figures["exceptions"] == [{"scenario": "y", "reason": "because"}]
    assert figures["failed"] == ["y"]


def test_the_table_marks_what_differs() -> None:
    rows = compare.rows(("x", "y"), {"x": GOOD, "y": GOOD}, {"x": BAD, "y": BAD})
    shown = list(table.lines({"run": compare.figures("run", rows, (listed("run", "y"),))}, ["z"], ["x"]))
    assert "  X  x" in shown
    assert "  e  y" in shown
    assert shown[-2:] == ["  right the second time only: z", "  wrong: x"]


@pytest.mark.parametrize(
    "row",
    ['reason = " "\nsays = "words"', 'reason = "because"\nsays = ""'],
)
def test_a_listed_difference_needs_a_reason_and_words(tmp_path: Path, row: str) -> None:
    file = tmp_path / "differences.toml"
    file.write_text(f'[[difference]]\nruns = ["run"]\nscenarios = ["x"]\n{row}\n')
    with pytest.raises(ValueError, match="needs a reason"):
        compare.load(file)


def test_the_list_in_the_tree_can_be_read() -> None:
    assert compare.load(Path(__file__).with_name("differences.toml"))


def test_results_are_read_from_the_suites_files(tmp_path: Path) -> None:
    made = [
        {"id": "a", "status": "SUCCESS"},
        {"id": "a", "status": "WARNING", "errorMessage": "hm"},
        {"id": "b", "status": "INFO"},
    ]
    time = "2026-11-21T16-16-50-507Z"
    for folder in (f"server-server-sse-polling-{time}", f"auth/basic-{time}"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "checks.json").write_text(json.dumps(made))
    found = {"a": Check("WARNING", "hm"), "b": Check("INFO")}
    assert suite.read(tmp_path) == {"server-sse-polling": found, "auth/basic": found}
