"""Fuzzes what reads bytes from strangers: `python -m tests.fuzz.run`, from the root of the repository.

FUZZ_S seconds in all (default 30), shared evenly by the targets; FUZZ_SEED (default 1) makes a run repeatable
on one machine; FUZZ_TARGETS=name,name chooses. Writes build/fuzz.json and the crashing inputs to build/fuzz/;
exits with 1 when there was a crash.
"""

import json
import os
import sys
import time
from pathlib import Path

from tests.fuzz.engine import Tally, Target, fuzz
from tests.fuzz.fuzz_wire import TARGETS as WIRE

TARGETS: tuple[Target, ...] = (*WIRE,)
BUILD = Path("build")


def chosen(wanted: str) -> list[Target]:
    """Raises SystemExit for a name that no target has: a run without its targets would always succeed."""
    names = [name for name in wanted.split(",") if name]
    unknown = set(names) - {target.name for target in TARGETS}
    if unknown:
        raise SystemExit(f"no such fuzz target: {', '.join(sorted(unknown))}")
    return [target for target in TARGETS if not names or target.name in names]


def report(tallies: dict[str, Tally], seed: int, took_s: float) -> dict[str, object]:
    return {
        "seed": seed,
        "seconds": round(took_s, 1),
        "executions": sum(tally.executions for tally in tallies.values()),
        "crashes": sum(len(tally.crashes) for tally in tallies.values()),
        "targets": {
            name: {
                "executions": tally.executions,
                "slowest_ms": round(tally.slowest_s * 1000, 2),
                "crashes": tally.crashes,
            }
            for name, tally in tallies.items()
        },
    }


def main() -> int:
    seconds = float(os.environ.get("FUZZ_S", "30"))
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    targets = chosen(os.environ.get("FUZZ_TARGETS", ""))
    began = time.perf_counter()
    tallies = {target.name: fuzz(target, seconds / len(targets), seed, BUILD / "fuzz") for target in targets}
    written = report(tallies, seed, time.perf_counter() - began)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "fuzz.json").write_text(json.dumps(written, indent=1) + "\n")
    for name, tally in tallies.items():
        print(f"{name:16} {tally.executions:9} executions  {len(tally.crashes)} crashes")
        for line in tally.crashes:
            print(f"  {line}")
    print(f"{written['executions']} executions, {written['crashes']} crashes, seed {seed}")
    return 1 if written["crashes"] else 0


if __name__ == "__main__":
    sys.exit(main())
