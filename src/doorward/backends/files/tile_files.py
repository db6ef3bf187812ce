"""The tiles of the log as files: `tile/<L>/<N>[.p/<W>]` (docs/reference/audit-log.md)."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from doorward.audit.merkle import HASH_BYTES
from doorward.audit.tiles import WIDTH, Tile
from doorward.backends.files.durable import Files
from doorward.backends.files.private import open_plain

_ROOT: Final = "tile"


class TileFiles:
    """Of one log. What is read is checked for its length only: whether it fits is for a checkpoint to say."""

    def __init__(self, directory: Path, files: Files) -> None:
        """`directory`: of the log."""
        self._directory = directory
        self._files = files
        self._partial: set[tuple[int, int]] | None = None
        """Level and number of tiles that may have partial ones; None while any may, left by others."""

    def write(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Durably. Raises OSError."""
        written = list(tiles)
        if self._partial is not None:
            self._partial.update(tile[:2] for tile, _ in written if tile.width < WIDTH)
        self._files.put([(self._directory / tile.path, content) for tile, content in written])

    def read(self, tile: Tile) -> bytes:
        """As many hashes as the tile is wide; of a partial one those of the full one, if only that is there.

        Raises OSError: FileNotFoundError when there is neither, or not with enough of them.
        """
        for found in dict.fromkeys((tile, tile._replace(width=WIDTH))):
            try:
                with open_plain(self._directory / found.path) as file:
                    content = file.read()
            except FileNotFoundError:
                continue
            if len(content) == found.width * HASH_BYTES:
                return content[: tile.width * HASH_BYTES]
        raise FileNotFoundError(f"{self._directory / tile.path} is missing or damaged")

    def covering(self, tile: Tile) -> bytes:
        """As `read`, of a tile that may have grown since it was this wide.

        Raises OSError: FileNotFoundError when what is there is missing, smaller, or just being replaced.
        """
        try:
            return self.read(tile)
        except FileNotFoundError:
            for wider in range(tile.width + 1, WIDTH):
                with suppress(FileNotFoundError):
                    return self.read(tile._replace(width=wider))[: tile.width * HASH_BYTES]
            raise

    def forget_partial(self, grown: Iterable[Tile]) -> None:
        """Remove the smaller partial tiles that grew into these. Raises OSError."""
        tiles = list(grown)
        for tile in tiles:
            if self._partial is not None and tile[:2] not in self._partial:
                continue
            directory = (self._directory / tile._replace(width=1).path).parent
            if not directory.is_dir():
                continue
            for path in directory.iterdir():
                if path.name != str(tile.width):
                    self._files.remove(path)
            if tile.width == WIDTH:
                self._files.remove(directory)
                if self._partial is not None:
                    self._partial.discard(tile[:2])
        if self._partial is None:
            self._partial = {tile[:2] for tile in tiles if tile.width < WIDTH}
