"""The slow half of sealing, in a thread: tiles, signatures, checkpoints and anchors, several at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from time import perf_counter

from doorward.audit.notes import Checkpoint, VerifierKey
from doorward.audit.tiles import Tile
from doorward.backends.files.anchor import Anchor
from doorward.backends.files.checkpoints import Checkpoints, Issued
from doorward.backends.files.durable import Files
from doorward.backends.files.resume import Resume, Resumed
from doorward.backends.files.signing import SigningKeys
from doorward.backends.files.tile_files import TileFiles
from doorward.ports.secrets import RotatingRing


@dataclass
class Head:
    """The tree at one moment, to become a checkpoint."""

    segment: int
    """Which segment the last record stands in."""
    fd: int
    """That segment, open."""
    size: int
    root: bytes
    at: int
    """Milliseconds since 1970."""
    edge: list[tuple[Tile, bytes]]
    full: list[tuple[Tile, bytes]] = field(default_factory=list)
    """Tiles that were filled since the head before."""
    rotations: list[VerifierKey] = field(default_factory=list)
    """Keys that records since the head before have brought in."""
    closes: bool = False
    """Whether the segment ends here."""

    def absorb(self, earlier: "Head") -> None:
        """Become the checkpoint of an earlier head too, which need not be issued any more."""
        self.full = earlier.full + self.full
        self.rotations = earlier.rotations + self.rotations


class Issuer:
    """Everything of the evidence that touches the disk. Used by one thread at a time."""

    def __init__(self, directory: Path, ring: RotatingRing, files: Files, anchor: Path | None) -> None:
        """`directory`: of the log. `anchor`: a directory for copies of checkpoints, if there is one."""
        self._files = files
        self._directory = directory
        self._signing = SigningKeys(ring)
        self._checkpoints = Checkpoints(directory, files)
        self._tiles = TileFiles(directory, files)
        self._keys: list[VerifierKey] = []
        self._signer: VerifierKey | None = None
        self.anchor: Anchor | None = None
        self.size = 0
        """Of the newest checkpoint."""
        self.issued = 0
        """Checkpoints since the start."""
        self.signing_s = 0.0
        """What they took, without the disk: a mean over `issued` shows what a signature costs here."""
        self.place_anchor(anchor)

    def place_anchor(self, directory: Path | None) -> None:
        """Anchor there from the next checkpoint on."""
        self.anchor = None if directory is None else Anchor(directory, self._files)

    def resume(self) -> Resumed:
        """See Resume.run."""
        found = Resume(self._directory, self._checkpoints, self._tiles, self._signing, self.anchor).run()
        self._keys = self._checkpoints.keys()
        self._signer, self.size = found.signer, found.sealed
        return found

    def issue(self, heads: Sequence[Head]) -> None:
        """Make them checkpoints, oldest first. Raises OSError, GatewayError; then issue them again.

        In this order, so that a crash between two steps leaves nothing that is believed too early: records,
        hashes, the keys that sign, the checkpoints.
        """
        for fd in dict.fromkeys(head.fd for head in heads):
            self._files.sync(fd)
        tiles = [*(tile for head in heads for tile in head.full), *heads[-1].edge]
        self._tiles.write(tiles)
        before = self.size
        fresh: list[tuple[int, Issued]] = []
        for segment, some in groupby(heads, key=lambda head: head.segment):
            fresh += self._keep(segment, some)
        self._checkpoints.show_newest()
        self.issued += len(heads)
        self._tiles.forget_partial(tile for tile, _ in tiles)

        def missing(anchored: int) -> Sequence[Issued]:
            if anchored < before:
                return self._checkpoints.since(anchored)
            return [issued for size, issued in fresh if size > anchored]

        self._follow(missing)

    def follow(self) -> None:
        """Bring the anchor up to the newest checkpoint; `anchor.failure` says if that failed."""
        self._follow(self._checkpoints.since)

    def _follow(self, missing: Callable[[int], Sequence[Issued]]) -> None:
        if self.anchor is not None and self._signer is not None and self.size:
            self.anchor.follow(self._signer.name, self.size, missing)

    def _keep(self, segment: int, heads: Iterable[Head]) -> Sequence[tuple[int, Issued]]:
        """Signed by the key in force, and by those that take its place with a checkpoint."""
        signer, signed = self._signer, []
        assert signer is not None
        for head in heads:
            signers = list(dict.fromkeys([signer, *head.rotations]))
            signed.append((head.size, self._sign(head, signers)))
            signer = signers[-1]
        fresh = self._checkpoints.keep(segment, signed)
        self._signer, self.size = signer, max(self.size, signed[-1][0])
        return fresh

    def _sign(self, head: Head, signers: Sequence[VerifierKey]) -> Issued:
        seeds = [self._signing.seed(key) for key in signers]
        for key in signers:
            if key not in self._keys:
                self._checkpoints.add_key(key)
                self._keys.append(key)
        started = perf_counter()
        signed = self._checkpoints.sign(Checkpoint(signers[0].name, head.size, head.root), seeds, head.at)
        self.signing_s += perf_counter() - started
        return signed
