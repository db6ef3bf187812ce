"""Segment files as found: their names, and the way back to the last whole record after a crash."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from doorward.backends.files.checkpoints import changed, newest_issued
from doorward.backends.files.segment_lines import SegmentFile
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

_SUFFIX: Final = ".jsonl"
_DIGITS: Final = 8
_WINDOW: Final = 4 * 1024 * 1024
"""How far back from the end a crash can have done damage: far more than one write."""


class Recovery(msgspec.Struct, frozen=True):
    """The end of a log whose writer did not close it."""

    segment: str
    """File name."""
    dropped_bytes: int
    """Of what was cut off: never acknowledged, or the disk lost power within 50 ms."""


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:0{_DIGITS}}{_SUFFIX}"


def segments(directory: Path) -> list[int]:
    """Numbers of the segments, ascending. Raises OSError."""
    names = (path.name for path in directory.iterdir())
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if len(stem) >= _DIGITS and stem.isascii() and stem.isdigit())


def recover(directory: Path, number: int) -> Recovery | None:
    """Cut one segment to its whole records; None when that is what it was.

    Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) when the end of the file holds no whole record at all,
    or when what would be cut off was on the disk for certain; then nothing is cut.
    """
    path = segment_path(directory, number)
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        size = os.fstat(fd).st_size
        written = _written(fd, size)
        end = _hole(fd, written)
        start = max(0, end - _WINDOW)
        tail = os.pread(fd, end - start, start)
        whole = _whole(tail)
        if whole == 0 and start > 0:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, f"{path} is damaged: restore it from a backup")
        whole += start
        if whole == size:
            return None
        if whole < written and (left := _count(fd, whole)) < (sealed := _sealed(directory, number)):
            raise changed(f"of {path} {left} records are whole, and a checkpoint covers {sealed} of them")
        os.ftruncate(fd, whole)
        os.fsync(fd)
        return Recovery(path.name, written - whole)
    finally:
        os.close(fd)


def _sealed(directory: Path, number: int) -> int:
    """How many records of a segment a checkpoint covers."""
    newest = newest_issued(directory / "checkpoints" / f"{number:0{_DIGITS}}.jsonl")
    if newest is None:
        return 0
    opening = SegmentFile(number, segment_path(directory, number), "jsonl").begins()
    return newest.checkpoint.size - (0 if opening is None else opening.first)


def _chunks(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """With their offsets."""
    for start in range(0, end, _WINDOW):
        yield start, os.pread(fd, min(_WINDOW, end - start), start)


def _hole(fd: int, end: int) -> int:
    """Where the first zero stands; `end` when there is none before it. No record holds one: it is a page that
    was lost with the power, which keeps pages in no order. What follows was not synced either."""
    for start, chunk in _chunks(fd, end):
        at = chunk.find(b"\0")
        if at >= 0:
            return start + at
    return end


def _count(fd: int, end: int) -> int:
    """Lines up to `end`."""
    return sum(chunk.count(b"\n") for _, chunk in _chunks(fd, end))


def _written(fd: int, size: int) -> int:
    """Up to where something other than zeros stands: behind it is room that was reserved for outcomes."""
    while size:
        start = max(0, size - _WINDOW)
        kept = os.pread(fd, size - start, start).rstrip(b"\0")
        if kept:
            return start + len(kept)
        size = start
    return 0


def _whole(tail: bytes) -> int:
    """Length up to the end of the last line that is a JSON object: lost power can leave blocks of zeros."""
    end = tail.rfind(b"\n") + 1
    while end:
        start = tail.rfind(b"\n", 0, end - 1) + 1
        if is_record(tail[start : end - 1]):
            return end
        end = start
    return 0


def is_record(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True
