"""The room behind the last record: what is promised is there, whatever happens to the disk."""

import errno
import os
from pathlib import Path

import pytest

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.open_segment import STEP, OpenSegment


class FullDisk(OsDisk):
    """Has `left` bytes to give, and writes none that were not given."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.given = 0

    def allocate(self, fd: int, offset: int, size: int) -> None:
        if size > self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= size
        self.given = offset + size
        super().allocate(fd, offset, size)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        assert offset + len(data) <= self.given
        return super().write(fd, data, offset)


def test_room_is_taken_in_steps_and_given_back(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, OsDisk(), new=True)
    segment.write(b"{}\n")
    assert segment.path.stat().st_size == STEP
    segment.write(b"x" * STEP)
    assert segment.path.stat().st_size == 2 * STEP
    segment.finish()
    assert segment.path.stat().st_size == segment.size == STEP + 3
    segment.close()


def test_a_disk_without_room_for_a_promise_takes_nothing(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, FullDisk(100), new=True)
    segment.write(b"a" * 40 + b"\n", promised=50)
    with pytest.raises(OSError, match="No space"):
        segment.write(b"b" * 40 + b"\n", promised=50)
    assert segment.path.read_bytes().rstrip(b"\0") == b"a" * 40 + b"\n"
    segment.write_promised(b"c" * 49 + b"\n")  # what was promised is still there
    assert segment.size == 91
    segment.close()


def test_a_nearly_full_disk_gives_what_is_needed_and_not_a_step(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, FullDisk(10), new=True)
    segment.write(b"123456789\n")
    assert segment.path.stat().st_size == 10
    segment.close()


def test_zeros_are_written_where_nothing_can_be_allocated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    segment = OpenSegment(tmp_path, 1, OsDisk(), new=True)
    segment.write(b"{}\n")
    assert segment.path.read_bytes() == b"{}\n".ljust(STEP, b"\0")
    segment.close()


def test_an_existing_segment_goes_on_and_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_bytes(b"{}\n")
    segment = OpenSegment(tmp_path, 1, OsDisk(), new=False)
    segment.write(b"[]\n")
    segment.finish()
    segment.close()
    assert (tmp_path / "00000001.jsonl").read_bytes() == b"{}\n[]\n"
    (tmp_path / "00000002.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic|exists"):
        OpenSegment(tmp_path, 2, OsDisk(), new=False)
