"""Closed and open segments as lines, whichever of their forms is there (docs/reference/audit-log.md)."""

import gzip
import re
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from doorward.audit.records import Segment, decode
from doorward.backends.files.checkpoints import changed
from doorward.backends.files.private import open_plain

_NAME: Final = re.compile(r"(\d{8,12})\.(jsonl|jsonl\.gz|kept\.jsonl)", re.ASCII)
Form = Literal["jsonl", "jsonl.gz", "kept.jsonl"]


class Kept(msgspec.Struct, frozen=True):
    """One line of a pruned segment."""

    n: int
    """The record's number in the log."""
    record: str


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
        """Every whole line, oldest first: records, or in a pruned segment what `kept` reads.

        Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) for a damaged file.
        """
        try:
            with self.open() as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise changed(f"{self.path} is damaged: {error}") from None

    def kept(self) -> Iterator[Kept]:
        """What is left of a pruned segment, oldest first. Raises as `lines` does."""
        for number, line in enumerate(self.lines(), 1):
            try:
                yield msgspec.json.decode(line, type=Kept)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise changed(f"{self.path}:{number} is damaged: {error}") from None

    def records(self) -> Iterator[bytes]:
        """Every record that is left, oldest first. Raises as `lines` does."""
        return (each.record.encode() for each in self.kept()) if self.pruned else self.lines()

    def begins(self) -> Segment | None:
        """Its first record; None of a segment without any. Raises as `lines` does."""
        lines = self.lines()
        first = next(lines, None)
        return None if first is None else self.checked(_unwrapped(first) if self.pruned else first)

    def open(self) -> gzip.GzipFile | BufferedReader:
        """Its bytes, as they were before compression. Raises as `lines` does; reading them too.

        FileNotFoundError: it was pruned since it was found.
        """
        if self.form != "jsonl":
            return _unzipped(self.path) if self.form == "jsonl.gz" else open_plain(self.path)
        try:
            return open_plain(self.path)
        except FileNotFoundError:  # compressed since it was found
            return _unzipped(self.path.with_name(f"{self.path.name}.gz"))

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


def _unzipped(path: Path) -> gzip.GzipFile:
    open_plain(path).close()  # it raises for what would keep its reader waiting
    return gzip.open(path)


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


def _unwrapped(line: bytes) -> bytes:
    """The record in a line of a pruned segment; empty when there is none."""
    try:
        return msgspec.json.decode(line, type=Kept).record.encode()
    except (msgspec.MsgspecError, UnicodeError):
        return b""
