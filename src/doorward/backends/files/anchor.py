"""Checkpoints in a second place: `<anchor>/<id>.jsonl` (docs/reference/audit-log.md).

Whoever can rewrite the log and has its key cannot make it fit what he cannot write. The directory is never
created: a volume that is not mounted must not be replaced by a directory of the same name.
"""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from doorward.backends.files.checkpoints import Found, Issued, line_of, newest_issued
from doorward.backends.files.durable import Files
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


class Anchor:
    """Of one log. `failure` says why it is behind."""

    def __init__(self, directory: Path, files: Files) -> None:
        self.directory = directory
        self.failure: str | None = None
        """Why the last attempt to write failed; None while all is well."""
        self._files = files
        self._size: int | None = None
        """Of the newest checkpoint in it, once that is known."""

    def newest(self, origin: str) -> Found | None:
        """Raises GatewayError(AUDIT_UNAVAILABLE) when it cannot be read, or is damaged."""
        try:
            return newest_issued(self._path(origin))
        except OSError as error:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, self._unusable(error)) from error

    def covers(self, size: int) -> bool:
        """Whether nothing is missing up to the checkpoint of this size, as far as we know without looking."""
        return self.failure is None and size in (0, self._size)

    def follow(self, origin: str, size: int, since: Callable[[int], Sequence[Issued]]) -> None:
        """Write what is missing up to the log's newest checkpoint, which has this size.

        `since`: the log's checkpoints that are larger than a size, oldest first. Never raises: see `failure`;
        what could not be written is written by the next call that succeeds.
        """
        try:
            if not self.directory.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if self._size is None or self.failure is not None:
                newest = self.newest(origin)
                self._size = -1 if newest is None else newest.checkpoint.size
            if size < self._size:
                self.failure = f"{self._path(origin)} has checkpoints that the audit log does not have"
                return
            if size > self._size:
                self._files.append(self._path(origin), b"".join(map(line_of, since(self._size))))
                self._size = size
            self.failure = None
        except OSError as error:
            self.failure = self._unusable(error)
        except GatewayError as error:
            self.failure = error.message

    def _path(self, origin: str) -> Path:
        return self.directory / f"{origin.rpartition('/')[2]}.jsonl"

    def _unusable(self, error: OSError) -> str:
        return f"the audit log cannot be anchored in {self.directory}: {error.strerror or error}"
