"""What fails a run, what a second try may mend, and who is asked again."""

from pathlib import Path

import pytest

from tests.conformance import compare, questions, run, runs, suite
from tests.conformance.compare import Excepted
from tests.conformance.report import DIFFERENCES, SOURCES, Report, second_thoughts
from tests.conformance.runs import Found, Part
from tests.conformance.suite import Check

NEEDED = ("ping", "tools-list")
GOOD = {"a": Check("SUCCESS")}
BAD = {"a": Check("FAILURE", "words")}


@pytest.fixture(autouse=True)
def _two_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both revisions require the same two, so that a report can be written down here; nothing is listed."""
    monkeypatch.setattr(suite, "required", lambda *_: NEEDED)
    monkeypatch.setattr(compare, "load", lambda *_: ())
    monkeypatch.setattr(questions, "ASKING", {"cross_l2m": {}, "cross_m2l": {}})


def everything() -> Found:
    """Every run with both scenarios, all well."""
    names = {name for sources in SOURCES.values() for name in sources}
    return {name: dict.fromkeys(NEEDED, GOOD) for name in names}


def wrongs(report: Report) -> list[str]:
    return list(map(str, report.wrong))


def test_nothing_is_wrong_when_all_is_well() -> None:
    report = Report.of(everything())
    assert wrongs(report) == []
    assert report.figures["cross_l2m"] == {
        "passed": 2,
        "total": 2,
        "direct_passed": 2,
        "excepted": 0,
        "exceptions": [],
        "failed": [],
        "different": {},
    }


def test_the_figures_have_the_names_of_the_issue() -> None:
    named = {
        f"{run}_{revision}" for run in ("required", "aggregated") for revision in ("2025_11_25", "2026_07_28")
    }
    assert named | {"cross_l2m", "cross_m2l"} <= Report.of(everything()).document().keys()


def test_a_difference_is_wrong() -> None:
    found = everything()
    found["aggregated_2026_07_28"]["ping"] = BAD
    assert wrongs(Report.of(found)) == ["aggregated_2026_07_28: ping: a SUCCESS -> FAILURE (words)"]


def test_a_fixture_that_fails_is_wrong() -> None:
    found = everything()
    found["direct_2025_11_25"]["ping"] = BAD
    assert "direct_2025_11_25: ping: fails against the fixture" in wrongs(Report.of(found))


def test_a_scenario_that_runs_through_us_only_is_looked_at() -> None:
    found = everything()
    found["required_2026_07_28"]["unheard"] = BAD
    assert wrongs(Report.of(found)) == ["unscored_2026_07_28: unheard: a MISSING -> FAILURE (words)"]


def test_a_row_about_an_unknown_run_is_wrong() -> None:
    row = Excepted(("nowhere",), ("ping",), "because", "words")
    assert wrongs(Report.of(everything(), [row])) == ["nowhere: ping: listed for a run that there is not"]


def test_the_second_try_counts_and_is_told() -> None:
    found = everything()
    found["aggregated_2026_07_28"]["ping"] = BAD
    report = second_thoughts(Report.of(found), found, {"aggregated_2026_07_28": {"ping": GOOD}})
    assert wrongs(report) == []
    assert report.document()["second_try"] == ["aggregated_2026_07_28: ping: a SUCCESS -> FAILURE (words)"]


def test_what_is_wrong_twice_stays_wrong() -> None:
    found = everything()
    found["aggregated_2026_07_28"]["ping"] = BAD
    again: Found
    for again in ({"aggregated_2026_07_28": {"ping": BAD}}, {"aggregated_2026_07_28": {}}, {}):
        report = second_thoughts(Report.of(found), found, again)
        assert wrongs(report) == ["aggregated_2026_07_28: ping: a SUCCESS -> FAILURE (words)"]
        assert report.second_try == []


def test_a_second_try_takes_nothing_else_with_it() -> None:
    found = everything()
    found["aggregated_2026_07_28"]["ping"] = BAD
    again = {"aggregated_2026_07_28": {"ping": GOOD, "tools-list": BAD}}
    assert wrongs(second_thoughts(Report.of(found), found, again)) == []


def part(*names: str, fails: bool = False) -> Part:
    def play(out: Path) -> Found:
        assert not fails, "it does not come up"
        return {name: {"ping": GOOD} for name in names}

    return Part(frozenset(names), play)


def test_who_is_asked_again() -> None:
    found = everything()
    found["required_2025_11_25"]["ping"] = BAD
    parts = [part("direct_2025_11_25"), part("required_2025_11_25", "cross_l2m"), part("client_direct")]
    assert run.affected(parts, Report.of(found)) == parts[:2]


def test_a_part_that_does_not_come_up_leaves_its_scenarios_wrong(tmp_path: Path) -> None:
    found = run.played([part("dual_2025_11_25", fails=True), part("direct_2025_11_25")], tmp_path / "out")
    assert found == {"direct_2025_11_25": {"ping": GOOD}}
    assert "dual_2025_11_25: ping: a SUCCESS -> MISSING" in wrongs(Report.of(found))


def test_the_parts_have_all_that_the_report_needs() -> None:
    played = {name for each in runs.parts() for name in each.runs}
    assert played == {name for sources in SOURCES.values() for name in sources}


def test_the_list_of_differences_is_where_it_is_looked_for() -> None:
    assert DIFFERENCES.is_file()


ASKED = {"a": Check("FAILURE", "not carried")}


def asking(monkeypatch: pytest.MonkeyPatch) -> Found:
    """`ping` needs a question across eras, differs for that, is listed, and its question fails well."""
    listed = Excepted(("cross_m2l",), ("ping",), "because", "not carried")
    monkeypatch.setattr(compare, "load", lambda *_: (listed,))
    monkeypatch.setattr(questions, "ASKING", {"cross_l2m": {}, "cross_m2l": {"ping": None}})
    found = everything()
    found["cross_m2l"]["ping"] = ASKED
    found["cross_m2l_asked"] = {"ping": {questions.CHECK: Check("SUCCESS")}}
    return found


def test_a_question_that_fails_as_it_has_to_excuses_its_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrongs(Report.of(asking(monkeypatch))) == []


def test_a_question_that_fails_otherwise_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asking(monkeypatch)
    found["cross_m2l_asked"]["ping"] = {questions.CHECK: Check("FAILURE", "it hung")}
    assert wrongs(Report.of(found)) == ["cross_m2l: ping: its question: it hung"]
    del found["cross_m2l_asked"]["ping"]
    assert wrongs(Report.of(found)) == ["cross_m2l: ping: its question: was not asked"]


def test_a_scenario_without_a_question_has_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asking(monkeypatch)
    found["cross_m2l"]["tools-list"] = ASKED
    assert "cross_m2l: tools-list: differs, and needs no question to the client" in wrongs(Report.of(found))


def test_what_needs_no_excuse_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asking(monkeypatch)
    found["cross_m2l"]["ping"] = GOOD
    said = "cross_m2l: ping: is said to need a question to the client, and does not differ"
    assert said in wrongs(Report.of(found))
