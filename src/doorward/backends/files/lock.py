"""One process per state directory, and what that process is."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from doorward.backends.files.private import make_directory
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a state directory."""

    pid: int
    command: str
    """What it was started as, e.g. "serve"."""
    started: str
    """RFC 3339."""
    listen: tuple[str, ...] = ()
    """Where it listens, e.g. "127.0.0.1:7420"; empty until it does."""
    certificate: str = ""
    """SHA-256 over the certificate that it presents there, in hexadecimal; empty for plain HTTP."""
    operator: str = ""
    """Whoever shows this to /readyz can read this file, and is told what agents are not."""
    preface: bool = False
    """Whether a connection from this machine has to begin with a PROXY header."""
    admin: str = ""
    """Where it listens for operators, as in `listen`; empty where it does not."""

    def __str__(self) -> str:
        where = f", listening on {', '.join(self.listen)}" if self.listen else ""
        return f"process {self.pid} (doorward {self.command}{where})"


class StateLock:
    """Held until `release` or the end of the process, however it ends: the kernel drops it (flock)."""

    def __init__(self, path: Path, holder: Holder) -> None:
        """Take the lock. Raises GatewayError(STORE_UNAVAILABLE), which names the holder, when it is taken."""
        self._path = path
        self.holder = holder
        try:
            make_directory(path.parent)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unavailable(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(holder)
        except BlockingIOError as error:
            other = _read(self._fd)
            os.close(self._fd)
            raise _unavailable(f"{path.parent} is in use by {other or 'another process'}") from error
        except OSError as error:
            os.close(self._fd)
            raise _unavailable(f"{path} cannot be locked: {error.strerror}") from error

    def announce(self, listen: tuple[str, ...], certificate: str = "", admin: str | None = None) -> None:
        """Say where we listen, once that is known; None leaves what was said. Raises OSError."""
        said = msgspec.structs.replace(self.holder, listen=listen, certificate=certificate)
        self._write(said if admin is None else msgspec.structs.replace(said, admin=admin))

    def release(self) -> None:
        """Safe to call twice. The file stays: removing it would race with the next holder."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _write(self, holder: Holder) -> None:
        text = msgspec.json.encode(holder) + b"\n"
        os.pwrite(self._fd, text, 0)  # first, so that a change of the same length is never seen half done
        os.ftruncate(self._fd, len(text))
        self.holder = holder


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path` now; None when nobody does. Raises GatewayError(STORE_UNAVAILABLE).

    A holder that has not written its name yet is reported with pid 0.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unavailable(f"{path} cannot be read: {error.strerror}") from error
    try:
        # Shared, so that two who ask at once do not see each other as the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(fd) or Holder(0, "", "")
    finally:
        os.close(fd)
    return None


def _read(fd: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(fd, 65536, 0), type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        return None


def _unavailable(message: str) -> GatewayError:
    return GatewayError(Reason.STORE_UNAVAILABLE, message)
