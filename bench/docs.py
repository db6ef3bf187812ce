"""Prepared replies for the echo upstream: one JSON-RPC `result` object per line, all distinct, rich in ids.

A gateway that looks into replies is only measured honestly on replies that it has not seen: a repeated text
is answered from warm caches of scanners, and prose has none of the hashes, uuids and long numbers that make
pattern engines work. So each line carries a record as ticket systems, shops, forges and chats send it, twice:
as JSON text in `content` (hence escaped quotes everywhere) and as `structuredContent`. No e-mail address and
no secret is in it: what a gateway finds here is a false alarm. The same seed always gives the same lines.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

Record = dict[str, object]

WORDS = (
    *("pending", "review", "archive", "storage", "worker", "queue", "retry", "index", "shard", "replica"),
    *("backup", "rollout", "canary", "ledger", "parcel", "depot", "invoice", "refund", "batch", "schema"),
    *("cursor", "sensor", "gateway", "quota", "region", "cluster", "volume", "snapshot", "digest", "branch"),
)
PEOPLE = ("Amara Okafor", "Jonas Weiß", "Chloé Martin", "Ravi Patel", "Mei Tanaka", "Luis Ortega")


class Values:
    """Random values in the spellings that real services use, all drawn from one seeded source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def hexadecimal(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def token(self, length: int) -> str:
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=length))

    def number(self, digits: int) -> int:
        return self.random.randrange(10 ** (digits - 1), 10**digits)

    def words(self, count: int) -> str:
        return " ".join(self.random.choices(WORDS, k=count))

    def person(self) -> str:
        return self.random.choice(PEOPLE)

    def time(self) -> str:
        r = self.random
        return (
            f"2026-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}"
            f"T{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}.{r.randrange(1000):03}Z"
        )

    def amount(self) -> float:
        return self.random.randrange(100, 500000) / 100


def ticket(v: Values) -> Record:
    return {
        "id": v.number(9),
        "node_id": "I_kwDO" + v.token(18),
        "title": v.words(6),
        "state": v.random.choice(("open", "closed")),
        "labels": [v.words(1), v.words(1)],
        "assignee": {"id": v.number(8), "name": v.person(), "avatar": f"/u/{v.number(8)}?v=4"},
        "body": v.words(16) + f" (see {v.hexadecimal(40)})",
        "created_at": v.time(),
        "updated_at": v.time(),
        "trace": v.uuid(),
    }


def order(v: Values) -> Record:
    return {
        "order_id": v.uuid(),
        "customer": {"id": "cus_" + v.token(14), "name": v.person()},
        "lines": [
            {"sku": v.token(10).upper(), "qty": v.random.randrange(1, 9), "price": v.amount()}
            for _ in range(3)
        ],
        "total": v.amount(),
        "currency": "EUR",
        "shipment": {"carrier": v.words(1), "tracking": v.token(18).upper(), "parcel": v.uuid()},
        "placed_ms": v.number(13),
        "note": v.words(8),
        "revision": v.hexadecimal(32),
    }


def commit(v: Values) -> Record:
    return {
        "sha": v.hexadecimal(40),
        "tree": v.hexadecimal(40),
        "parents": [v.hexadecimal(40)],
        "author": {"name": v.person(), "date": v.time()},
        "message": v.words(9) + "\n\n" + v.words(10),
        "stats": {"additions": v.random.randrange(900), "deletions": v.random.randrange(900)},
        "files": [
            {"path": v.words(3).replace(" ", "/") + ".py", "blob": v.hexadecimal(40)} for _ in range(2)
        ],
    }


def chat_message(v: Values) -> Record:
    return {
        "id": str(v.number(19)),
        "channel_id": str(v.number(18)),
        "author": {"id": str(v.number(18)), "name": v.person(), "avatar": v.hexadecimal(32)},
        "content": v.words(28),
        "timestamp": v.time(),
        "reactions": [{"emoji": "👍", "count": v.random.randrange(20)}],
        "nonce": v.uuid(),
        "thread": {"root": str(v.number(18)), "replies": v.random.randrange(40)},
    }


def deployment(v: Values) -> Record:
    return {
        "uid": v.uuid(),
        "image": f"apps/{v.words(1)}@sha256:{v.hexadecimal(64)}",
        "node": f"ip-10-{v.random.randrange(256)}-{v.random.randrange(256)}-{v.random.randrange(256)}",
        "resourceVersion": str(v.number(9)),
        "conditions": [{"type": v.words(1), "status": "True", "since": v.time()} for _ in range(2)],
        "cpu": v.amount() / 1000,
        "memory_bytes": v.number(10),
        "etag": v.token(22),
        "message": v.words(12),
    }


KINDS: tuple[Callable[[Values], Record], ...] = (ticket, order, commit, chat_message, deployment)


def records(seed: int) -> Iterator[Record]:
    values = Values(seed)
    for make in itertools.cycle(KINDS):
        yield make(values)


def result_line(document: Record, indent: int | None) -> str:
    text = json.dumps(document, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
    result = {"content": [{"type": "text", "text": text}], "structuredContent": document, "isError": False}
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def single_replies(seed: int, count: int) -> Iterator[str]:
    """One record per reply. Every third text is indented, as the official Python SDK writes it."""
    for number, record in enumerate(itertools.islice(records(seed), count)):
        yield result_line(record, indent=2 if number % 3 == 0 else None)


def page_replies(seed: int, count: int, size: int) -> Iterator[str]:
    """Pages of records, each filled until its line has about `size` bytes."""
    envelope = len(result_line({}, None))  # stands once per page, not per record
    source = records(seed)
    values = Values(seed + 1)
    for _ in range(count):
        items: list[Record] = []
        filled = 0
        while filled < size:
            items.append(next(source))
            filled += len(result_line(items[-1], None).encode()) - envelope
        yield result_line({"items": items, "next_cursor": values.token(24)}, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12000, help="replies")
    parser.add_argument("--page-bytes", type=int, default=0, help="many records per reply, up to this size")
    chosen = parser.parse_args()
    if chosen.page_bytes:
        lines = page_replies(chosen.seed, chosen.count, chosen.page_bytes)
    else:
        lines = single_replies(chosen.seed, chosen.count)
    unfinished = chosen.output.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    unfinished.replace(chosen.output)


if __name__ == "__main__":
    main()
