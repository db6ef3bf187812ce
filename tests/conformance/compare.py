"""What Doorward changes: the same scenario directly and through it, check by check. Pure."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.suite import RANK, Check, Checks, Results, passes

MISSING: Final = "MISSING"


@dataclass(frozen=True)
class Excepted:
    """A difference that is to be, with its reason: `differences.toml` holds them all."""

    runs: tuple[str, ...]
    scenarios: tuple[str, ...]
    reason: str
    says: str
    """What the suite must say of it: a scenario may not begin to fail in another way unnoticed."""


@dataclass(frozen=True)
class Worse:
    """One check that is worse through Doorward than directly."""

    check: str
    direct: str
    through: str
    said: str

    def __str__(self) -> str:
        return f"{self.check} {self.direct} -> {self.through}" + (f" ({self.said})" if self.said else "")


@dataclass(frozen=True)
class Wrong:
    """What makes `make conformance` fail."""

    run: str
    scenario: str
    text: str

    def __str__(self) -> str:
        return f"{self.run}: {self.scenario}: {self.text}"


@dataclass(frozen=True)
class Row:
    """One scenario of one run."""

    scenario: str
    direct: bool
    through: bool
    worse: tuple[Worse, ...]


def load(file: Path) -> tuple[Excepted, ...]:
    """Raises KeyError or ValueError for a row that lacks its reason or the suite's words."""
    found = []
    for row in tomllib.loads(file.read_text(encoding="utf-8")).get("difference", []):
        if not row["reason"].strip() or not row["says"].strip():
            raise ValueError(f"{row['scenarios']}: a difference needs a reason and what the suite says")
        found.append(Excepted(tuple(row["runs"]), tuple(row["scenarios"]), row["reason"], row["says"]))
    return tuple(found)


def rows(scenarios: Iterable[str], direct: Results, through: Results) -> list[Row]:
    """One row per scenario, in the order given."""
    return [row(name, direct.get(name), through.get(name)) for name in scenarios]


def row(scenario: str, direct: Checks | None, through: Checks | None) -> Row:
    """What was made directly only counts when it succeeded; what was made through us only, when it failed."""
    before, after = direct or {}, through or {}
    worse = []
    for name, check in before.items():
        ours = after.get(name, Check(MISSING))
        if ours.status == MISSING:
            if check.status == "SUCCESS":
                worse.append(Worse(name, check.status, MISSING, ""))
        elif RANK[ours.status] > RANK[check.status]:
            worse.append(Worse(name, check.status, ours.status, ours.said))
    new = (name for name in after if name not in before and after[name].status == "FAILURE")
    worse += [Worse(name, MISSING, "FAILURE", after[name].said) for name in new]
    return Row(scenario, passes(direct), passes(through), tuple(worse))


def reason(run: str, found: Row, excepted: Sequence[Excepted]) -> str | None:
    """Why a row may differ; None when nothing is listed, or when it differs in another way."""
    said = " ".join(str(each) for each in found.worse)
    for each in excepted:
        if run in each.runs and found.scenario in each.scenarios and each.says in said:
            return each.reason
    return None


def judge(run: str, found: Sequence[Row], excepted: Sequence[Excepted]) -> list[Wrong]:
    """What is wrong with a run: unlisted differences, and listed ones that are none any more."""
    wrong = [
        Wrong(run, each.scenario, "; ".join(map(str, each.worse)))
        for each in found
        if each.worse and reason(run, each, excepted) is None
    ]
    listed = {name for each in excepted if run in each.runs for name in each.scenarios}
    equal = {each.scenario for each in found if not each.worse}
    wrong += [Wrong(run, name, "listed as a difference, and is none") for name in sorted(listed & equal)]
    unknown = listed - {each.scenario for each in found}
    wrong += [Wrong(run, name, "listed as a difference, and was not run") for name in sorted(unknown)]
    return wrong


def figures(run: str, found: Sequence[Row], excepted: Sequence[Excepted]) -> dict[str, Any]:
    """The run as it stands in build/conformance.json."""
    exceptions = [
        {"scenario": each.scenario, "reason": why}
        for each in found
        if each.worse and (why := reason(run, each, excepted)) is not None
    ]
    return {
        "passed": sum(each.through for each in found),
        "total": len(found),
        "direct_passed": sum(each.direct for each in found),
        "excepted": len(exceptions),
        "exceptions": exceptions,
        "failed": [each.scenario for each in found if not each.through],
        "different": {each.scenario: list(map(str, each.worse)) for each in found if each.worse},
    }
