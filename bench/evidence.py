"""What evidence costs, no gateway around it: `python bench/evidence.py cost|verify|query|long [SECONDS]`.

cost: processor time of one call's two records (templates, digests, tree, write) through the recorder, the
log and the sealer that a gateway uses, 16 calls in each turn of the event loop as 16 connections bring them;
the median of several rounds.
verify: a log of 1,000,000 records, made by the same parts, and judged by the offline verifier.
query: a log of as many, indexed, and asked typical questions: queries.py.
long: 5,000 records a second for some minutes, some of them durable; then every record is looked for.

Prints one JSON object.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from queries import measured

from doorward.audit.ids import CallIds
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.audit.verifier import verify
from doorward.backends.files.ring import FileRing
from doorward.backends.files.sealer import Sealer
from doorward.backends.files.segments import SegmentLog
from doorward.model.call import Call, Credential, Era, Inbound, Outcome, Series, Spelled
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import Permit, RuleRef
from doorward.pipeline.shares import Shares
from doorward.ports.audit import Role

AT_ONCE, TURNS, ROUNDS = 16, 600, 7
RECORDS = 1_000_000
PER_S = 5000
CALLER = Principal("default", "someone", "agent", "key", "AAAAAAAAAAAA")
INBOUND = Inbound("http", "echo", Credential("x", "127.0.0.1", True, False), {}, b"", None)
DEFINITION = Definition("echo", Kind.TOOL, "echo", {}, "ab" * 32, OperationClass.READ)
TARGET = Target("echo", Kind.TOOL, "echo", OperationClass.READ, DEFINITION)
RULE = RuleRef("agents.bench.tools.allow[0]", "bench.yaml", 12)
CONTROLS = '[{"id":"identity","verdict":"pass","us":2},{"id":"policy","verdict":"pass","us":3}]'
ARGUMENTS: dict[str, Any] = {"text": "x" * 1000}
TEXT = json.dumps(ARGUMENTS, separators=(",", ":")).encode()
SPELLED = Spelled(ARGUMENTS, TEXT, TEXT)
SERIES = Series(None, "2025-11-25", {}, {"name": "bench", "version": "1"}, None, "echo", plain=True)
RESULT = json.dumps({"content": [{"type": "text", "text": "y" * 1000}], "isError": False}).encode()


class Waiter:
    """Stands for a call that goes on at once."""

    def step(self) -> None: ...
    def pace(self) -> None: ...
    def fail(self, failure: Exception) -> None:
        raise failure


class Counting(Waiter):
    """Counts what was written."""

    def __init__(self) -> None:
        self.done = 0

    def step(self) -> None:
        self.done += 1


class Nothing:
    """A log that keeps nothing: what is left is the price of making this measurement."""

    def append(
        self, record: bytes, waiter: Any = None, role: Role = Role.OTHER, changing: bool = False
    ) -> None:
        """Not kept."""


def permit(number: int) -> Permit:
    call = Call(
        id=number,
        method="tools/call",
        params={"name": "echo", "arguments": ARGUMENTS},
        meta={},
        era=Era.LEGACY,
        version="2025-11-25",
        endpoint="echo",
        session=None,
        capabilities={},
        client=SERIES.client,
        log_level=None,
        progress_token=None,
        events=None,
        scope=None,
        spelled=SPELLED,
        series=SERIES,
    )
    return Permit(call, CALLER, TARGET, "", (RULE,))


@contextmanager
def evidence(directory: Path) -> Iterator[tuple[SegmentLog, Recorder]]:
    """Closed by whoever uses it."""
    ring = FileRing(directory / "secrets.json")
    sealer = Sealer(directory / "audit", ring, gateway="bench", anchor=None)
    log = SegmentLog(directory / "audit", observer=sealer)
    yield log, recorder_of(log, ring)


def recorder_of(log: Any, ring: FileRing) -> Recorder:
    return Recorder(log, ring, gateway="bench", revision="ab" * 32, modes={}, large=LargeRecords(Shares()))


async def turns(recorder: Recorder, permits: list[Permit], ids: CallIds, count: int) -> float:
    """Microseconds of the processor for each call."""
    waiter, began = Waiter(), time.process_time()
    for _ in range(count):
        minted = [ids.mint() for _ in permits]
        for call_id, one in zip(minted, permits, strict=True):
            recorder.permitted(call_id, one, INBOUND, CONTROLS, waiter)
        await asyncio.sleep(0)
        for call_id in minted:
            recorder.answered(call_id, CALLER, Outcome.OK, RESULT, 0.002, 0.001, waiter)
        await asyncio.sleep(0)
    return (time.process_time() - began) * 1e6 / (count * len(permits))


async def cost(directory: Path) -> dict[str, float]:
    with evidence(directory) as (log, recorder):
        ring, ids = FileRing(directory / "secrets.json"), CallIds()
        empty = recorder_of(Nothing(), ring)
        permits = [permit(number) for number in range(AT_ONCE)]
        await turns(recorder, permits, ids, TURNS)
        whole, bare = [], []
        for _ in range(ROUNDS):
            whole.append(await turns(recorder, permits, ids, TURNS))
            bare.append(await turns(empty, permits, ids, TURNS))
            await asyncio.sleep(0.1)
        await log.close()
    return {"cpu_us": median(whole), "records_us": median(bare)}


async def million(directory: Path) -> dict[str, float]:
    with evidence(directory) as (log, recorder):
        await recorder.lifecycle("started")
        permits = [permit(number) for number in range(100)]
        ids, began = CallIds(), time.perf_counter()
        for _ in range(RECORDS // 20_000):
            await turns(recorder, permits, ids, 100)
            await asyncio.sleep(0.05)
        await recorder.lifecycle("stopped")
        await log.close()
    wrote, spent = time.perf_counter() - began, time.process_time()
    report = verify(directory / "audit")
    spent = time.process_time() - spent
    assert report.sound, report.findings
    assert report.records >= RECORDS
    return {"seconds": spent, "records": report.records, "wrote_s": wrote}


async def long(directory: Path, seconds: float) -> dict[str, float]:
    """A tick every 10 ms; a tick that comes late brings what was missed."""
    with evidence(directory) as (log, recorder):
        await recorder.lifecycle("started")
        ids, began, done, late = CallIds(), time.perf_counter(), 0, 0.0
        known: list[str] = []
        counting = Counting()
        record = b'{"kind":"decision","v":2,"id":"%s","ts":%d,"tenant":"default"}'
        while (now := time.perf_counter() - began) < seconds:
            wanted = int(now * PER_S)
            late = max(late, (wanted - done) / PER_S)
            for number in range(done, wanted):
                each = ids.mint()
                known.append(each)
                role = Role.DURABLE if number % 10 == 0 else Role.DECISION
                if number % 2:
                    role = Role.OUTCOME
                text = record % (each.encode(), time.time_ns() // 1_000_000)
                log.append(text, counting, role)
            done = wanted
            await asyncio.sleep(0.01)
        await recorder.lifecycle("stopped")
        await log.close()
    found = {
        line[31:67]
        for path in (directory / "audit").glob("*.jsonl")
        for line in path.read_bytes().split(b"\n")
    }
    lost = sum(each.encode() not in found for each in known) + done - counting.done
    report = verify(directory / "audit")
    return {
        "lost": lost,
        "records": done,
        "seconds": seconds,
        "per_s": done / seconds,
        "behind_s": late,
        "sound": float(report.sound),
    }


def main() -> None:
    what, *more = sys.argv[1:] or ["cost"]
    with tempfile.TemporaryDirectory(prefix="evidence-", dir=Path("build")) as name:
        directory = Path(name)
        if what == "cost":
            told = asyncio.run(cost(directory))
        elif what == "verify":
            told = asyncio.run(million(directory))
        elif what == "query":
            told = measured(directory, RECORDS)
        else:
            told = asyncio.run(long(directory, float(more[0]) if more else 300.0))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
