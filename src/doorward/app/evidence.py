"""What `doorward audit verify|keys|prove|pack` works on: the log's files, read beside whoever writes them."""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from doorward.app.pack import Packed, Period, Sources, pack, zipped
from doorward.app.revisions import Revisions
from doorward.app.state import paths
from doorward.audit.merkle import inclusion_proof
from doorward.audit.receipts import receipt
from doorward.audit.tiles import TileHashes
from doorward.backends.files.checkpoints import Checkpoints
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.lookup import find_record
from doorward.backends.files.ring import FileRing
from doorward.backends.files.signing import SigningKeys
from doorward.backends.files.tile_files import TileFiles
from doorward.config.load import Loaded

SEAL_S = 12.0
"""A running gateway issues a checkpoint every 10 s."""
LOOK_S = 0.25


class NotInLog(LookupError):
    """No record has this id."""


class NotSealed(TimeoutError):
    """The record is younger than the newest checkpoint."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A receipt and what it is for."""

    number: int
    size: int
    """Records that its checkpoint covers."""
    text: str


def log_of(loaded: Loaded) -> Path:
    """Where the configuration's log lies."""
    return paths(loaded.settings).audit


def anchors_of(loaded: Loaded) -> list[Path]:
    """The checkpoints of this log that its configuration keeps elsewhere, where there are any yet."""
    anchor = loaded.settings.audit.anchor
    if anchor is None:
        return []
    own = verifier_keys(log_of(loaded))
    name = own[0].partition("+")[0].rpartition("/")[2] if own else ""
    return [Path(anchor) / f"{name}.jsonl"]


def verifier_keys(directory: Path) -> list[str]:
    """Oldest first. Raises OSError, GatewayError(AUDIT_UNAVAILABLE)."""
    own = Checkpoints(directory, OsFiles()).keys()
    return [key.text for key in own]


def prove(directory: Path, record_id: str, *, wait_s: float = SEAL_S) -> Proof:
    """The receipt of one record, once a checkpoint covers it.

    Raises NotInLog, NotSealed, OSError, GatewayError(AUDIT_UNAVAILABLE), ValueError for damaged tiles.
    """
    found = find_record(directory, record_id)
    if found is None:
        raise NotInLog(f"no record of {directory} has the id {record_id}")
    files = OsFiles()
    checkpoints, until = Checkpoints(directory, files), time.monotonic() + wait_s
    while (newest := checkpoints.newest()) is None or newest.checkpoint.size <= found.number:
        if time.monotonic() >= until:
            raise NotSealed(f"no checkpoint covers {record_id} yet")
        time.sleep(LOOK_S)
    size = newest.checkpoint.size
    hashes = TileHashes(size, TileFiles(directory, files).read)
    steps = inclusion_proof(hashes, found.number, size)
    return Proof(found.number, size, receipt(found.record, found.number, steps, newest.issued.note))


def make_pack(loaded: Loaded, period: Period, output: Path) -> Packed:
    """Write a pack as one zip file.

    Raises NothingToPack, OSError, GatewayError(AUDIT_UNAVAILABLE), GatewayError(STORE_UNAVAILABLE).
    """
    where, files = paths(loaded.settings), OsFiles()
    sources = Sources(
        where.audit,
        Checkpoints(where.audit, files),
        TileFiles(where.audit, files),
        SigningKeys(FileRing(where.ring)),
        Revisions(where.revisions),
    )
    with TemporaryDirectory(dir=output.absolute().parent, prefix=".pack-") as directory:
        packed = pack(sources, period, Path(directory))
        zipped(Path(directory), output)
    return packed
