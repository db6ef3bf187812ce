"""The figures of every run and what is wrong with them. Pure but for reading the suite's lists and ours."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.conformance import compare, questions, suite
from tests.conformance.compare import Excepted, Row, Wrong
from tests.conformance.runs import LEGACY, MODERN, OLDER, Found, tag
from tests.conformance.suite import Results

DIFFERENCES: Final = Path(__file__).with_name("differences.toml")
CROSS: Final = {LEGACY: "cross_l2m", MODERN: "cross_m2l"}


def _sources() -> dict[str, tuple[str, ...]]:
    """By run of the report: the runs of the suite that it is made of."""
    made: dict[str, tuple[str, ...]] = {"client": ("client_direct", "client_through")}
    for revision in (LEGACY, MODERN):
        own, through = f"direct_{tag(revision)}", f"required_{tag(revision)}"
        made[own] = (own,)
        made[f"unscored_{tag(revision)}"] = (own, through)
        for name in (through, f"aggregated_{tag(revision)}", f"dual_{tag(revision)}", CROSS[revision]):
            made[name] = (own, name)
        made[CROSS[revision]] += (f"{CROSS[revision]}_asked",)
    for revision in OLDER:
        made[f"all_{tag(revision)}"] = (f"direct_{tag(revision)}", f"required_{tag(revision)}")
    return made


SOURCES: Final = _sources()


@dataclass
class Report:
    """What stands in build/conformance.json."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    second_try: list[Wrong] = field(default_factory=list)
    """What was wrong the first time only."""
    seconds: float = 0.0

    @classmethod
    def of(cls, found: Found, excepted: Iterable[Excepted] | None = None) -> "Report":
        """`excepted`: instead of what differences.toml lists."""
        listed = compare.load(DIFFERENCES) if excepted is None else tuple(excepted)
        made = cls()
        for run, rows in _rows(found):
            if run.startswith("direct_"):
                made.wrong += [
                    Wrong(run, row.scenario, "fails against the fixture") for row in rows if not row.direct
                ]
            else:
                made.figures[run] = compare.figures(run, rows, listed)
                made.wrong += compare.judge(run, rows, listed)
                if run in questions.ASKING:
                    made.wrong += _unasked(run, rows, found.get(f"{run}_asked", {}))
        known = {run for run in SOURCES if not run.startswith("direct_")}
        made.wrong += [
            Wrong(run, ", ".join(each.scenarios), "listed for a run that there is not")
            for each in listed
            for run in each.runs
            if run not in known
        ]
        return made

    def document(self) -> dict[str, Any]:
        said = {"wrong": list(map(str, self.wrong)), "second_try": list(map(str, self.second_try))}
        return {**self.figures, **said, "seconds": self.seconds}


def _unasked(run: str, rows: Iterable[Row], asked: Results) -> Iterable[Wrong]:
    """Across eras, a scenario may differ only because a call of it needs a question to the client, which has
    to fail in the right way; and what is said to need one has to differ."""
    differing = {row.scenario for row in rows if row.worse}
    for scenario in sorted(differing - questions.ASKING[run].keys()):
        yield Wrong(run, scenario, "differs, and needs no question to the client")
    for scenario in questions.ASKING[run]:
        check = asked.get(scenario, {}).get(questions.CHECK)
        if check is None or check.status != "SUCCESS":
            yield Wrong(run, scenario, f"its question: {'was not asked' if check is None else check.said}")
        elif scenario not in differing:
            yield Wrong(run, scenario, "is said to need a question to the client, and does not differ")


def _rows(found: Found) -> Iterable[tuple[str, list[Row]]]:
    for run, sources in SOURCES.items():
        before: Results = found.get(sources[0], {})
        after: Results = found.get(sources[min(1, len(sources) - 1)], {})
        yield run, compare.rows(_scenarios(run, before, after), before, after)


def _scenarios(run: str, before: Results, after: Results) -> Iterable[str]:
    """The required set; where there is none, or it is not what is asked for, all that were run."""
    everything = dict.fromkeys((*before, *after))
    revision = MODERN if run.endswith(tag(MODERN)) or run == CROSS[MODERN] else LEGACY
    if run.startswith(("all_", "client")):
        return everything
    required = suite.required(revision, "server")
    if run.startswith("unscored_"):
        return [name for name in everything if name not in required]
    return required


def second_thoughts(first: Report, found: Found, again: Found) -> Report:
    """The report in which what was wrong is replaced by what came of it the second time.

    Nothing else is: a scenario that was right once stays right, and one that is wrong twice stays wrong.
    """
    merged = {name: dict(results) for name, results in found.items()}
    for wrong in first.wrong:
        for name in SOURCES.get(wrong.run, ()):
            if wrong.scenario in again.get(name, {}):
                merged.setdefault(name, {})[wrong.scenario] = again[name][wrong.scenario]
    made = Report.of(merged)
    still = {(wrong.run, wrong.scenario) for wrong in made.wrong}
    made.second_try = [wrong for wrong in first.wrong if (wrong.run, wrong.scenario) not in still]
    return made
