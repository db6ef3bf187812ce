"""Fuzzes what reads bytes from strangers: `python -m tests.fuzz.run`, from the root of the repository.

FUZZ_S seconds in all (default 60), shared evenly by the targets; where atheris is installed, half of them go
to the targets that coverage leads. FUZZ_SEED (default 1) makes the unguided half repeatable on one machine;
FUZZ_TARGETS=name,name chooses. Writes build/fuzz.json and what crashed to build/fuzz/; exits with 1 when
there was a crash, or a differential that no row of docs/reference/http-differentials.md explains.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fuzz import guided
from tests.fuzz.engine import Tally, Target, fuzz
from tests.fuzz.targets import TARGETS

BUILD = Path("build")
GUIDED = "guided_"


def chosen(wanted: str) -> list[Target]:
    """Raises SystemExit for a name that no target has: a run without its targets would always succeed."""
    names = [name for name in wanted.split(",") if name]
    unknown = set(names) - {target.name for target in TARGETS}
    if unknown:
        raise SystemExit(f"no such fuzz target: {', '.join(sorted(unknown))}")
    return [target for target in TARGETS if not names or target.name in names]


def run(targets: Sequence[Target], seconds: float, seed: int, folder: Path) -> dict[str, Tally]:
    """Every target for its share of the time; what coverage leads has `guided_` before its name."""
    led = [target for target in targets if target.guided and guided.AVAILABLE]
    share = seconds / 2 if led else seconds
    tallies = {target.name: fuzz(target, share / len(targets), seed, folder) for target in targets}
    for target in led:
        tallies[GUIDED + target.name] = guided.fuzz(target, share / len(led), seed, folder / "guided")
    return tallies


def report(tallies: Mapping[str, Tally], seed: int, took_s: float) -> dict[str, object]:
    return {
        "seed": seed,
        "seconds": round(took_s, 1),
        "coverage": "atheris" if any(name.startswith(GUIDED) for name in tallies) else "none",
        "executions": sum(tally.executions for tally in tallies.values()),
        "crashes": sum(len(tally.crashes) for tally in tallies.values()),
        "differentials": sum(len(tally.differentials) for tally in tallies.values()),
        "targets": {
            name: {
                "executions": tally.executions,
                "crashes": len(tally.crashes),
                "differentials": len(tally.differentials),
                "slowest_ms": round(tally.slowest_s * 1000, 2),
                "found": [*tally.crashes, *tally.differentials],
            }
            for name, tally in tallies.items()
        },
    }


def main() -> int:
    seconds = float(os.environ.get("FUZZ_S", "60"))
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    began = time.perf_counter()
    tallies = run(chosen(os.environ.get("FUZZ_TARGETS", "")), seconds, seed, BUILD / "fuzz")
    written = report(tallies, seed, time.perf_counter() - began)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "fuzz.json").write_text(json.dumps(written, indent=1) + "\n")
    for name, tally in tallies.items():
        print(
            f"{name:20} {tally.executions:9} executions  {len(tally.crashes)} crashes  "
            f"{len(tally.differentials)} differentials"
        )
        for line in (*tally.crashes, *tally.differentials):
            print(f"  {line}")
    if not guided.AVAILABLE:
        print("atheris is not installed here: mutation without coverage only")
    total = "{executions} executions, {crashes} crashes, {differentials} differentials".format(**written)
    print(f"{total}, seed {seed}")
    return 1 if written["crashes"] or written["differentials"] else 0


if __name__ == "__main__":
    sys.exit(main())
