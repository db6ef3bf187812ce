"""Closed and open segments as lines, whichever of their forms is there (docs/reference/audit-log.md)."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from doorward.audit.records import Segment, decode
from doorward.backends.files.checkpoints import changed

_NAME: Final = re.compile(r"(\d{8,12})\.(jsonl|jsonl\.gz|kept\.jsonl)", re.ASCII)
Form = Literal["jsonl", "jsonl.gz", "kept.jsonl"]


class SegmentFile(NamedTuple):
    """One segment in its plainest form: another form that is there too is a leftover of making it smaller."""

    number: int
    path: Path
    form: Form

    @property
    def pruned(self) -> bool:
        """Whether it has only some of its records."""
        return self.form == "kept.jsonl"

    def lines(self) -> Iterator[bytes]:
        """Every whole record, oldest first. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
        try:
            with gzip.open(self.path) if self.form == "jsonl.gz" else self.path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise changed(f"{self.path} is damaged: {error}") from None

    def begins(self) -> Segment | None:
        """Its first record; None of a segment without any. Raises as `lines` does."""
        lines = self.lines()
        first = next(lines, None)
        return None if first is None else self.checked(_unwrapped(first) if self.pruned else first)

    def checked(self, first: bytes) -> Segment:
        """Raises GatewayError(AUDIT_UNAVAILABLE) when this is not how this segment begins."""
        try:
            record = decode(first)
        except msgspec.MsgspecError:
            record = None
        if not isinstance(record, Segment) or record.number != self.number:
            raise changed(
                f"{self.path} does not begin with its own record (an earlier version of Doorward wrote none)"
            )
        return record


def segment_files(directory: Path) -> list[SegmentFile]:
    """Ascending. Raises OSError."""
    found: dict[int, SegmentFile] = {}
    plainest: tuple[Form, ...] = ("jsonl", "jsonl.gz", "kept.jsonl")
    by_name = {path.name: path for path in directory.iterdir()}
    for form in reversed(plainest):
        for name, path in by_name.items():
            match = _NAME.fullmatch(name)
            if match is not None and match[2] == form:
                found[int(match[1])] = SegmentFile(int(match[1]), path, form)
    return [found[number] for number in sorted(found)]


class _Kept(msgspec.Struct, frozen=True):
    n: int
    record: str


def _unwrapped(line: bytes) -> bytes:
    """The record in a line of a pruned segment; empty when there is none."""
    try:
        return msgspec.json.decode(line, type=_Kept).record.encode()
    except (msgspec.MsgspecError, UnicodeError):
        return b""
