"""The tree's hashes in tiles of 256 (C2SP tlog-tiles): names, which tile holds which hash, how tiles fill.

Pure: tiles are bytes and paths are texts here. A tile of level `L` has the hashes of complete subtrees of
`256 ** L` leaves; a partial one, at the right edge of the tree, has fewer than 256 of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from doorward.audit.merkle import HASH_BYTES, fold, leaf_hashes, peaks

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
_PATH: Final = re.compile(r"tile/(0|[1-9]\d?)/((?:x\d{3}/)*)(\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_KEPT: Final = 64
"""Tiles that a source of hashes remembers: proofs of neighbours share all but the lowest."""


class Tile(NamedTuple):
    """One tile; full unless `width` says less."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Relative to the log, e.g. tile/0/x001/x234/067.p/12."""
        digits = f"{self.number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{name}{partial}"


def parse_path(path: str) -> Tile:
    """The tile with this path, in the one spelling that it has. Raises ValueError."""
    found = _PATH.fullmatch(path)
    if found is not None:
        level, number = int(found[1]), int(found[2].replace("x", "").replace("/", "") + found[3])
        tile = Tile(level, number, int(found[4] or WIDTH))
        if level < 64 and tile.width <= WIDTH and tile.path == path:  # refuses leading zeroes and .p/256 too
            return tile
    raise ValueError("this is no path of a tile")


def edge(size: int) -> Iterator[Tile]:
    """The partial tiles of a tree of `size` leaves, lowest level first."""
    level = 0
    while size:
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        size, level = size // WIDTH, level + 1


class TileHashes:
    """A source of hashes (merkle.Hashes) for a tree of which the tiles can be read."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        """`read`: a tile's hashes, at least as many as it is wide: a full tile serves for a partial one."""
        self._size = size
        self._read = lru_cache(maxsize=_KEPT)(read)

    def __call__(self, height: int, index: int) -> bytes:
        """Raises ValueError for a subtree that the tree does not have whole, and what `read` raises."""
        if height < 0 or index < 0 or (index + 1) << height > self._size:
            raise ValueError(f"a tree of {self._size} records has no subtree {index} of height {height}")
        level, above = divmod(height, HEIGHT)
        first = index << above
        number, at = divmod(first, WIDTH)
        width = min(WIDTH, (self._size >> HEIGHT * level) - number * WIDTH)
        content = self._read(Tile(level, number, width))
        if len(content) < width * HASH_BYTES:
            raise ValueError(f"{Tile(level, number, width).path} is too short")
        return peaks(hashes_of(content)[at : at + (1 << above)])[0]


def hashes_of(content: bytes) -> list[bytes]:
    """A tile's hashes, one by one."""
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


class TiledTree:
    """A growing tree that hands out each tile once it is full."""

    __slots__ = ("_levels", "full", "size")

    def __init__(self, size: int = 0, edges: Sequence[bytes] = ()) -> None:
        """`edges`: for every level from 0 the content of its partial tile, empty where it has none."""
        self.size = size
        self.full: list[tuple[Tile, bytes]] = []
        """Tiles that were filled since somebody took them away, in the order in which they were."""
        self._levels = [hashes_of(content) for content in edges]
        """For every level the hashes of its partial tile. The nodes over them are made all at once, when the
        tile is full or a root is asked for."""
        if [len(hashes) for hashes in self._levels] != _widths(size, len(edges)):
            raise ValueError(f"these are no edges of a tree of {size} records")

    def extend(self, records: Sequence[bytes]) -> None:
        """Append records."""
        self.extend_leaves(leaf_hashes(records))

    def extend_leaves(self, leaves: Sequence[bytes]) -> None:
        """Append records of which only the leaf hashes are known."""
        done = 0
        while done < len(leaves):
            if not self._levels:
                self._levels.append([])
            lowest = self._levels[0]
            some = leaves[done : done + WIDTH - len(lowest)]
            lowest += some
            done += len(some)
            self.size += len(some)
            if len(lowest) == WIDTH:
                self._fill()

    def taken(self) -> list[tuple[Tile, bytes]]:
        """`full`, which is empty from then on."""
        full, self.full = self.full, []
        return full

    def root(self) -> bytes:
        """Of the tree as it is now."""
        return fold([peak for hashes in reversed(self._levels) for peak in peaks(hashes)])

    def edge(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles with their content, lowest level first."""
        return [(tile, b"".join(self._levels[tile.level])) for tile in edge(self.size)]

    def _fill(self) -> None:
        """The lowest level is full: hand its tile out, and its root to the level above."""
        above = 0
        while len(hashes := self._levels[above]) == WIDTH:
            number = (self.size >> HEIGHT * (above + 1)) - 1
            self.full.append((Tile(above, number), b"".join(hashes)))
            self._levels[above] = []
            above += 1
            if above == len(self._levels):
                self._levels.append([])
            self._levels[above] += peaks(hashes)


def _widths(size: int, levels: int) -> list[int]:
    """Widths of the partial tiles, 0 where there is none; longer than `levels` when more are needed."""
    widths: list[int] = []
    while size or len(widths) < levels:
        widths.append(size % WIDTH)
        size //= WIDTH
    return widths
