"""One measurement: drive the load at one target and charge its process tree for it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import IO

from . import usage
from .plan import REPLIES, Measurement
from .report import Figures
from .stage import Stage, Target

ARGUMENT_BYTES = 1024
MOST_CALLS = 5_000_000
HANG_SECONDS = 30.0


class Failed(Exception):
    """The load could not run, or got answers that are no answers."""


@dataclass(frozen=True)
class Pace:
    warm_s: float
    measured_s: float


def load_command(stage: Stage, target: Target, measurement: Measurement, pace: Pace) -> list[str]:
    options = {
        "port": target.port,
        "path": target.path,
        "key": target.key,
        "tool": "echo",
        "connections": measurement.connections,
        "warm": pace.warm_s,
        "seconds": pace.measured_s,
        "arguments": ARGUMENT_BYTES,
        "min-reply": REPLIES[measurement.reply].least_bytes,
        "max-calls": MOST_CALLS,
    }
    return [str(stage.load), *(part for name, value in options.items() for part in (f"--{name}", str(value)))]


@dataclass(frozen=True)
class Outcome:
    """What the load prints last (its other members are for people)."""

    calls: int
    errors: int
    first_error: str
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    reply_bytes: float

    @classmethod
    def of(cls, line: str) -> Outcome:
        told = json.loads(line)
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})


def next_line(process: subprocess.Popen[str], output: IO[str], complaints: IO[str]) -> str:
    """The next line of the load, which always comes or ends: it stops itself by an alarm."""
    line = output.readline()
    if not line:
        process.wait(HANG_SECONDS)
        raise Failed(complaints.read().strip() or f"the load ended with {process.returncode}")
    return line


def measure(stage: Stage, measurement: Measurement, pace: Pace) -> Figures:
    target, upstream = stage.targets[measurement.target], stage.targets["direct"]
    stage.choose_replies(REPLIES[measurement.reply].echo_set)
    command = load_command(stage, target, measurement, pace)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next_line(process, process.stdout, process.stderr)
        before, upstream_before = usage.sample(target.pid), usage.sample(upstream.pid)
        done = Outcome.of(next_line(process, process.stdout, process.stderr))
        after, upstream_after = usage.sample(target.pid), usage.sample(upstream.pid)
        memory = usage.rss_mb(target.pid)
    if done.errors or not done.calls:
        raise Failed(f"{done.errors} errors in {done.calls} calls; the first: {done.first_error}")
    spent, upstream_spent = usage.spent(before, after), usage.spent(upstream_before, upstream_after)
    per_call = 1e6 / done.calls
    return {
        "cpu_us": spent.total_s * per_call,
        "user_us": spent.user_s * per_call,
        "sys_us": spent.system_s * per_call,
        "calls_per_s": done.calls_per_s,
        "p50_ms": done.p50_ms,
        "p99_ms": done.p99_ms,
        "rss_mb": memory,
        "upstream_cpu_us": upstream_spent.total_s * per_call,
        "reply_bytes": done.reply_bytes,
        "errors": done.errors,
    }
