"""One record of the log by its id, and how many come before it."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import msgspec

from doorward.backends.files.segment_lines import SegmentFile, segment_files


class Numbered(NamedTuple):
    """A record and its place in the log."""

    number: int
    record: bytes


def find_record(directory: Path, record_id: str) -> Numbered | None:
    """The first record with this id; None when there is none. Reads the whole log in the worst case.

    Raises OSError, GatewayError(AUDIT_UNAVAILABLE).
    """
    wanted = f'"id":"{record_id}"'.encode()
    for segment in segment_files(directory):
        for found in numbered(segment, wanted):
            if _id(found.record) == record_id:
                return found
    return None


def numbered(segment: SegmentFile, holding: bytes = b"") -> Iterator[Numbered]:
    """The records of one segment that hold these bytes. Raises as `find_record`."""
    if segment.pruned:
        for kept in segment.kept():
            if holding in (record := kept.record.encode()):
                yield Numbered(kept.n, record)
        return
    opening = segment.begins()
    first = 0 if opening is None else opening.first
    for offset, line in enumerate(segment.lines()):
        if holding in line:
            yield Numbered(first + offset, line)


def records_at(directory: Path, numbers: Iterator[int]) -> Iterator[Numbered]:
    """The records with these numbers, which ascend; those that were pruned are left out.

    Segments that have none of them are not read. Raises as `find_record`.
    """
    files = segment_files(directory)
    wanted = next(numbers, None)
    for file, following in zip_longest(files, files[1:]):
        opening = None if following is None else following.begins()
        if wanted is None:
            return
        if opening is not None and wanted >= opening.first:
            continue
        for found in numbered(file):
            while wanted is not None and wanted < found.number:
                wanted = next(numbers, None)
            if wanted == found.number:
                yield found
                wanted = next(numbers, None)
            if wanted is None or (opening is not None and wanted >= opening.first):
                break


class _Identified(msgspec.Struct, frozen=True):
    id: str


def _id(record: bytes) -> str:
    try:
        return msgspec.json.decode(record, type=_Identified).id
    except msgspec.MsgspecError:
        return ""
