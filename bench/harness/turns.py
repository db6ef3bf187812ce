"""Ways to call a gateway that are held against each other: they take turns of a twentieth of a second.

What lies between two ways is a few microseconds. What other work on the machine and its disk add to a call
changes by more than that from one second to the next: the same way, measured in two runs one after the other,
differs by up to 15 us on a shared machine. So the callers of all ways are there at once, all but one of them
stopped (SIGSTOP), and who is not stopped changes some fifteen times a second. Times as a caller sees them
mean nothing then, and are not told.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import usage
from .measure import Load, Pace, load
from .plan import Reply
from .report import Figures
from .stage import Stage, Target

TURN_S = 0.05
SETTLE_S = 0.004
"""In which the gateway answers what a stopped caller had in flight."""
SPARE = 1.5
"""Wall time over measured time: samples are taken between turns."""


@dataclass(frozen=True)
class Way:
    target: Target
    reply: Reply
    options: Mapping[str, object] = field(default_factory=dict)
    """Of the load, beside what all ways have in common."""


def taking_turns(
    stage: Stage, ways: Mapping[str, Way], pace: Pace, *, connections: int
) -> dict[str, Figures]:
    """Processor time per call of each way, over some `pace.measured_s` of each. Raises Failed."""
    until = time.monotonic() + len(ways) * (pace.measured_s * SPARE + pace.warm_s)
    spent: dict[str, list[usage.Spent]] = {name: [] for name in ways}
    calls: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        callers: dict[str, Load] = {}
        for name, way in ways.items():
            ends = Pace(pace.warm_s, until - time.monotonic() - pace.warm_s)
            running = load(stage, way.target, ends, way.reply, connections=connections, **way.options)
            callers[name] = caller = stack.enter_context(running)
            caller.warmed()
            with _charged(way.target, spent[name]):
                caller.stop()
                time.sleep(SETTLE_S)
        number = 0
        while time.monotonic() < until - 2 * TURN_S * len(ways):
            for name in order(list(ways), number):
                with _charged(ways[name].target, spent[name]):
                    callers[name].go_on()
                    time.sleep(TURN_S)
                    callers[name].stop()
                    time.sleep(SETTLE_S)
            number += 1
        time.sleep(max(0.0, until - time.monotonic()))
        for name, caller in callers.items():  # nearly nothing is left to be done
            with _charged(ways[name].target, spent[name]):
                caller.go_on()
                calls[name] = caller.measured().calls
    return {name: per_call(spent[name], calls[name]) for name in ways}


def order(names: Sequence[str], number: int) -> Sequence[str]:
    """Who comes after whom changes, and nobody keeps in step with what the gateway does once a second."""
    return random.Random(number).sample(names, len(names))


def per_call(turns: Iterable[usage.Spent], calls: int) -> Figures:
    whole = list(turns)
    user, system = sum(one.user_s for one in whole), sum(one.system_s for one in whole)
    per = 1e6 / calls
    return {"cpu_us": (user + system) * per, "user_us": user * per, "sys_us": system * per, "errors": 0}


@contextlib.contextmanager
def _charged(target: Target, spent: list[usage.Spent]) -> Iterator[None]:
    before = usage.sample(target.pid, target.children)
    yield
    spent.append(usage.spent(before, usage.sample(target.pid, target.children)))
