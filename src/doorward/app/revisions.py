"""Every configuration that was in force, so that a decision of last year can be read with its rules."""

import re
from pathlib import Path
from typing import Final

from doorward.backends.files.private import make_directory, replace_file
from doorward.config.load import Loaded

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Revisions:
    """Texts in a directory, by the digest that decisions name. Literal secrets are masked in them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, loaded: Loaded) -> None:
        """Raises OSError."""
        path = self._path(loaded.digest)
        if not path.exists():
            make_directory(self._directory)
            replace_file(path, "\n".join((*loaded.lines, "")).encode())

    def text(self, digest: str) -> str | None:
        """None for one that was not kept. Raises OSError."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            return self._path(digest).read_text("utf-8")
        except FileNotFoundError:
            return None

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest}.yaml"
