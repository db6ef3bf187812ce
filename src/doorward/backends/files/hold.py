"""The legal hold of a log: while the file `hold` lies beside its segments, nothing of them is pruned.

A file and no row of the store, because it has to go wherever the log goes, and no copy of the log without its
store may lose records that are held.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from doorward.backends.files.checkpoints import changed
from doorward.backends.files.private import locked_directory, make_directory, replace_file

HOLD: Final = "hold"


class Held(msgspec.Struct, frozen=True):
    """Since when, by whom and why."""

    at: int
    """Milliseconds since 1970."""
    by: str
    reason: str = ""


class Hold:
    """Of one log. Each verb raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / HOLD

    def read(self) -> Held | None:
        """None while nothing is held. Raises GatewayError(AUDIT_UNAVAILABLE) for a damaged file: it holds."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Held)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise changed(f"{self._path} is damaged: {error}") from None

    def place(self, held: Held) -> None:
        """From here on nothing is removed; a removal that has begun has ended."""
        make_directory(self._directory)
        with self.locked():
            replace_file(self._path, msgspec.json.encode(held) + b"\n")

    def lift(self) -> None:
        """Whether it was there or not."""
        with self.locked():
            self._path.unlink(missing_ok=True)

    @property
    def placed(self) -> bool:
        """Whatever the file says."""
        return os.path.lexists(self._path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody places or lifts it meanwhile. Of a directory within: the log's own its writer has locked."""
        own = self._directory / "checkpoints"
        make_directory(own)
        with locked_directory(own):
            yield
