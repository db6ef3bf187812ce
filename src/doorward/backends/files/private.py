"""Files and directories that only their owner may read."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


def make_directory(path: Path) -> None:
    """Create `path` with mode 0700 unless it exists. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    path.chmod(0o700)  # whatever the umask said


def require_private(path: Path, status: os.stat_result) -> None:
    """Refuse a secret that others can read or that is not ours. Raises GatewayError(STORE_UNAVAILABLE)."""
    if status.st_uid not in (os.geteuid(), 0):
        message = (
            f"{path} belongs to user id {status.st_uid}, and Doorward runs as {os.geteuid()}; "
            f"run: chown {os.geteuid()} {path}"
        )
        raise GatewayError(Reason.STORE_UNAVAILABLE, message)
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        message = f"{path} can be read by other users (mode {mode:04o}); run: chmod 600 {path}"
        raise GatewayError(Reason.STORE_UNAVAILABLE, message)


def open_plain(path: Path) -> BufferedReader:
    """A regular file to read: nothing that keeps its reader waiting, as a pipe that somebody has put there.

    Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, f"{path.name} is no regular file", str(path))
    return open(fd, "rb")  # noqa: PTH123 - takes over the descriptor


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` (mode 0600), whole or not at all, also when power fails. Raises OSError.

    The caller excludes other writers, so a temporary file that is found is a dead writer's.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123 - takes over the descriptor that was opened exclusively
            file.write(content)
            file.flush()
            os.fsync(fd)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Excludes every other process that asks for the same; waits for it. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
