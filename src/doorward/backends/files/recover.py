"""Segment files as found: their names, and the way back to the last whole record after a crash."""

import os
from pathlib import Path
from typing import Final

import msgspec

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
    """Of a torn tail that was cut off: never acknowledged, or the disk lost power within 50 ms."""


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:0{_DIGITS}}{_SUFFIX}"


def segments(directory: Path) -> list[int]:
    """Numbers of the segments, ascending. Raises OSError."""
    names = (path.name for path in directory.iterdir())
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if len(stem) >= _DIGITS and stem.isascii() and stem.isdigit())


def recover(directory: Path, number: int) -> Recovery | None:
    """Cut one segment to its whole records; None when that is what it was.

    Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) when the end of the file holds no whole record at all.
    """
    path = segment_path(directory, number)
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        size = os.fstat(fd).st_size
        end = _written(fd, size)
        start = max(0, end - _WINDOW)
        tail = os.pread(fd, end - start, start)
        whole = _whole(tail)
        if whole == 0 and start > 0:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, f"{path} is damaged: restore it from a backup")
        if start + whole == size:
            return None
        os.ftruncate(fd, start + whole)
        os.fsync(fd)
        return Recovery(path.name, len(tail) - whole)
    finally:
        os.close(fd)


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
