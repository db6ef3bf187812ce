"""The report for people: a line for each run, and a matrix of the scenarios that differ somewhere."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SAME, EXCEPTED, DIFFERENT, FAILING = ".", "e", "X", "-"


def lines(
    runs: Mapping[str, Mapping[str, Any]], second_try: Iterable[object], wrong: Iterable[object]
) -> Iterator[str]:
    """`runs` as in build/conformance.json; in words, what was right the second time, and what is wrong."""
    yield f"{'run':<24}{'direct':>8}{'through':>9}{'of':>5}{'excepted':>10}{'different':>11}"
    for name, run in runs.items():
        different = len(run["different"]) - run["excepted"]
        yield (
            f"{name:<24}{run['direct_passed']:>8}{run['passed']:>9}{run['total']:>5}"
            f"{run['excepted']:>10}{different:>11}"
        )
    yield from _matrix(runs)
    for each in second_try:
        yield f"  right the second time only: {each}"[:400]
    for each in wrong:
        yield f"  wrong: {each}"[:400]


def _matrix(runs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    columns = {name: run for name, run in runs.items() if run["different"]}
    if not columns:
        return
    scenarios = dict.fromkeys(scenario for run in columns.values() for scenario in run["different"])
    yield f"\n{DIFFERENT} differs, {EXCEPTED} differs and is listed, {FAILING} fails directly too"
    for number, name in enumerate(columns):
        yield "  " + "| " * number + name
    for scenario in scenarios:
        yield "  " + " ".join(_mark(run, scenario) for run in columns.values()) + f"  {scenario}"
    yield ""


def _mark(run: Mapping[str, Any], scenario: str) -> str:
    if scenario in {each["scenario"] for each in run["exceptions"]}:
        return EXCEPTED
    if scenario in run["different"]:
        return DIFFERENT
    return FAILING if scenario in run["failed"] else SAME
