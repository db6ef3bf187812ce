"""Where the evidence of a log goes on after a stop or a crash: from its newest checkpoint and last records.

Only what that checkpoint does not cover is hashed again. Nothing is believed that does not fit it, and it has
to be signed by a key of our own ring: a log that was changed while nobody wrote it is refused.
"""

import base64
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from doorward.audit.merkle import leaf_hash
from doorward.audit.notes import (
    Checkpoint,
    NoteError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    signers,
)
from doorward.audit.records import Change, Segment, decode
from doorward.audit.tiles import WIDTH, TiledTree, edge, hashes_of
from doorward.backends.files.anchor import Anchor
from doorward.backends.files.checkpoints import Checkpoints, Found, changed, new_origin
from doorward.backends.files.rebuild import rebuild
from doorward.backends.files.segment_lines import SegmentFile, segment_files
from doorward.backends.files.signing import PURPOSE, SigningKeys
from doorward.backends.files.tile_files import TileFiles
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

ROTATED: Final = "secret:rotate"
CHANGE: Final = b'{"kind":"change"'
"""How a record of a change begins: its kind comes first."""
_BATCH: Final = 1024


class Resumed(NamedTuple):
    """What the log is, as far as its files and its ring say."""

    origin: str
    signer: VerifierKey
    """Whose signature the newest checkpoint has, or the first one will have."""
    tree: TiledTree
    """Over all records that are in the files."""
    sealed: int
    """How many of them the newest checkpoint covers."""
    segment: int
    """The newest that has a record; 0 when none has."""
    rotations: tuple[VerifierKey, ...]
    """Keys that records beyond the newest checkpoint have brought in."""


class Resume:
    """One attempt. `run` raises OSError and GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE)."""

    def __init__(
        self,
        directory: Path,
        checkpoints: Checkpoints,
        tiles: TileFiles,
        signing: SigningKeys,
        anchor: Anchor | None,
    ) -> None:
        self._directory = directory
        self._checkpoints = checkpoints
        self._tiles = tiles
        self._signing = signing
        self._anchor = anchor
        self._rotations: list[VerifierKey] = []

    def run(self) -> Resumed:
        """Of a directory whose last segment has been cut back to whole records."""
        segments = segment_files(self._directory)
        while segments and segments[-1].begins() is None:  # its maker died before it wrote anything
            segments.pop()
        keys = self._checkpoints.keys()
        if not keys:
            keys = [self._first_key(segments)]
        origin = keys[0].name
        newest = self._checkpoints.newest()
        signer = keys[0]
        sealed = Checkpoint(origin, 0, TiledTree().root())
        if newest is not None:
            signer, sealed = self._signer(newest, keys), newest.checkpoint
        self._compare_copy(newest)
        tree = self._sealed_tree(segments, sealed)
        self._read_on(segments, tree)
        self._require_announced(keys, signer)
        self._compare_anchor(origin, keys, sealed)
        number = segments[-1].number if segments else 0
        return Resumed(origin, signer, tree, sealed.size, number, tuple(self._rotations))

    def _first_key(self, segments: list[SegmentFile]) -> VerifierKey:
        if segments or self._checkpoints.newest() is not None:
            raise changed(f"{self._directory} has records and no file `keys`")
        key = self._signing.current(new_origin())
        self._checkpoints.add_key(key)  # before any record: a log without an identity is none
        return key

    def _signer(self, newest: Found, keys: list[VerifierKey]) -> VerifierKey:
        """The newest of our keys that signed it."""
        if newest.checkpoint.origin != keys[0].name:
            raise changed(f"the newest checkpoint is one of another log, {newest.checkpoint.origin}")
        ours = [key for key in keys if self._signing.ours(key)]
        if not ours:
            text = f"the key ring has none of the keys in {self._directory / 'keys'}: restore the ring"
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, f"{text}, or move the log aside to begin a new one")
        try:
            return signers(newest.note, ours)[-1]
        except NoteError as error:
            text = f"the newest checkpoint of {self._directory} cannot be believed ({error})"
            raise changed(text) from None

    def _compare_copy(self, newest: Found | None) -> None:
        """A crash can leave it behind, and nothing can leave it ahead."""
        copy = self._checkpoints.copy()
        if copy == ("" if newest is None else newest.issued.note):
            return
        try:
            size = parse_checkpoint(parse_note(copy.encode()).text).size
        except NoteError:
            size = 0
        if newest is None or size >= newest.checkpoint.size:
            raise changed(
                f"{self._directory / 'checkpoint'} is not the newest of the checkpoints that are kept"
            )
        self._checkpoints.show(newest.issued)

    def _sealed_tree(self, segments: list[SegmentFile], sealed: Checkpoint) -> TiledTree:
        """From the tiles at its edge, if these fit; from the records otherwise."""
        contents: dict[int, bytes] = {}
        try:
            for tile in edge(sealed.size):
                contents[tile.level] = self._tiles.read(tile)
        except FileNotFoundError:
            contents = {}
        levels = max(contents, default=-1) + 1
        try:
            tree = TiledTree(sealed.size, [contents.get(level, b"") for level in range(levels)])
        except ValueError:
            tree = None
        if tree is None or tree.root() != sealed.root:
            history = (found.checkpoint for found in self._checkpoints.history())
            return rebuild(segments, self._tiles, history, sealed)
        return tree

    def _read_on(self, segments: list[SegmentFile], tree: TiledTree) -> None:
        """Append the records that follow on those in the tree, and look at the last of these."""
        sealed = tree.size
        last = [hashes_of(content) for tile, content in tree.edge() if tile.level == 0]
        window = dict(enumerate(last[0], sealed - sealed % WIDTH)) if last else {}
        following = None
        for file, first in _from(segments, sealed):
            if following not in (None, first.first) or file.pruned:
                raise changed(f"{file.path} does not follow on the segment before it")
            following = self._read_segment(file, first, tree, window)
        if (following or 0) < sealed:
            where = segments[-1].path if segments else self._directory
            raise changed(f"{where} ends before record {following or 0}, and a checkpoint covers {sealed}")

    def _read_segment(
        self, file: SegmentFile, first: Segment, tree: TiledTree, window: dict[int, bytes]
    ) -> int:
        """The number of the record after its last."""
        number, lines = first.first, file.lines()
        if number < tree.size:
            for line in islice(lines, tree.size - number):
                leaf = window.get(number)
                if leaf is not None and leaf != leaf_hash(line):
                    place = f"record {number} ({file.path}:{number - first.first + 1})"
                    raise changed(f"{place} is not what the newest checkpoint covers")
                number += 1
        elif number != tree.size or first.root != base64.b64encode(tree.root()).decode():
            raise changed(f"{file.path} does not follow on the records before it")
        while batch := list(islice(lines, _BATCH)):
            self._rotations += [key for line in batch if (key := rotation(line)) is not None]
            tree.extend(batch)
            number += len(batch)
        return number

    def _require_announced(self, keys: list[VerifierKey], signer: VerifierKey) -> None:
        for key in keys[keys.index(signer) + 1 :]:
            if key not in self._rotations:
                raise changed(f"{key.text} is in the file `keys`, and no record has brought it in")

    def _compare_anchor(self, origin: str, keys: list[VerifierKey], sealed: Checkpoint) -> None:
        """An anchor is beyond whoever can change the log: it must not know more than the log does."""
        if self._anchor is None:
            return
        try:
            newest = self._anchor.newest(origin)
        except GatewayError as error:  # not reachable now: no reason to serve nobody
            self._anchor.failure = error.message
            return
        if newest is None:
            return
        try:
            signers(newest.note, keys)
        except NoteError as error:
            raise changed(f"the anchor in {self._anchor.directory} cannot be believed ({error})") from None
        anchored = newest.checkpoint
        history = (found.checkpoint for found in self._checkpoints.history())
        if anchored != sealed and anchored not in history:
            raise changed(
                f"the anchor in {self._anchor.directory} has a checkpoint of {anchored.size} records"
                " that the log does not have"
            )


def rotation(line: bytes) -> VerifierKey | None:
    """The key that a record brings in, if it is one of a changed signing key."""
    if not line.startswith(CHANGE):
        return None
    try:
        record = decode(line)
        if isinstance(record, Change) and (record.action, record.object) == (ROTATED, PURPOSE):
            return parse_verifier_key(str((record.after or {}).get("key")))
    except (msgspec.MsgspecError, NoteError):
        return None
    return None


def _from(segments: list[SegmentFile], size: int) -> list[tuple[SegmentFile, Segment]]:
    """With their first records: the one that has record `size`, or would have it, and those after it."""
    found: list[tuple[SegmentFile, Segment]] = []
    for file in reversed(segments):
        begins = file.begins()
        if begins is not None:
            found.insert(0, (file, begins))
            if begins.first <= size:
                break
    return found
