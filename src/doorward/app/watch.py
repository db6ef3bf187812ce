"""Notices that the configuration or a file that it interpolates has changed."""

from pathlib import Path

Stamp = tuple[tuple[int, int, int] | None, ...]


class FileWatch:
    """Compares what `stat` says; a file that is gone for a moment (an editor saving) is a change too."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = files
        self._seen = self._stamp()

    def changed(self) -> bool:
        """Whether anything differs from the last time this was asked."""
        now = self._stamp()
        differs, self._seen = now != self._seen, now
        return differs

    def follow(self, files: tuple[Path, ...]) -> None:
        """Watch these from now on."""
        if files != self._files:
            self._files = files
            self._seen = self._stamp()

    def _stamp(self) -> Stamp:
        return tuple(_of(file) for file in self._files)


def _of(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
