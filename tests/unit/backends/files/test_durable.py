import errno
import os
import stat
from pathlib import Path

import pytest

from doorward.backends.files import durable
from doorward.backends.files.durable import OsFiles, last_line, whole_lines


@pytest.fixture
def files() -> OsFiles:
    return OsFiles()


def fails(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_whole_and_private(tmp_path: Path, files: OsFiles) -> None:
    path = tmp_path / "a" / "b" / "file"
    before = os.umask(0)
    try:
        files.put([(path, b"one")])
        files.put([(path, b"two")])
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, files: OsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.put([(path, b"one")])
    (tmp_path / ".file.new").write_bytes(b"left by a crash")
    monkeypatch.setattr(durable.os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        files.put([(path, b"two")])
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_many_files_at_once(tmp_path: Path, files: OsFiles) -> None:
    wanted = [(tmp_path / str(number % 7) / str(number), b"%d" % number) for number in range(100)]
    files.put(wanted)
    files.put([])
    assert [path.read_bytes() for path, _ in wanted] == [content for _, content in wanted]
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 100


def test_lines_are_added(tmp_path: Path, files: OsFiles) -> None:
    path = tmp_path / "new" / "file"
    files.append(path, b"one\n")
    files.append(path, b"two\nthree\n")
    assert whole_lines(path) == [b"one", b"two", b"three"]
    assert last_line(path) == b"three"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", [b"t", b"\x00" * 100, b"tor\x00n", b"lo\x00st\nkept\n"])
def test_what_a_crash_has_torn_goes_before_the_next_line(tmp_path: Path, files: OsFiles, torn: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n" + torn)
    assert whole_lines(path) == [b"one"]
    assert last_line(path) == b"one"
    files.append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_line_that_cannot_be_synced_is_taken_back(
    tmp_path: Path, files: OsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.append(path, b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "fsync", fails)
        with pytest.raises(OSError, match="No space left"):
            files.append(path, b"two\n")
    assert path.read_bytes() == b"one\n"


def test_a_link_is_not_followed(tmp_path: Path, files: OsFiles) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs\n")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        files.append(tmp_path / "file", b"ours\n")
    files.put([(tmp_path / "file", b"ours\n")])
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs\n"


def test_descriptors_are_closed_whatever_happens(
    tmp_path: Path, files: OsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    files.put([(tmp_path / "a", b"one")])
    files.append(tmp_path / "b", b"one\n")
    for name in ("fsync", "pread"):
        with monkeypatch.context() as patch:
            patch.setattr(durable.os, name, fails)
            with pytest.raises(OSError, match="No space left"):
                files.append(tmp_path / "b", b"two\n")
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_nothing_is_no_line(tmp_path: Path) -> None:
    assert whole_lines(tmp_path / "none") == []
    assert last_line(tmp_path / "none") is None
    (tmp_path / "torn").write_bytes(b"torn")
    assert last_line(tmp_path / "torn") is None


def test_removing_and_syncing(tmp_path: Path, files: OsFiles) -> None:
    files.put([(tmp_path / "folder" / "file", b"")])
    files.remove(tmp_path / "folder" / "file")
    files.remove(tmp_path / "folder" / "file")
    files.remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
    with (tmp_path / "open").open("wb") as file:
        files.sync(file.fileno())
