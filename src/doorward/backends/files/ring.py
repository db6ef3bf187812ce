"""The key ring as one JSON file (port: SecretRing).

Several processes may hold it open (the gateway and a CLI command). Whoever needs a key that its copy does not
have looks again under a lock before it makes one, so a purpose never gets two first versions.
"""

import base64
import errno
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from doorward.backends.files.private import locked_directory, make_directory, replace_file, require_private
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import Version, VersionEnded

FORMAT: Final = "doorward-secrets/1"
KEY_BYTES: Final = 32


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    version: int
    created: str
    key: str
    """Base64, 256 bits."""
    ends: float | None = None
    """Seconds since 1970."""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    keys: dict[str, list[_Stored]]


class FileRing:
    """Reads the file when asked for something it has not seen yet; keeps what it has read."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Raises GatewayError(STORE_UNAVAILABLE) for a file that others can read or that is damaged.

        A missing file is made on first use.
        """
        self._path = path
        self._clock = clock
        self._stored: dict[str, list[_Stored]] = {}
        self._keys: dict[tuple[str, int], bytes] = {}
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._ends: dict[tuple[str, int], float] = {}
        self._seen = (0, 0)
        """Inode of the file that was read, and when it was written."""
        self._read()

    def current(self, purpose: str) -> tuple[int, bytes]:
        """See ports/secrets.py."""
        self._look()
        newest = self._newest.get(purpose)
        return newest if newest is not None else self._make(purpose)

    def version(self, purpose: str, number: int) -> bytes:
        """See ports/secrets.py."""
        self._look()
        key = self._keys.get((purpose, number))
        if key is None:
            self._read()
            key = self._keys.get((purpose, number))
        newest = self._newest.get(purpose)
        # Numbers are given out in order, so one that is missing below the newest was ended and destroyed.
        gone = key is None and newest is not None and 0 < number < newest[0]
        if gone or self._ends.get((purpose, number), math.inf) <= self._clock():
            raise VersionEnded(Reason.STORE_UNAVAILABLE, f"version {number} of {purpose!r} was ended")
        if key is None:
            raise _unavailable(f"{self._path} does not have version {number} of {purpose!r}")
        return key

    def purposes(self) -> tuple[str, ...]:
        """See ports/secrets.py."""
        self._read()
        return tuple(sorted(self._stored))

    def versions(self, purpose: str) -> tuple[Version, ...]:
        """See ports/secrets.py."""
        self._read()
        found = sorted(self._stored.get(purpose, ()), key=lambda stored: stored.version)
        return tuple(
            Version(stored.version, stored.created, math.inf if stored.ends is None else stored.ends)
            for stored in found
        )

    def ensure(self, purposes: Iterable[str]) -> None:
        """See ports/secrets.py."""
        wanted = list(purposes)
        if all(purpose in self._newest for purpose in wanted):
            return
        with self._locked():
            missing = [purpose for purpose in wanted if purpose not in self._newest]
            if missing:
                self._write({**self._stored, **{purpose: [self._made(1)] for purpose in missing}})

    def end(self, purpose: str, numbers: Iterable[int], at: float) -> None:
        """See ports/secrets.py."""
        wanted = frozenset(numbers)
        with self._locked():
            newest = self._newest.get(purpose, (0, b""))[0]
            changed = [
                msgspec.structs.replace(one, ends=at if one.ends is None else min(one.ends, at))
                if one.version in wanted and one.version != newest
                else one
                for one in self._stored.get(purpose, ())
            ]
            self._write({**self._stored, purpose: changed})

    def document(self) -> bytes:
        """See ports/secrets.py."""
        self._read()
        return msgspec.json.encode(_Document(FORMAT, _left(self._stored, self._clock())))

    @classmethod
    def restore(cls, path: Path, document: bytes) -> "FileRing":
        """Put what `document` gave where no ring is.

        Raises FileExistsError, OSError, GatewayError(STORE_UNAVAILABLE) for anything else than a ring.
        """
        ring = cls(path)
        try:
            read = msgspec.json.decode(document, type=_Document)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _unavailable("what was exported is not a Doorward key ring") from error
        ring._take(read)
        make_directory(path.parent)
        with locked_directory(path.parent):
            if path.exists():
                raise FileExistsError(errno.EEXIST, "there is a key ring already", str(path))
            ring._write(read.keys)
        return ring

    def rotate(self, purpose: str, announce: Callable[[bytes], None] | None = None) -> tuple[int, bytes]:
        """See ports/secrets.py."""
        with self._locked():
            number, key = self._add(purpose)
            if announce is not None:
                announce(key)
        return number, key

    def _make(self, purpose: str) -> tuple[int, bytes]:
        with self._locked():
            return self._newest.get(purpose) or self._add(purpose)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The file as it is now, and nobody else changes it. Raises GatewayError(STORE_UNAVAILABLE)."""
        try:
            make_directory(self._path.parent)
            with locked_directory(self._path.parent):
                self._read()
                yield
        except OSError as error:
            raise _unavailable(f"{self._path} cannot be written: {error.strerror}") from error

    def _add(self, purpose: str) -> tuple[int, bytes]:
        """One more version. Raises OSError."""
        newest = self._newest.get(purpose)
        stored = self._made(1 if newest is None else newest[0] + 1)
        self._write({**self._stored, purpose: [*self._stored.get(purpose, ()), stored]})
        return self._newest[purpose]

    def _made(self, number: int) -> _Stored:
        return _Stored(number, self._now(), base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())

    def _write(self, stored: dict[str, list[_Stored]]) -> None:
        """What has ended is gone from then on. Raises OSError."""
        document = _Document(FORMAT, _left(stored, self._clock()))
        replace_file(self._path, msgspec.json.format(msgspec.json.encode(document)) + b"\n")
        self._take(document)

    def _look(self) -> None:
        """Somebody else may have changed it: whoever does puts another file in its place."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a third of the time
        except OSError:
            return  # who needs what is not known reads, and is told
        if (status.st_ino, status.st_mtime_ns) != self._seen:
            self._read()

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                require_private(self._path, status)
                content = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unavailable(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            self._take(msgspec.json.decode(content, type=_Document))
            self._seen = status.st_ino, status.st_mtime_ns
        except (msgspec.MsgspecError, ValueError) as error:
            # The text of a decoding error may quote the file, which is all secrets.
            raise _unavailable(
                f"{self._path} is not a Doorward key ring: restore it from a backup"
            ) from error

    def _take(self, document: _Document) -> None:
        if document.format != FORMAT:
            raise _unavailable(f"{self._path} has a format that this version of Doorward does not know")
        read = {
            (purpose, stored.version): base64.b64decode(stored.key, validate=True)
            for purpose, versions in document.keys.items()
            for stored in versions
        }
        if any(len(key) != KEY_BYTES for key in read.values()):
            raise _unavailable(f"{self._path} holds a key of the wrong length: restore it from a backup")
        self._stored = document.keys
        self._keys = read
        self._ends = {
            (purpose, stored.version): stored.ends
            for purpose, versions in document.keys.items()
            for stored in versions
            if stored.ends is not None
        }
        self._newest = {purpose: (version, read[purpose, version]) for purpose, version in sorted(read)}


def _left(stored: dict[str, list[_Stored]], now: float) -> dict[str, list[_Stored]]:
    """Without the versions that have ended."""
    return {
        purpose: [one for one in versions if one.ends is None or one.ends > now]
        for purpose, versions in stored.items()
    }


def _unavailable(message: str) -> GatewayError:
    return GatewayError(Reason.STORE_UNAVAILABLE, message)
