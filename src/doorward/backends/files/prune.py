"""What retention no longer keeps of one segment, taken out: its hashes stay, and with them every proof.

In this order, so that a crash between two steps leaves a log that is sound: every record is held against the
tree, what stays is written aside, the removal is put on record and sealed (the caller's part), what stays
gets its name `NNNNNNNN.kept.jsonl`, the whole segment goes.
"""

import base64
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from doorward.audit.keep import PRUNED, Class, class_of
from doorward.audit.merkle import HASH_BYTES, leaf_hash
from doorward.audit.records import Lifecycle, Segment, decode
from doorward.audit.tiles import WIDTH, Tile, TiledTree, edge
from doorward.backends.files.checkpoints import changed
from doorward.backends.files.compress import created, unfinished
from doorward.backends.files.durable import Files
from doorward.backends.files.hold import Hold
from doorward.backends.files.lookup import Numbered, numbered
from doorward.backends.files.private import sync_directory
from doorward.backends.files.segment_lines import Kept, SegmentFile, segment_files
from doorward.backends.files.tile_files import TileFiles

STEP: Final = 256
"""Records between two steps: a millisecond."""
_MARK: Final = b'"event":"segment_pruned"'


class Pruned(NamedTuple):
    """What is removed of a segment; the detail of its record `segment_pruned`."""

    segment: str
    """File stem."""
    first: int
    records: int
    """That it once had."""
    kept: int
    root: str
    """Base64 of the root over all records up to its end."""
    classes: tuple[Class, ...]

    def detail(self) -> dict[str, Any]:
        """As it stands in the record."""
        return {**self._asdict(), "classes": list(self.classes)}


class Pruning:
    """Of one closed segment that a checkpoint covers."""

    def __init__(
        self, segment: SegmentFile, following: Segment, classes: AbstractSet[Class], files: Files
    ) -> None:
        """`following`: how the next segment begins."""
        self.number = segment.number
        self._segment = segment
        self._following = following
        self._classes = classes
        self._files = files
        self._directory = segment.path.parent
        self._tiles = TileFiles(self._directory, files)
        self._path = self._directory / f"{segment.number:08d}.kept.jsonl"
        self._written = unfinished(self._path)
        self._kept = self._removed = 0
        self.since: int | None = None
        """When an earlier attempt wrote what stays, if there was one: milliseconds since 1970."""
        self.result: Pruned | None = None
        """Once `prepare` is exhausted; None when the segment has no record of these classes."""

    def prepare(self) -> Iterator[None]:
        """Write what stays beside the segment, in steps of milliseconds.

        Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) for a segment that is not what was sealed: that is
        for somebody to look at, and nothing is removed.
        """
        self.since = self._attempted()
        with created(self._written) as target:
            found = self._loose() if self._segment.pruned else self._whole()
            while batch := list(islice(found, STEP)):
                lines = [msgspec.json.encode(Kept(*each)) + b"\n" for each in self._staying(batch)]
                target.write(b"".join(lines))
                yield
        if not self._removed:
            self._written.unlink()
            return
        first = self._first()
        self.result = Pruned(
            f"{self.number:08d}",
            first,
            self._following.first - first,
            self._kept,
            self._following.root,
            tuple(sorted(self._classes)),
        )

    def announced(self) -> Iterator[bool]:
        """Whether the log says so already, because an earlier attempt died behind that: True is the last one.

        In steps of milliseconds. Raises OSError, GatewayError(AUDIT_UNAVAILABLE).
        """
        if self.since is None or self.result is None:
            return
        wanted = self.result.detail()
        for segment in reversed(segment_files(self._directory)):
            for count, found in enumerate(numbered(segment), 1):
                if _MARK in found.record and _detail(found.record) == wanted:
                    yield True
                    return
                if count % STEP == 0:
                    yield False
            opening = segment.begins()
            if opening is not None and opening.ts < self.since:
                return

    def finish(self) -> bool:
        """Remove the whole segment, whose removal is on record and sealed; False while the log is held.

        Raises OSError; then it can be done again.
        """
        hold = Hold(self._directory)
        with hold.locked():
            if hold.placed:
                return False
            if self._written.exists():
                self._files.publish(self._written, self._path)
            for form in ("jsonl", "jsonl.gz"):
                self._files.remove(self._directory / f"{self.number:08d}.{form}")
            sync_directory(self._directory)
        return True

    def _attempted(self) -> int | None:
        """An earlier attempt to prune the segment as it is now has left what it wrote, named or not."""
        for path in (self._written, *(() if self._segment.pruned else (self._path,))):
            with suppress(FileNotFoundError):
                return int(path.stat().st_mtime * 1000)
        return None

    def _first(self) -> int:
        opening = self._segment.begins()
        if opening is None:
            raise changed(f"{self._segment.path} has no record")
        return opening.first

    def _staying(self, batch: list[Numbered]) -> Iterator[tuple[int, str]]:
        for number, record in batch:
            if class_of(record) in self._classes:
                self._removed += 1
                continue
            self._kept += 1
            try:
                yield number, record.decode()
            except UnicodeDecodeError:
                raise changed(f"record {number} ({self._segment.path}) is no text") from None

    def _loose(self) -> Iterator[Numbered]:
        """Of a segment that was pruned before: each record by itself."""
        for number, record in numbered(self._segment):
            tile, at = divmod(number, WIDTH)
            width = min(WIDTH, self._following.first - tile * WIDTH)
            leaf = self._tiles.covering(Tile(0, tile, width))[at * HASH_BYTES : (at + 1) * HASH_BYTES]
            if leaf != leaf_hash(record):
                raise changed(f"record {number} ({self._segment.path}) is not what was sealed")
            yield Numbered(number, record)

    def _whole(self) -> Iterator[Numbered]:
        """Each record once the tree with it is the one that was sealed, as far as tiles are full."""
        opening = self._segment.begins()
        if opening is None:
            raise changed(f"{self._segment.path} has no record")
        tree = self._tree(opening)
        found = numbered(self._segment)
        while batch := list(islice(found, STEP)):
            tree.extend([each.record for each in batch])
            self._compare(tree.taken())
            yield from batch
        self._compare(tree.edge())
        if tree.size != self._following.first or _base64(tree.root()) != self._following.root:
            raise changed(f"the records of {self._segment.path} are not those that were sealed")

    def _tree(self, opening: Segment) -> TiledTree:
        contents = {tile.level: self._tiles.covering(tile) for tile in edge(opening.first)}
        levels = max(contents, default=-1) + 1
        tree = TiledTree(opening.first, [contents.get(level, b"") for level in range(levels)])
        if _base64(tree.root()) != opening.root:
            raise changed(f"the tiles before {self._segment.path} are not those of its first record")
        return tree

    def _compare(self, tiles: list[tuple[Tile, bytes]]) -> None:
        """Without the hashes in its tiles nothing that is pruned could be proven."""
        for tile, content in tiles:
            if self._tiles.covering(tile) != content:
                raise changed(
                    f"{self._directory / tile.path} does not fit the records of {self._segment.path}"
                )


def _detail(record: bytes) -> dict[str, Any] | None:
    """Of a record that says what was pruned."""
    try:
        found = decode(record)
    except msgspec.MsgspecError:
        return None
    return found.detail if isinstance(found, Lifecycle) and found.event == PRUNED else None


def _base64(root: bytes) -> str:
    return base64.b64encode(root).decode()
