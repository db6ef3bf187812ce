"""What the log asks of the disk, of a real file."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward.backends.files.disk import OsDisk

MEGABYTE = 1024 * 1024


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def content(fd: int) -> bytes:
    return os.pread(fd, 4 * MEGABYTE, 0)


def test_writes_where_it_is_told_and_cuts_back(fd: int) -> None:
    disk = OsDisk()
    assert disk.write(fd, b"hello", 0) == 5
    assert disk.write(fd, b"J", 0) == 1
    disk.truncate(fd, 4)
    disk.sync(fd)
    assert content(fd) == b"Jell"


def test_room_is_zeros_behind_what_is_there(fd: int) -> None:
    disk = OsDisk()
    disk.write(fd, b"hello", 0)
    disk.allocate(fd, 5, MEGABYTE)
    assert content(fd) == b"hello" + bytes(MEGABYTE)


@pytest.mark.parametrize("missing", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, None])
def test_where_room_cannot_be_asked_for_it_is_written(
    fd: int, monkeypatch: pytest.MonkeyPatch, missing: int | None
) -> None:
    def fails(*_: Any) -> None:
        raise OSError(missing, "not here")

    if missing is None:
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", fails)
    OsDisk().allocate(fd, 3, MEGABYTE + 17)
    assert content(fd) == bytes(MEGABYTE + 20)


def test_a_full_disk_is_full_and_not_written_around(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="full"):
        OsDisk().allocate(fd, 0, MEGABYTE)
    assert content(fd) == b""


def test_room_that_was_only_written_in_part_is_none(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(os, "pwrite", lambda _, data, __: len(data) - 1)
    with pytest.raises(OSError) as raised:  # noqa: PT011 - the number is what counts
        OsDisk().allocate(fd, 0, MEGABYTE)
    assert raised.value.errno == errno.ENOSPC


def test_syncs_where_there_is_no_fdatasync(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.setattr(os, "fsync", synced.append)
    OsDisk().sync(fd)
    assert synced == [fd]
