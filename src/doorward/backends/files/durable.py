"""What the evidence beside the segments does to the disk: a seam, so that tests can let each step fail.

Every verb leaves a file as it was or as it shall be: what a crash can leave of one is mended by its next use.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from doorward.backends.files.private import make_directory, open_plain, sync_directory

_WINDOW: Final = 1024 * 1024
"""How far back from the end of a file of lines a torn one can begin: they have a few hundred bytes."""
_AT_ONCE: Final = 32
"""Files that are open at the same time."""


class Files(Protocol):
    """Each verb may block, and raises OSError."""

    def put(self, files: Sequence[tuple[Path, bytes]]) -> None:
        """Replace files, each whole or not at all. Many at once cost the disk little more than one."""
        ...

    def append(self, path: Path, lines: bytes) -> None:
        """Add whole lines and sync them; a torn line that a crash has left there goes first."""
        ...

    def publish(self, written: Path, path: Path) -> None:
        """Give a file that was written whole its name; durable from then on."""
        ...

    def sync(self, fd: int) -> None:
        """Make an open file's content durable."""
        ...

    def remove(self, path: Path) -> None:
        """Of a file that nobody needs, or an empty directory; none there is well too."""
        ...


class OsFiles:
    """The real ones. New files have mode 0600, new directories 0700."""

    def put(self, files: Sequence[tuple[Path, bytes]]) -> None:
        """See Files."""
        directories = dict.fromkeys(path.parent for path, _ in files)
        for directory in directories:
            make_directories(directory)
        for start in range(0, len(files), _AT_ONCE):
            _put(files[start : start + _AT_ONCE])
        for directory in directories:
            sync_directory(directory)

    def append(self, path: Path, lines: bytes) -> None:
        """See Files."""
        make_directories(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        whole = _mended(fd)
        try:
            _write(fd, lines)
        except OSError:
            with suppress(OSError):  # then the next one finds a torn line
                os.truncate(path, whole)
            raise
        if not whole:
            sync_directory(path.parent)

    def publish(self, written: Path, path: Path) -> None:
        """See Files."""
        fd = os.open(written, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        written.replace(path)
        sync_directory(path.parent)

    def sync(self, fd: int) -> None:
        """See Files."""
        getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync

    def remove(self, path: Path) -> None:
        """See Files."""
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def _put(files: Sequence[tuple[Path, bytes]]) -> None:
    """Written, then synced, then named: the first sync takes most of what the others would wait for."""
    made: list[tuple[int, str, str]] = []
    try:
        for path, content in files:
            # Texts, because a busy log puts eighty a second and the calls wait for this thread meanwhile.
            directory, name = os.path.split(path)
            temporary = f"{directory}/.{name}.new"
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            made.append((fd, temporary, f"{directory}/{name}"))
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        for fd, _, _ in made:
            os.fsync(fd)
        for _, temporary, final in made:
            os.replace(temporary, final)  # noqa: PTH105 - see above
    except OSError:
        for _, temporary, _ in made:
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108 - see above
        raise
    finally:
        for fd, _, _ in made:
            os.close(fd)


def make_directories(path: Path) -> None:
    """`path` and all above it that are missing, private and durable. Raises OSError."""
    if not path.is_dir():
        make_directories(path.parent)
        make_directory(path)
        sync_directory(path.parent)


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file without their ends; what a crash has left behind the last one is none.

    Empty when there is no such file. Raises OSError.
    """
    try:
        with open_plain(path) as file:
            content = file.read()
    except FileNotFoundError:
        return []
    return _sound(content).split(b"\n")[:-1]


def last_line(path: Path) -> bytes | None:
    """Without its end; None when there is no such file, or no whole line in it. Raises OSError."""
    try:
        with open_plain(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _WINDOW))
            tail = file.read()
    except FileNotFoundError:
        return None
    lines = _sound(tail).split(b"\n")[:-1]
    return lines[-1] if lines else None


def _sound(content: bytes) -> bytes:
    """Up to the first page that was lost with the power: no line holds a zero."""
    return content.partition(b"\0")[0]


def _mended(fd: int) -> int:
    """Cut off what follows the last line feed; the size from then on. Closes `fd` when that fails."""
    try:
        size = os.fstat(fd).st_size
        start = max(0, size - _WINDOW)
        tail = os.pread(fd, size - start, start)
        whole = start + _sound(tail).rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(fd, whole)
    except OSError:
        os.close(fd)
        raise
    return whole


def _write(fd: int, content: bytes) -> None:
    """All of it, synced. Closes `fd`."""
    with open(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
