"""Medians, the table and the JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from .plan import Measurement

Figures = dict[str, float]


class Results:
    """What every round measured, until it is condensed."""

    def __init__(self) -> None:
        self._rounds: dict[Measurement, dict[int, Figures]] = {}

    def add(self, measurement: Measurement, number: int, figures: Figures) -> None:
        self._rounds.setdefault(measurement, {})[number] = figures

    def condensed(self) -> dict[str, Figures]:
        return {m.name: self._condense(m, rounds) for m, rounds in self._rounds.items()}

    def _condense(self, measurement: Measurement, rounds: Mapping[int, Figures]) -> Figures:
        keys = next(iter(rounds.values())).keys()
        figures = {key: median(one[key] for one in rounds.values()) for key in keys}
        figures["ratio_nginx"] = self._ratio(measurement, rounds)
        figures["errors"] = sum(one["errors"] for one in rounds.values())
        figures["rounds"] = len(rounds)
        return {key: round(value, 4) for key, value in figures.items()}

    def _ratio(self, measurement: Measurement, rounds: Mapping[int, Figures]) -> float:
        """The median of each round's ratio: only neighbours in time met the same machine."""
        baseline = self._rounds[measurement.yardstick]
        both = rounds.keys() & baseline.keys()
        return median(rounds[number]["cpu_us"] / baseline[number]["cpu_us"] for number in both)


COLUMNS: tuple[tuple[str, int, str, Callable[[Figures], str]], ...] = (
    ("cpu us", 8, "cpu_us", lambda f: f"{f['cpu_us']:.1f}"),
    ("(user + sys)", 15, "user_us", lambda f: f"({f['user_us']:.1f} + {f['sys_us']:.1f})"),
    ("x nginx", 8, "ratio_nginx", lambda f: f"{f['ratio_nginx']:.2f}"),
    ("calls/s", 9, "calls_per_s", lambda f: f"{f['calls_per_s']:,.0f}"),
    ("1e6/cpu", 9, "cpu_us", lambda f: f"{1e6 / f['cpu_us']:,.0f}" if f["cpu_us"] else "-"),
    ("p50 ms", 8, "p50_ms", lambda f: f"{f['p50_ms']:.3f}"),
    ("p99 ms", 8, "p99_ms", lambda f: f"{f['p99_ms']:.3f}"),
    ("rss MB", 8, "rss_mb", lambda f: f"{f['rss_mb']:.0f}"),
    ("upstream us", 12, "upstream_cpu_us", lambda f: f"{f['upstream_cpu_us']:.1f}"),
    ("errors", 7, "errors", lambda f: f"{f['errors']:.0f}"),
)
REST = ("bytes", "added_p50_ms", "added_p99_ms", "added_p99_over_nginx_ms", "max_ms", "large_calls_per_s")
"""What a few of them have beside that; told behind their line."""


def table(results: Mapping[str, Figures]) -> str:
    width = max(len(name) for name in results)
    lines = [" " * width + "".join(title.rjust(size) for title, size, _, _ in COLUMNS)]
    for name, figures in results.items():
        cells = [(show(figures) if key in figures else "").rjust(size) for _, size, key, show in COLUMNS]
        rest = "".join(f"  {key} {figures[key]:.3f}" for key in REST if key in figures)
        lines.append((name.ljust(width) + "".join(cells) + rest).rstrip())
    return "\n".join(lines)


def write(path: Path, results: Mapping[str, Figures], machine: Mapping[str, object], merge: bool) -> None:
    """One object per measurement under its name, and `machine`. Merging leaves other names as they were."""
    everything: dict[str, object] = {}
    if merge and path.exists():
        everything = json.loads(path.read_text())
    everything["machine"] = dict(machine)
    everything.update(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(everything, indent=2) + "\n")
    unfinished.replace(path)
