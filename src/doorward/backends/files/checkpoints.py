"""Who the log is, and what it has committed itself to: `keys`, `checkpoint`, `checkpoints/NNNNNNNN.jsonl`.

The layout is that of docs/reference/audit-log.md. A checkpoint is issued once its line is in the file of its
segment; `checkpoint` is a copy of the newest for readers.
"""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from doorward.audit.notes import (
    Checkpoint,
    Note,
    NoteError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    sign,
)
from doorward.backends.files.durable import Files, last_line, whole_lines
from doorward.backends.files.private import open_plain
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

ORIGIN: Final = "doorward.dev/log/"
KEYS: Final = "keys"
NEWEST: Final = "checkpoint"
_FOLDER: Final = "checkpoints"


class Issued(msgspec.Struct, frozen=True):
    """One line of `checkpoints/NNNNNNNN.jsonl`, and of an anchor."""

    at: int
    """Milliseconds since 1970."""
    note: str


class Found(NamedTuple):
    """A checkpoint as it was found in a file."""

    issued: Issued
    note: Note
    checkpoint: Checkpoint


def new_origin() -> str:
    """Of a log that is just being made."""
    return ORIGIN + secrets.token_hex(8)


class Checkpoints:
    """Those of one log."""

    def __init__(self, directory: Path, files: Files) -> None:
        """`directory`: of the log."""
        self._directory = directory
        self._files = files
        self._kept: tuple[int, Issued] | None = None
        """The newest with its size, as far as it was read or issued by us."""

    def keys(self) -> list[VerifierKey]:
        """Oldest first; empty when the log has none yet. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
        path = self._directory / KEYS
        try:
            keys = [parse_verifier_key(line.decode()) for line in whole_lines(path)]
        except ValueError as error:
            raise changed(f"{path} is damaged: {error}") from None
        if len({key.name for key in keys}) > 1:
            raise changed(f"{path} has keys of several logs")
        return keys

    def add_key(self, key: VerifierKey) -> None:
        """The last one from now on. Raises OSError."""
        self._files.append(self._directory / KEYS, key.text.encode() + b"\n")

    def since(self, size: int) -> list[Issued]:
        """The checkpoints that cover more than `size` records, oldest first.

        Raises OSError, GatewayError(AUDIT_UNAVAILABLE).
        """
        found: list[Issued] = []
        for path in reversed(self._paths()):
            here = list(read_issued(path))
            found[:0] = [each.issued for each in here if each.checkpoint.size > size]
            if here and here[0].checkpoint.size <= size:
                break
        return found

    def history(self) -> Iterator[Found]:
        """All checkpoints, oldest first. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
        for path in self._paths():
            yield from read_issued(path)

    def newest(self) -> Found | None:
        """The one that covers most. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
        for path in reversed(self._paths()):
            if (found := newest_issued(path)) is not None:
                self._kept = found.checkpoint.size, found.issued
                return found
        return None

    def copy(self) -> str:
        """What the file for readers says; empty when it is missing. Raises OSError."""
        try:
            with open_plain(self._directory / NEWEST) as file:
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    @staticmethod
    def sign(checkpoint: Checkpoint, seeds: Sequence[bytes], at: int) -> Issued:
        """By all of these keys."""
        signatures = (sign(checkpoint.text, checkpoint.origin, seed) for seed in seeds)
        return Issued(at, str(Note(checkpoint.text, tuple(signatures))))

    def keep(self, segment: int, issued: Sequence[tuple[int, Issued]]) -> Sequence[tuple[int, Issued]]:
        """With their sizes, ascending, as issued while `segment` was written. Returns those that were new:
        of a size that is kept already the first stays.

        Raises OSError; then none of them is kept.
        """
        kept = -1 if self._kept is None else self._kept[0]
        by_size = {size: each for size, each in reversed(issued) if size > kept}
        fresh = sorted(by_size.items(), key=lambda item: item[0])
        if fresh:
            lines = b"".join(line_of(each) for _, each in fresh)
            self._files.append(self._directory / _FOLDER / f"{segment:08d}.jsonl", lines)
            self._kept = fresh[-1]
        return fresh

    def show_newest(self) -> None:
        """Renew the copy for readers. Raises OSError."""
        if self._kept is not None:
            self.show(self._kept[1])

    def show(self, issued: Issued) -> None:
        """Make it the copy for readers. Raises OSError."""
        self._files.put([(self._directory / NEWEST, issued.note.encode())])

    def _paths(self) -> list[Path]:
        paths = (self._directory / _FOLDER).glob("*.jsonl")
        return sorted(paths, key=lambda path: (len(path.name), path.name))


def read_issued(path: Path) -> Iterator[Found]:
    """The checkpoints of one file; none of a file that is not there.

    Raises OSError, GatewayError(AUDIT_UNAVAILABLE).
    """
    for line in whole_lines(path):
        yield _read(path, line)


def newest_issued(path: Path) -> Found | None:
    """The last one of a file. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
    line = last_line(path)
    return None if line is None else _read(path, line)


def _read(path: Path, line: bytes) -> Found:
    try:
        issued = msgspec.json.decode(line, type=Issued)
        note = parse_note(issued.note.encode())
        return Found(issued, note, parse_checkpoint(note.text))
    except (msgspec.MsgspecError, UnicodeError, NoteError) as error:
        raise changed(f"{path} is damaged: {error}") from None


def line_of(issued: Issued) -> bytes:
    """As it stands in a file."""
    return msgspec.json.encode(issued) + b"\n"


def changed(what: str) -> GatewayError:
    """The log is not as its writer left it: going on would cover up for whoever changed it."""
    advice = "`doorward audit verify` says more; to begin a new log, move this one aside and keep it"
    return GatewayError(Reason.AUDIT_UNAVAILABLE, f"{what}; the audit log was changed: {advice}")
