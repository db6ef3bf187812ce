"""Closed segments made smaller: `NNNNNNNN.jsonl` becomes `NNNNNNNN.jsonl.gz`, which holds the same records.

The plain file goes last, once the compressed one was read back and is on the disk: whatever step a crash
falls into, one of them is whole, and the plain one counts while it is there.
"""

import errno
import gzip
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from doorward.backends.files.checkpoints import changed
from doorward.backends.files.durable import Files
from doorward.backends.files.segment_lines import SegmentFile

STEP: Final = 256 * 1024
"""Bytes between two steps: 5 ms of zlib, for which it lets go of the interpreter."""
_LEVEL: Final = 6


def compress(segment: SegmentFile, files: Files) -> Iterator[None]:
    """Of a closed plain segment, in steps of milliseconds; done once it is exhausted, without effect before.

    Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) for a segment that does not end with a whole record.
    """
    packed = segment.path.with_name(f"{segment.path.name}.gz")
    temporary = unfinished(packed)
    digest = sha256()
    with (
        segment.path.open("rb") as source,
        created(temporary) as target,
        gzip.GzipFile("", "wb", _LEVEL, target, mtime=0) as zipped,
    ):
        for chunk in _records(source, segment.path):
            digest.update(chunk)
            zipped.write(chunk)
            yield
    read_back = sha256()
    with gzip.open(temporary) as made:
        while chunk := made.read(STEP):
            read_back.update(chunk)
            yield
    if read_back.digest() != digest.digest():
        raise OSError(errno.EIO, "what was compressed reads otherwise than it was", str(temporary))
    files.publish(temporary, packed)
    yield
    files.remove(segment.path)


def unfinished(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.new")


def created(path: Path) -> IO[bytes]:
    """For writing, empty, mode 0600. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(fd, "wb")


def _records(source: IO[bytes], path: Path) -> Iterator[bytes]:
    """What is in front of the room that was reserved, if the crash of a writer has left any."""
    last, ended = b"", False
    while chunk := source.read(STEP):
        part, zero, room = chunk.partition(b"\0")
        if (part and ended) or room.strip(b"\0"):
            raise changed(f"{path} has something behind its last record")
        ended = bool(zero)
        last = part[-1:] or last
        if part:
            yield part
    if last != b"\n":
        raise changed(f"{path} does not end with a whole record")
