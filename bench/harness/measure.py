"""One measurement: drive the load at one target and charge its process tree for it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import usage
from .plan import REPLIES, Measurement, Reply
from .report import Figures
from .stage import Stage, Target

ARGUMENT_BYTES = 1024
MOST_CALLS = 5_000_000
HANG_SECONDS = 30.0
Options = Mapping[str, object]


class Failed(Exception):
    """The load could not run, or got answers that are no answers."""


@dataclass(frozen=True)
class Pace:
    warm_s: float
    measured_s: float


@dataclass(frozen=True)
class Outcome:
    """What the load prints last (its other members are for people)."""

    calls: int
    errors: int
    first_error: str
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    reply_bytes: float
    behind: int

    @classmethod
    def of(cls, line: str) -> Outcome:
        told = json.loads(line)
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})


class Load:
    """A running load: `next` is the end of its warm-up, then what it has measured."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def warmed(self) -> None:
        self._line()

    def measured(self) -> Outcome:
        done = Outcome.of(self._line())
        if done.errors or not done.calls:
            raise Failed(f"{done.errors} errors in {done.calls} calls; the first: {done.first_error}")
        return done

    def stop(self) -> None:
        """It sends and takes nothing until it may `go_on`; its time goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _line(self) -> str:
        """The next line, which always comes or ends: the load stops itself by an alarm."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(HANG_SECONDS)
            said = self._process.stderr.read().strip()
            raise Failed(said or f"the load ended with {self._process.returncode}")
        return line


@contextlib.contextmanager
def load(stage: Stage, target: Target, pace: Pace, reply: Reply, **more: object) -> Iterator[Load]:
    """Runs for the length of the block; waits for its end, unless the block fails. `more`: options of the
    load; True stands for one without a value."""
    options: dict[str, object] = {
        "port": target.port,
        "path": target.path(reply.endpoint),
        "key": target.key,
        "warm": pace.warm_s,
        "seconds": pace.measured_s,
        "arguments": ARGUMENT_BYTES,
        "min-reply": reply.least_bytes,
        "max-calls": MOST_CALLS,
        "modern": reply.modern,
        "tls": reply.tls,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    command = [str(stage.load)]
    for name, value in options.items():
        if value is not False:
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Load(process)
        except BaseException:
            process.kill()
            raise


def measure(stage: Stage, measurement: Measurement, pace: Pace) -> Figures:
    target, reply = stage.targets[measurement.place], REPLIES[measurement.reply]
    stage.choose_replies(reply.echo_set)
    return charged(stage, target, pace, reply, connections=measurement.connections)


def charged(stage: Stage, target: Target, pace: Pace, reply: Reply, **more: object) -> Figures:
    """One run of the load with the processor time that target and upstream spent on it."""
    upstream = stage.targets["direct"]
    pipes = target.children if reply.endpoint == "pipe" else frozenset[int]()

    def upstream_samples() -> list[usage.Sample]:
        return [usage.sample(pid) for pid in pipes or (upstream.pid,)]

    with load(stage, target, pace, reply, **more) as running:
        running.warmed()
        before, upstream_before = usage.sample(target.pid, target.children), upstream_samples()
        done = running.measured()
        after, upstream_after = usage.sample(target.pid, target.children), upstream_samples()
        memory = usage.rss_mb(target.pid, target.children)
    spent = usage.spent(before, after)
    pairs = zip(upstream_before, upstream_after, strict=True)
    upstream_s = sum(usage.spent(one, other).total_s for one, other in pairs)
    per_call = 1e6 / done.calls
    return {
        "cpu_us": spent.total_s * per_call,
        "user_us": spent.user_s * per_call,
        "sys_us": spent.system_s * per_call,
        "calls_per_s": done.calls_per_s,
        "p50_ms": done.p50_ms,
        "p99_ms": done.p99_ms,
        "rss_mb": memory,
        "upstream_cpu_us": upstream_s * per_call,
        "reply_bytes": done.reply_bytes,
        "errors": done.errors,
        "behind": done.behind,
    }
