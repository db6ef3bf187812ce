"""The tables of the index, and entries as their rows.

Digests and UUIDs are kept as bytes, which makes an index half as large; what looks otherwise stays a text.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.matching import PARTS, Part

VERSION: Final = 1
"""Of these tables; an index of another version is made anew."""
COLUMNS: Final = (
    "number", "ts", "shape", "id", "done", "latency", "bytes", "peer", "object", "during", "trace", "session",
    "args", "sent", "result", "times",
)  # fmt: skip
IDS: Final = frozenset({"id", "during"})
DIGESTS: Final = frozenset({"args", "sent", "result", "trace"})
SCHEMA: Final = (
    """CREATE TABLE segment (
        number INTEGER PRIMARY KEY, form TEXT, size INTEGER, modified INTEGER, first INTEGER, lines INTEGER,
        offset INTEGER, span INTEGER, head BLOB, tail BLOB, whole INTEGER, damaged INTEGER)""",
    *(f"CREATE TABLE {part} (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE)" for part in PARTS),
    """CREATE TABLE shape (
        id INTEGER PRIMARY KEY, who INTEGER NOT NULL, what INTEGER NOT NULL, how INTEGER NOT NULL,
        UNIQUE (who, what, how))""",
    """CREATE TABLE entry (
        number INTEGER PRIMARY KEY, ts INTEGER NOT NULL, shape INTEGER NOT NULL, id NOT NULL, done INTEGER,
        latency REAL, bytes INTEGER, peer TEXT, object TEXT, during, trace, session TEXT, args, sent, result,
        times INTEGER NOT NULL)""",
    # Calls whose outcome came so late that their entry had been written by then.
    "CREATE TABLE late (done INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
    "CREATE INDEX late_number ON late (number)",
    "CREATE INDEX entry_shape ON entry (shape, ts)",
    "CREATE INDEX entry_ts ON entry (ts)",
    "CREATE INDEX entry_id ON entry (id)",
    *(
        f"CREATE INDEX entry_{column} ON entry ({column}) WHERE {column} IS NOT NULL"
        for column in ("during", "trace", "session", "sent", "object")
    ),
    f"PRAGMA user_version = {VERSION}",
)
INSERT: Final = f"INSERT INTO entry VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants
SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM entry"  # noqa: S608 - constants
KEEP: Final = f"INSERT OR REPLACE INTO segment VALUES ({', '.join('?' * 12)})"  # noqa: S608 - constants
"""How far a segment was read."""
UPDATE: Final = "UPDATE entry SET shape = ?, done = ?, latency = ?, bytes = ?, result = ? WHERE number = ?"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_PARTS: Final[Mapping[Part, msgspec.json.Decoder[Who | What | How]]] = {
    "who": msgspec.json.Decoder(Who),
    "what": msgspec.json.Decoder(What),
    "how": msgspec.json.Decoder(How),
}


def facts(part: Who | What | How) -> str:
    """A part of an entry as its row has it."""
    return msgspec.json.encode(part).decode()


def part_of(part: Part, text: str) -> Who | What | How:
    """Raises ValueError."""
    return _PARTS[part].decode(text)


def packed_id(text: str | None) -> bytes | str | None:
    """A UUID as 16 bytes."""
    return bytes.fromhex(text.replace("-", "")) if text is not None and _UUID.fullmatch(text) else text


def packed_digest(text: str | None) -> bytes | str | None:
    """Hexadecimal digits as bytes."""
    return bytes.fromhex(text) if text is not None and _HEX.fullmatch(text) else text


def packed(column: str, text: str | None) -> bytes | str | None:
    """A value of a column as its rows have it."""
    if column in IDS:
        return packed_id(text)
    return packed_digest(text) if column in DIGESTS else text


def row_of(entry: Entry, shape: int) -> tuple[Any, ...]:
    """For INSERT. `shape`: its id."""
    return (
        entry.number,
        entry.ts,
        shape,
        packed_id(entry.id),
        entry.done,
        entry.latency,
        entry.bytes,
        entry.peer,
        entry.object,
        packed_id(entry.during),
        packed_digest(entry.trace),
        entry.session,
        packed_digest(entry.args),
        packed_digest(entry.sent),
        packed_digest(entry.result),
        entry.times,
    )


def entry_of_row(row: tuple[Any, ...], parts: tuple[Who, What, How]) -> Entry:
    """Of what SELECT brings. `parts`: of its shape."""
    (
        number,
        ts,
        _,
        call,
        done,
        latency,
        size,
        peer,
        thing,
        during,
        trace,
        session,
        args,
        sent,
        result,
        times,
    ) = row
    return Entry(
        number,
        ts,
        _spelled_id(call) or "",
        *parts,
        done,
        latency,
        size,
        peer,
        thing,
        _spelled_id(during),
        _spelled_digest(trace),
        session,
        _spelled_digest(args),
        _spelled_digest(sent),
        _spelled_digest(result),
        times,
    )


def _spelled_id(value: bytes | str | None) -> str | None:
    if not isinstance(value, bytes):
        return value
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _spelled_digest(value: bytes | str | None) -> str | None:
    return value.hex() if isinstance(value, bytes) else value
