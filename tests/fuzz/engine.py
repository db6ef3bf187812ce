"""Mutation without coverage feedback: seeds, a dictionary and a seeded generator, so that a run can be
repeated. `guided` runs the same targets with feedback."""

import hashlib
import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MAX_INPUT = 4096
MAX_FOUND = 100
"""Of one target: who has found so many need not look for more."""
SLOW_S = 2.0
"""No target has a reason to need this long for MAX_INPUT bytes, on any machine."""


class Differential(AssertionError):
    """Another parser reads these bytes differently, and no row explains it."""


@dataclass(frozen=True)
class Target:
    """`run` returns for every input that is handled as promised and raises for any that is not."""

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()
    guided: bool = False
    """Whether coverage leads it on, where atheris is installed."""


@dataclass
class Tally:
    """What one target went through."""

    executions: int = 0
    crashes: list[str] = field(default_factory=list)
    """One line per distinct crash: where and what."""
    differentials: list[str] = field(default_factory=list)
    """One line per distinct difference from another parser."""
    slowest_s: float = 0.0


def mutations(target: Target, chance: random.Random) -> Iterator[bytes]:
    """The seeds as they are, then mutants for ever."""
    yield from target.seeds
    while True:
        data = chance.choice(target.seeds)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
            data = _mutate(data, target, chance)[:MAX_INPUT]
        yield data


def _mutate(data: bytes, target: Target, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 16, 64)))
    piece = data[start:end]
    match chance.randrange(8):
        case 0:
            middle = b""
        case 1:
            middle = bytes([chance.randrange(256)])
        case 2 if target.words:
            middle = chance.choice(target.words)
        case 3 if target.words:
            middle = piece + chance.choice(target.words)
        case 4:
            middle = piece * chance.choice((2, 3, 70))
        case 5:
            other = chance.choice(target.seeds)
            cut = chance.randint(0, len(other))
            middle = other[cut : cut + chance.randint(1, 40)]
        case 6:
            middle = piece.swapcase()
        case _:
            middle = bytes(byte ^ (1 << chance.randrange(8)) for byte in piece[:1]) + piece[1:]
    return data[:start] + middle + data[end:]


def fuzz(target: Target, seconds: float, seed: int, folder: Path) -> Tally:
    """Runs one target for about `seconds`; the inputs that crashed it are left in `folder`."""
    tally = Tally()
    deadline = time.perf_counter() + seconds
    for data in mutations(target, random.Random(f"{seed}:{target.name}")):
        if execute(target, data, tally, folder) > deadline and tally.executions >= len(target.seeds):
            return tally
    raise AssertionError("mutations have no end")


def execute(target: Target, data: bytes, tally: Tally, folder: Path) -> float:
    """One input, counted; the time when it was done."""
    before = time.perf_counter()
    try:
        target.run(data)
    except Differential as difference:
        _keep(target, data, str(difference), tally.differentials, folder)
    except Exception as crash:  # noqa: BLE001 - whatever comes out of a target is what the run is for
        _keep(target, data, _place(crash), tally.crashes, folder)
    now = time.perf_counter()
    tally.executions += 1
    tally.slowest_s = max(tally.slowest_s, now - before)
    if now - before > SLOW_S:
        _keep(target, data, "slow", tally.crashes, folder)
    return now


def _place(crash: Exception) -> str:
    frame = traceback.extract_tb(crash.__traceback__)[-1]
    return f"{type(crash).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _keep(target: Target, data: bytes, what: str, found: list[str], folder: Path) -> None:
    line = f"{target.name}: {what}"
    if line in found or len(found) >= MAX_FOUND:
        return
    found.append(line)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)
