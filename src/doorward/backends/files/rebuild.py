"""The tree made again from the records, when the tiles do not fit the newest checkpoint.

Either the tiles were lost or changed: then they are written again. Or the records were: then nothing is
written, and whoever asks is told where the first bad place is.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from doorward.audit.merkle import leaf_hash
from doorward.audit.notes import Checkpoint
from doorward.audit.tiles import WIDTH, Tile, TiledTree, hashes_of
from doorward.backends.files.checkpoints import changed
from doorward.backends.files.segment_lines import SegmentFile
from doorward.backends.files.tile_files import TileFiles


def rebuild(
    segments: list[SegmentFile], tiles: TileFiles, history: Iterable[Checkpoint], newest: Checkpoint
) -> TiledTree:
    """The tree of the records that `newest` covers; its tiles are in place from then on.

    `history`: the log's checkpoints, oldest first. What was pruned is taken from the tiles. Raises OSError,
    and GatewayError(AUDIT_UNAVAILABLE) that names the first place that does not fit.
    """
    places = _Places(segments)
    tree = TiledTree()
    good = 0
    stored = _Stored(tiles, newest.size)
    leaves = _leaves(places, stored)
    for checkpoint in _growing(history, newest):
        while tree.size < checkpoint.size:
            some = list(islice(leaves, min(WIDTH, checkpoint.size - tree.size)))
            if not some:
                text = f"{places.end} ends before record {tree.size}, and a checkpoint covers {newest.size}"
                raise changed(text)
            tree.extend_leaves(some)
        if tree.root() != checkpoint.root:
            raise changed(_first_bad(tree, stored, places, good))
        good = checkpoint.size
    tiles.write((tile, content) for tile, content in tree.taken() if not _is(tiles, tile, content))
    tiles.write(tree.edge())
    return tree


class _Places:
    """Which record stands in which segment."""

    def __init__(self, segments: list[SegmentFile]) -> None:
        self.files: list[tuple[SegmentFile, int, int | None]] = []
        """With the numbers of their first records and of those after their last; None for the open end."""
        begins = [(file, first.first) for file in segments if (first := file.begins()) is not None]
        following = [*(first for _, first in begins[1:]), None]
        for (file, start), end in zip(begins, following, strict=True):
            self.files.append((file, start, end))

    @property
    def end(self) -> str:
        """Where the log ends."""
        return str(self.files[-1][0].path) if self.files else "the log"

    def of(self, number: int) -> str:
        """For people: file and line."""
        for file, first, end in self.files:
            if first <= number and (end is None or number < end):
                return (
                    f"record {number}"
                    if file.pruned
                    else f"record {number} ({file.path}:{number - first + 1})"
                )
        return f"record {number}"


class _Stored:
    """The leaf hashes that the tiles have, of a log of which `size` records were sealed."""

    def __init__(self, tiles: TileFiles, size: int) -> None:
        self._tiles = tiles
        self._size = size

    def tile(self, number: int) -> list[bytes]:
        """Empty when it is missing. Raises OSError."""
        width = min(WIDTH, self._size - number * WIDTH)
        try:
            return hashes_of(self._tiles.read(Tile(0, number, width)))
        except FileNotFoundError:
            return []

    def leaves(self, first: int, end: int) -> Iterator[bytes]:
        """Of the records from `first` to `end`. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
        while first < end:
            number, offset = divmod(first, WIDTH)
            some = self.tile(number)[offset : offset + end - first]
            if not some:
                raise changed(f"the hashes of pruned records are missing: {Tile(0, number).path}")
            yield from some
            first += len(some)


def _growing(history: Iterable[Checkpoint], newest: Checkpoint) -> Iterator[Checkpoint]:
    """Each checkpoint that is larger than the one before, up to the newest."""
    size = 0
    for checkpoint in history:
        if size < checkpoint.size < newest.size:
            yield checkpoint
            size = checkpoint.size
    yield newest


def _leaves(places: _Places, stored: _Stored) -> Iterator[bytes]:
    """Hashes of all records in order, until one is missing."""
    size = 0
    for file, first, end in places.files:
        if first != size:
            raise changed(f"{file.path} begins with record {first}, and record {size} is missing")
        if file.pruned and end is not None:
            yield from stored.leaves(first, end)
            size = end
        elif not file.pruned:
            for line in file.lines():
                yield leaf_hash(line)
                size += 1


def _first_bad(tree: TiledTree, stored: _Stored, places: _Places, good: int) -> str:
    """In words: a record whose hash is not the one in its tile, or else the range that does not fit."""
    for tile, content in [*tree.full, *tree.edge()]:
        if tile.level or (tile.number + 1) * WIDTH <= good:
            continue
        pairs = zip(hashes_of(content), stored.tile(tile.number) or hashes_of(content), strict=False)
        for number, (made, kept) in enumerate(pairs, tile.number * WIDTH):
            if number >= good and made != kept:
                return f"{places.of(number)} is not what was sealed"
    return f"between {places.of(good)} and {places.of(tree.size - 1)} is something that was not sealed"


def _is(tiles: TileFiles, tile: Tile, content: bytes) -> bool:
    try:
        return tiles.read(tile) == content
    except FileNotFoundError:
        return False
