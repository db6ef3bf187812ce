"""What `audit query` costs on a large log: made here, indexed, and asked typical questions.

Forty agents of twelve people, thirty servers with twenty tools each, four of them for each agent, over four
months; one call in fifty is denied and one in a hundred fails. The records have the fields and sizes that the
gateway writes.
"""

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import msgspec

from doorward.audit.filters import parse
from doorward.audit.ids import prefix_of
from doorward.backends.files.index import AuditIndex

NOW = 1_790_000_000.0
STEP_MS = 20_000
"""Between two calls: half a million of them are four months."""
SEGMENT = 64 * 1024 * 1024
SERVERS = ("crm", "files", "mail", "git", "wiki", *(f"server{n}" for n in range(25)))
PEOPLE = ("alice", "bob", *(f"person{n}" for n in range(10)))
ENCODE = msgspec.json.Encoder().encode
QUESTIONS = (
    "tool=crm.* actor=alice since=90d decision=deny",
    "tool=crm.* actor=alice since=90d",
    "since=24h outcome!=ok",
    "decision!=permit since=30d",
    "agent=agent7 tool=git.tool3,git.tool4",
    "kind=decision",
    "kind=change",
    "rule=policy.yaml:12 since=7d",
    "min_latency=9.9 server=mail since=90d",
    "actor=nobody",
)
"""Asked as `audit query` asks them: the newest hundred, and how many there are."""


class Call(NamedTuple):
    """One of them."""

    id: str
    ts: int
    agent: int
    server: str
    tool: int
    seed: int


def records(count: int) -> Iterator[bytes]:
    """About `count` of them, without those that open segments."""
    dice = Random(1)
    for number in range(count // 2):
        ts = int(NOW * 1000) - (count // 2 - number) * STEP_MS
        agent = dice.randrange(40)
        server = SERVERS[(agent + dice.randrange(4)) % len(SERVERS)]
        call = Call(f"{prefix_of(ts)}000-8000-{number:012x}", ts, agent, server, dice.randrange(20), number)
        denied = dice.random() < 0.02
        yield decision(call, denied)
        if not denied:
            yield outcome(call, "tool_error" if dice.random() < 0.01 else "ok", dice.random() * 10)
        elif number % 4 == 0:
            yield change(call)


def decision(call: Call, denied: bool) -> bytes:
    rule = {
        "id": f"agents.agent{call.agent}.grants[0].tools.allow[0]",
        "file": "policy.yaml",
        "line": call.agent,
    }
    ruling = {"effect": "deny", "reason": "no_grant"} if denied else {"effect": "permit", "rules": [rule]}
    return ENCODE(
        {
            "kind": "decision",
            "v": 2,
            "id": call.id,
            "ts": call.ts,
            "tenant": "default",
            "gateway": "gw1",
            "call_id": call.id,
            "actor": {
                "subject": PEOPLE[call.agent % len(PEOPLE)],
                "method": "key",
                "agent": f"agent{call.agent}",
                "key_id": f"KEY{call.agent:09d}",
                "client": "client/1.0",
            },
            "peer": f"10.0.{call.agent}.0/24",
            "decision": {**ruling, "policy_revision": "ab" * 32, "mode": "enforce"},
            "mcp": {
                "transport": "http",
                "method": "tools/call",
                "version": "2025-11-25",
                "request_id": call.seed,
                "server": call.server,
                "kind": "tool",
                "name": f"tool{call.tool}",
                "definition": "cd" * 32,
            },
            "op_class": "read",
            "args": {
                "received_hmac": sha256(b"%d" % call.seed).hexdigest(),
                "key": "digest:default:2026q3:1",
                "bytes": 240,
                "names": ["query", "limit"],
                "types": ["string", "integer"],
            },
            "controls": [
                {"id": "identity", "verdict": "pass", "us": 2},
                {"id": "policy", "verdict": "pass", "us": 3},
            ],
        }
    )


def outcome(call: Call, ended: str, took: float) -> bytes:
    hmac = sha256(b"result %d" % call.seed).hexdigest()
    return ENCODE(
        {
            "kind": "outcome",
            "v": 2,
            "id": f"{prefix_of(call.ts + 3)}{call.id[15:]}",
            "ts": call.ts + 3,
            "tenant": "default",
            "gateway": "gw1",
            "call_id": call.id,
            "result": {"outcome": ended, "bytes": 900, "hmac": hmac, "key": "digest:default:2026q3:1"},
            "latency_ms": {"total": took, "upstream": took, "gateway": 0.3},
        }
    )


def change(call: Call) -> bytes:
    return ENCODE(
        {
            "kind": "change",
            "v": 2,
            "id": f"{call.id[:-12]}{call.seed + (1 << 40):012x}",
            "ts": call.ts + 1,
            "tenant": "default",
            "action": "key:create",
            "actor": {"subject": "root", "method": "cli"},
            "object": f"key:KEY{call.agent:09d}",
        }
    )


def write_log(directory: Path, count: int) -> int:
    """Segments as the gateway makes them; nothing is sealed. How many records there are."""
    directory.mkdir()
    number = written = segment = 0
    file: Any = None
    for record in records(count):
        if file is None or written > SEGMENT:
            if file is not None:
                file.close()
            segment, written = segment + 1, 0
            file = (directory / f"{segment:08d}.jsonl").open("wb")
            opening = {"kind": "segment", "v": 2, "id": f"segment{segment}", "ts": 0, "tenant": "default"}
            file.write(ENCODE({**opening, "number": segment, "first": number, "root": ""}) + b"\n")
            number += 1
        written += file.write(record + b"\n")
        number += 1
    file.close()
    return number


def measured(directory: Path, count: int) -> dict[str, float]:
    """Milliseconds of questions, the index being up to date, with the look that finds that it is."""
    total = write_log(directory / "audit", count)
    with AuditIndex(directory / "audit", directory / "index.db") as index:
        began, spent = time.perf_counter(), time.process_time()
        index.refresh()
        took, spent = time.perf_counter() - began, time.process_time() - spent
    each = {question: asked(directory, question) for question in QUESTIONS}
    found, counted = zip(*each.values(), strict=True)
    return {
        "ms": median(found),
        "slowest_ms": max(found),
        "first_ms": found[0],
        "count_ms": median(counted),
        "index_s": spent,
        "index_wall_s": took,
        "index_mb": (directory / "index.db").stat().st_size / 1e6,
        "records": total,
    }


def asked(directory: Path, question: str) -> tuple[float, float]:
    """Milliseconds until the newest hundred were there, and for their number; medians of five."""
    found, counted = [], []
    for _ in range(5):
        began = time.perf_counter()
        with AuditIndex(directory / "audit", directory / "index.db") as index:
            index.refresh()
            wanted = parse(question, NOW)
            some = list(index.find(wanted, limit=100))
            found.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            number = index.count(wanted).entries
            counted.append((time.perf_counter() - began) * 1000)
        assert len(some) == min(number, 100)
    return median(found), median(counted)
