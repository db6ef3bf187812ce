"""`make bench`: what a call costs through Doorward, beside nginx and the bare upstream in the same run.

Prints a table and writes build/bench.json. BENCH=name,name measures some names only and merges them into that
file. bench/README.md tells the method and what the figures cannot say.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness import machine, plan, report, scenes, stage
from harness.measure import Failed, Pace, measure
from harness.processes import NotReady

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
ROUNDS = 5
# `make bench` ends in 12 minutes whatever happens: no run is begun after this.
LAST_START_S = 570.0
SCENE_ROUNDS = 3


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def say_scene(name: str, figures: report.Figures) -> None:
    say(f"{name:<24} " + "  ".join(f"{key} {value:g}" for key, value in figures.items()))


def run_rounds(
    on: stage.Stage, pairs: Sequence[plan.Pair], rounds: int, pace: Pace
) -> tuple[report.Results, float]:
    """Interleaved rounds, every second one in reverse, so that no target always runs first.

    Gives the lowest share of idle processors before a run, too.
    """
    results, lowest_idle = report.Results(), 1.0
    started = time.monotonic()
    for number in range(rounds):
        for pair in pairs:
            for measurement in pair.measurements(reverse=number % 2 == 1):
                if time.monotonic() - started > LAST_START_S:
                    say("time is up: what is missing is not measured")
                    return results, lowest_idle
                idle = machine.wait_until_idle(patience_s=2.0)
                lowest_idle = min(lowest_idle, idle)
                try:
                    figures = measure(on, measurement, pace)
                except Failed as failure:
                    raise Failed(f"{measurement.name}: {failure}") from failure
                results.add(measurement, number, figures)
                say(
                    f"[{number + 1}/{rounds}] {measurement.name:<24} {figures['cpu_us']:8.1f} us"
                    f" {figures['calls_per_s']:10,.0f} calls/s   idle before {idle:.0%}"
                )
    return results, lowest_idle


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", default=os.environ.get("BENCH", ""), help="names with commas between (or BENCH=)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round: whether it works, not what it costs"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=1.5, help="measured seconds of each run")
    parser.add_argument("--doorward", type=Path, default=ROOT / ".venv/bin/doorward")
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench.json")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    return parser.parse_args(arguments)


def run(chosen: argparse.Namespace) -> int:
    wanted = [name.strip() for name in chosen.only.split(",") if name.strip()]
    pairs, played = plan.subset(wanted) if wanted else (plan.EVERYTHING, plan.SCENES)
    rounds, pace = (1, Pace(0.3, 0.7)) if chosen.quick else (chosen.rounds, Pace(0.4, chosen.seconds))
    with stage.set_up(BENCH, ROOT / "build/bench", chosen.doorward, plan.gateways(pairs, played)) as on:
        results, lowest_idle = run_rounds(on, pairs, rounds, pace)
        figures = results.condensed()
        figures.update(scenes.run(on, played, min(rounds, SCENE_ROUNDS), pace, say_scene))
    facts = machine.facts(chosen.doorward, stage.find_nginx())
    facts["lowest_idle_pct"] = round(100 * lowest_idle, 1)
    report.write(chosen.output, figures, facts, merge=bool(wanted))
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(report.table(figures))
    missing = [name for name in plan.names(pairs, played) if name not in figures]
    thin = [name for name, one in figures.items() if name not in plan.SCENES and one["rounds"] < rounds]
    if missing or thin:
        say(f"not measured: {missing}; in fewer than {rounds} rounds: {thin}")
    return 1 if missing or thin else 0


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    if chosen.list:
        print("\n".join(plan.names()))
        return 0
    try:
        return run(chosen)
    except KeyboardInterrupt:
        return 130
    except (plan.UnknownName, stage.Unusable, NotReady, Failed) as failure:
        say(f"bench: {failure}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
