"""What Doorward changes: the same scenario directly and through it, check by check. Pure."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.suite import RANK, Checks, Results, passes

MISSING = "MISSING"


@dataclass(frozen=True)
class Excepted:
    """A difference that is to be, with its reason: `differences.toml` holds them all."""

    runs: tuple[str, ...]
    scenario: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One scenario of one run."""

    scenario: str
    direct: bool
    through: bool
    worse: Mapping[str, tuple[str, str]]
    """Checks with what they gave directly and through Doorward, where the latter is worse."""


def load(file: Path) -> tuple[Excepted, ...]:
    """Raises ValueError for a row without a reason."""
    rows = tomllib.loads(file.read_text(encoding="utf-8")).get("difference", [])
    found = [Excepted(tuple(row["runs"]), row["scenario"], row["reason"].strip()) for row in rows]
    for each in found:
        if not each.reason:
            raise ValueError(f"{each.scenario}: a difference needs a reason")
    return tuple(found)


def rows(scenarios: Iterable[str], direct: Results, through: Results) -> list[Row]:
    """One row per scenario, in the order given."""
    return [row(name, direct.get(name), through.get(name)) for name in scenarios]


def row(scenario: str, direct: Checks | None, through: Checks | None) -> Row:
    """A check that only one side made counts when it succeeded directly."""
    found, ours = direct or {}, through or {}
    worse = {
        check: (status, ours.get(check, MISSING))
        for check, status in found.items()
        if _rank(ours.get(check)) > RANK[status] and not (check not in ours and status != "SUCCESS")
    }
    worse |= {
        check: (MISSING, status)
        for check, status in ours.items()
        if check not in found and status == "FAILURE"
    }
    return Row(scenario, passes(direct), passes(through), worse)


def _rank(status: str | None) -> int:
    return RANK["FAILURE"] if status is None else RANK[status]


def judge(run: str, found: Sequence[Row], excepted: Sequence[Excepted]) -> list[str]:
    """What is wrong with a run, in words: unlisted differences, and listed ones that are none any more."""
    listed = {each.scenario for each in excepted if run in each.runs}
    wrong = [
        f"{run}: {each.scenario}: {_worse(each)}"
        for each in found
        if each.worse and each.scenario not in listed
    ]
    equal = {each.scenario for each in found if not each.worse}
    wrong += [f"{run}: {name}: listed as a difference, and is none" for name in sorted(listed & equal)]
    unknown = listed - {each.scenario for each in found}
    wrong += [f"{run}: {name}: listed as a difference, and was not run" for name in sorted(unknown)]
    return wrong


def _worse(found: Row) -> str:
    return ", ".join(f"{check} {before} -> {after}" for check, (before, after) in found.worse.items())


def figures(run: str, found: Sequence[Row], excepted: Sequence[Excepted]) -> dict[str, Any]:
    """The run as it stands in build/conformance.json."""
    reasons = {each.scenario: each.reason for each in excepted if run in each.runs}
    names = [each.scenario for each in found]
    exceptions = [{"scenario": name, "reason": reasons[name]} for name in names if name in reasons]
    return {
        "passed": sum(each.through for each in found),
        "total": len(found),
        "direct_passed": sum(each.direct for each in found),
        "excepted": len(exceptions),
        "exceptions": exceptions,
        "failed": [each.scenario for each in found if not each.through],
        "different": {
            each.scenario: {k: list(v) for k, v in each.worse.items()} for each in found if each.worse
        },
    }
