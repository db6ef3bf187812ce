"""What counts as a difference between a run directly and one through Doorward."""

import json
from pathlib import Path

import pytest

from tests.conformance import compare, suite
from tests.conformance.compare import Excepted

GOOD = {"a": "SUCCESS", "b": "INFO"}


@pytest.mark.parametrize(
    ("direct", "through", "worse"),
    [
        (GOOD, GOOD, {}),
        (GOOD, {"a": "SUCCESS", "b": "SUCCESS"}, {}),
        (GOOD, {"a": "WARNING", "b": "INFO"}, {"a": ("SUCCESS", "WARNING")}),
        (GOOD, {"a": "SKIPPED", "b": "INFO"}, {"a": ("SUCCESS", "SKIPPED")}),
        ({"a": "FAILURE"}, {"a": "SUCCESS"}, {}),
        ({"a": "WARNING"}, {"a": "FAILURE"}, {"a": ("WARNING", "FAILURE")}),
        (GOOD, {"a": "SUCCESS"}, {}),
        (GOOD, {"b": "INFO"}, {"a": ("SUCCESS", compare.MISSING)}),
        (GOOD, {**GOOD, "c": "FAILURE"}, {"c": (compare.MISSING, "FAILURE")}),
        (GOOD, {**GOOD, "c": "WARNING"}, {}),
        (GOOD, None, {"a": ("SUCCESS", compare.MISSING)}),
    ],
)
def test_a_check_that_is_worse_through_doorward_is_a_difference(
    direct: suite.Checks, through: suite.Checks | None, worse: dict[str, tuple[str, str]]
) -> None:
    assert compare.row("x", direct, through).worse == worse


def test_a_scenario_that_did_not_run_does_not_pass() -> None:
    assert not compare.row("x", GOOD, None).through
    assert not suite.passes(None)
    assert suite.passes({"a": "WARNING"})


def test_a_difference_has_to_be_listed() -> None:
    rows = compare.rows(("x",), {"x": {"a": "SUCCESS"}}, {"x": {"a": "FAILURE"}})
    assert compare.judge("run", rows, ()) == ["run: x: a SUCCESS -> FAILURE"]
    assert compare.judge("run", rows, (Excepted(("run",), "x", "because"),)) == []
    assert compare.judge("run", rows, (Excepted(("other",), "x", "because"),)) != []


def test_a_listed_difference_has_to_be_one() -> None:
    same = compare.rows(("x",), {"x": GOOD}, {"x": GOOD})
    listed = (Excepted(("run",), "x", "because"), Excepted(("run",), "y", "because"))
    assert compare.judge("run", same, listed) == [
        "run: x: listed as a difference, and is none",
        "run: y: listed as a difference, and was not run",
    ]


def test_the_figures_name_what_is_excepted_and_why() -> None:
    rows = compare.rows(("x", "y"), {"x": GOOD, "y": GOOD}, {"x": GOOD, "y": {"a": "FAILURE"}})
    figures = compare.figures("run", rows, (Excepted(("run",), "y", "because"),))
    assert (figures["passed"], figures["total"], figures["direct_passed"], figures["excepted"]) == (
        1,
        2,
        2,
        1,
    )
    assert figures["exceptions"] == [{"scenario": "y", "reason": "because"}]
    assert figures["failed"] == ["y"]


def test_a_listed_difference_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "differences.toml"
    file.write_text('[[difference]]\nruns = ["run"]\nscenario = "x"\nreason = " "\n')
    with pytest.raises(ValueError, match="needs a reason"):
        compare.load(file)


def test_the_list_in_the_tree_can_be_read() -> None:
    compare.load(Path(__file__).with_name("differences.toml"))


def test_results_are_read_from_the_suites_files(tmp_path: Path) -> None:
    checks = [
        {"id": "a", "status": "SUCCESS"},
        {"id": "a", "status": "WARNING"},
        {"id": "b", "status": "INFO"},
    ]
    for folder in (
        "server-server-sse-polling-2026-11-21T16-16-50-507Z",
        "auth/basic-2026-11-21T16-16-50-507Z",
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "checks.json").write_text(json.dumps(checks))
    found = suite.read(tmp_path)
    assert found == {
        "server-sse-polling": {"a": "WARNING", "b": "INFO"},
        "auth/basic": {"a": "WARNING", "b": "INFO"},
    }
