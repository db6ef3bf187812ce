"""The slow half of sealing, in a thread: tiles, signatures, checkpoints and anchors, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from doorward.audit.notes import Checkpoint, VerifierKey
from doorward.audit.tiles import Tile
from doorward.backends.files.anchor import Anchor
from doorward.backends.files.checkpoints import Checkpoints
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

    def issue(self, head: Head) -> None:
        """Make it a checkpoint. Raises OSError, GatewayError; then it is to be issued again.

        In this order, so that a crash between two steps leaves nothing that is believed too early: records,
        hashes, the keys that sign, the checkpoint.
        """
        self._files.sync(head.fd)
        self._tiles.write(head.full)
        self._tiles.write(head.edge)
        signers = self._signers(head)
        seeds = [self._signing.seed(key) for key in signers]
        self._add_keys(signers)
        started = perf_counter()
        signed = self._checkpoints.sign(Checkpoint(signers[0].name, head.size, head.root), seeds, head.at)
        self.signing_s += perf_counter() - started
        self._checkpoints.keep(head.segment, head.size, signed)
        self._signer, self.size = signers[-1], head.size
        self.issued += 1
        self._tiles.forget_partial(tile for tile, _ in [*head.full, *head.edge])
        self.follow()

    def follow(self) -> None:
        """Bring the anchor up to the newest checkpoint; `anchor.failure` says if that failed."""
        if self.anchor is not None and self._signer is not None and self.size:
            self.anchor.follow(self._signer.name, self.size, self._checkpoints.since)

    def _signers(self, head: Head) -> Sequence[VerifierKey]:
        """The key in force, and those that take its place with this checkpoint."""
        assert self._signer is not None
        return list(dict.fromkeys([self._signer, *head.rotations]))

    def _add_keys(self, keys: Sequence[VerifierKey]) -> None:
        for key in keys:
            if key not in self._keys:
                self._checkpoints.add_key(key)
                self._keys.append(key)
