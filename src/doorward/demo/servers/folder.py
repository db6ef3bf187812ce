"""Text files below one folder, and nothing outside of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel

MAX_BYTES: Final = 64 * 1024


class Refused(Exception):
    """The path or the text is not acceptable; the message is for the caller."""


class File(BaseModel):
    """One file. `path` is relative to the folder, with forward slashes; `size` is in bytes."""

    path: str
    size: int


class Folder:
    """Reads and writes. Raises Refused for what is missing, too large, no text, or outside."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve(strict=True)

    def list(self) -> Sequence[File]:
        """All files, sorted by path; those that a link leads outside for are left out."""
        return [File(path=self._name(path), size=path.stat().st_size) for path in self._files()]

    def read(self, path: str) -> str:
        """A file's text."""
        place = self._inside(path)
        if not place.is_file():
            raise Refused(f"there is no file {path}")
        if place.stat().st_size > MAX_BYTES:
            raise Refused(f"{path} is larger than {MAX_BYTES} bytes")
        try:
            return place.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise Refused(f"{path} is not a text file") from None

    def write(self, path: str, text: str) -> File:
        """Replaces or creates a file, and the folders on the way to it."""
        content = text.encode()
        if len(content) > MAX_BYTES:
            raise Refused(f"the text is larger than {MAX_BYTES} bytes")
        place = self._inside(path)
        if place == self._root or place.is_dir():
            raise Refused(f"{path} is a folder")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Refused(f"a file is in the way of {path}") from None
        place.write_bytes(content)
        return File(path=self._name(place), size=len(content))

    def _inside(self, path: str) -> Path:
        """Resolved first, judged afterwards: `..`, absolute paths and links all end up as one real path."""
        if "\0" in path:
            raise Refused("a path has no NUL character")
        place = (self._root / path).resolve()
        if not place.is_relative_to(self._root):
            raise Refused(f"{path} is outside of the folder")
        return place

    def _files(self) -> Sequence[Path]:
        inside = (path for path in self._root.rglob("*") if path.resolve().is_relative_to(self._root))
        return sorted(path for path in inside if path.is_file())

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()
