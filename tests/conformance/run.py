"""`make conformance`: the suite against the fixture directly and through Doorward, compared.

Writes build/conformance.json and prints a table. Exits 1 on a difference that `differences.toml` does not
list, on a listed one that is none any more, and when the fixture itself does not pass a required set. What is
wrong is run once more, because machines stumble: what is right then counts, and the report says so by name.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.conformance import runs, suite, table
from tests.conformance.report import SOURCES, Report, second_thoughts
from tests.conformance.runs import Found, Part

OUT: Final = suite.ROOT / "build/conformance"
TARGET: Final = suite.ROOT / "build/conformance.json"
AT_ONCE: Final = 3
"""Suite, fixture and gateway of a part wait for each other most of the time: one more than two processors."""


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    report = Report.of(found := played(runs.parts(), OUT))
    if report.wrong:
        print(*(f"once more: {wrong}" for wrong in report.wrong), sep="\n", flush=True)
        again = played(affected(runs.parts(), report), OUT / "again")
        report = second_thoughts(report, found, again)
    report.seconds = round(time.monotonic() - started, 1)
    TARGET.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")
    print(*table.lines(report.figures, report.second_try, report.wrong), sep="\n")
    print(f"{report.seconds} s; build/conformance.json; what the suite said: build/conformance/")
    return 1 if report.wrong else 0


def played(parts: Iterable[Part], out: Path) -> Found:
    """AT_ONCE at a time. A part that does not come up has no results, so all of its scenarios are wrong."""
    out.mkdir(exist_ok=True)
    found: Found = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(part.play, out) for part in parts]
        try:
            for future in futures:
                try:
                    results = future.result()
                except AssertionError as problem:
                    print(problem, file=sys.stderr, flush=True)
                    continue
                for name, scenarios in results.items():
                    found.setdefault(name, {}).update(scenarios)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def affected(parts: Sequence[Part], report: Report) -> list[Part]:
    """Those that have a say in what is wrong: it, and what it is compared with."""
    names = {name for wrong in report.wrong for name in SOURCES[wrong.run]}
    return [part for part in parts if part.runs & names]


if __name__ == "__main__":
    sys.exit(main())
