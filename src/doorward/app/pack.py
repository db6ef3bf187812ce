"""A pack for an auditor: one period of the log, with everything that is needed to judge it without us.

Segments that touch the period go in whole, so records of days around it may be among them. Of earlier ones
only what the reading of the rest depends on goes in: their own record and replacements of the signing key.
"""

import base64
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from doorward.app.revisions import Revisions
from doorward.audit import controls
from doorward.audit.merkle import HASH_BYTES
from doorward.audit.notes import Note, sign
from doorward.audit.records import Change, Decision, Lifecycle, decode
from doorward.audit.tiles import HEIGHT, WIDTH, Tile, edge
from doorward.backends.files.checkpoints import Checkpoints, Found, line_of
from doorward.backends.files.lookup import Numbered, numbered
from doorward.backends.files.segment_lines import Kept, SegmentFile, segment_files
from doorward.backends.files.signing import SigningKeys
from doorward.backends.files.tile_files import TileFiles

ROTATED: Final = b'"action":"secret:rotate"'
README: Final = """# Audit log of Doorward, {period}

{records} records ({first} to {last} of the log), sealed by the checkpoint of {size} records.

1. `verify.py` needs Python 3.11 and the package `cryptography`, and nothing of Doorward. Read it, then run

       python verify.py --pack . --key VERIFIER_KEY

   with the verifier key that you have from elsewhere; `keys` in `log/` is what the log says of itself.
2. `log/` is an excerpt of the log: the segments that touch the period, whole, with the tiles and checkpoints
   that tie them to every other record. What a record's fields mean: {documentation}
   Segments from which retention (`audit.keep`) had taken records out before, whose hashes are here: {pruned}.
3. `policies/` has each configuration that judged a call of the period, by its digest; secrets are masked.
   Missing there: {missing}
4. `changes.jsonl` has the changes and the life of the gateway within the period ({changes} records).
5. `controls.md` says which records are evidence for which requirement, and what they do not cover.
6. `manifest.json` has the SHA-256 of every file here, `manifest.note` its signature by the log's key.
"""
DOCUMENTATION: Final = "docs/reference/audit-records.md of the version that wrote it."


class NothingToPack(LookupError):
    """The log has no sealed record in that period; the text says what it has."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until before `end`, in milliseconds since 1970."""

    name: str
    start: int
    end: int

    def has(self, ts: int) -> bool:
        return self.start <= ts < self.end


@dataclass(slots=True)
class Packed:
    """What went into a pack."""

    first: int = 0
    """Number of the first record."""
    last: int = 0
    """Number of the last one."""
    records: int = 0
    pruned: int = 0
    """Segments of which retention had taken records out before."""
    size: int = 0
    """Records that its newest checkpoint covers."""
    changes: int = 0
    revisions: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    """Revisions whose text nobody has kept."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a pack comes from."""

    directory: Path
    """Of the log."""
    checkpoints: Checkpoints
    tiles: TileFiles
    signing: SigningKeys
    revisions: Revisions


def pack(sources: Sources, period: Period, root: Path) -> Packed:
    """Write its files into `root`, an empty directory.

    Raises NothingToPack, OSError, GatewayError(AUDIT_UNAVAILABLE), GatewayError(STORE_UNAVAILABLE) where the
    ring does not have the signing key.
    """
    segments = segment_files(sources.directory)
    inside = _touching(segments, period)
    history = list(sources.checkpoints.history())
    if not inside or not history:
        raise NothingToPack(f"no record of {period.name} is sealed in {sources.directory}")
    following = segments[segments.index(inside[-1]) + 1 :]
    until = _first(following[0]) if following else history[-1].checkpoint.size
    newest = next((found for found in history if found.checkpoint.size >= until), history[-1])
    packed = Packed(first=_first(inside[0]), size=newest.checkpoint.size)
    log = root / "log"
    log.mkdir()
    with (root / "changes.jsonl").open("wb") as changes:
        for segment in segments[: segments.index(inside[-1]) + 1]:
            if segment not in inside:
                _remnant(segment, log)
                continue
            packed.pruned += segment.pruned
            form = "kept.jsonl" if segment.pruned else "jsonl"
            with (log / f"{segment.number:08d}.{form}").open("wb") as file:
                for found in numbered(segment):
                    if found.number < packed.size:
                        file.write(_kept(found) if segment.pruned else found.record + b"\n")
                        changes.write(_noted(found, period, packed))
    _proofs(sources, history, newest, log)
    _papers(sources, period, packed, root)
    _seal(sources, newest, root)
    return packed


def zipped(root: Path, output: Path) -> None:
    """Raises OSError, FileExistsError for a file that is there already."""
    with output.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(root):
            archive.write(path, path.relative_to(root).as_posix())


def _touching(segments: Sequence[SegmentFile], period: Period) -> list[SegmentFile]:
    starts = [opening.ts if (opening := each.begins()) else 0 for each in segments]
    ends = [*starts[1:], period.end]
    rows = zip(segments, starts, ends, strict=True)
    return [each for each, start, end in rows if start < period.end and end >= period.start]


def _first(segment: SegmentFile) -> int:
    opening = segment.begins()
    return 0 if opening is None else opening.first


def _remnant(segment: SegmentFile, log: Path) -> None:
    """Its own record and replacements of the signing key, as a pruned segment has them."""
    with (log / f"{segment.number:08d}.kept.jsonl").open("wb") as file:
        for place, found in enumerate(numbered(segment)):
            if place == 0 or ROTATED in found.record:
                file.write(_kept(found))


def _kept(found: Numbered) -> bytes:
    return msgspec.json.encode(Kept(found.number, found.record.decode())) + b"\n"


def _noted(found: Numbered, period: Period, packed: Packed) -> bytes:
    """Count one record; itself with a line feed if it is a change within the period."""
    packed.records += 1
    packed.last = found.number
    record = decode(found.record)
    if not period.has(record.ts):
        return b""
    if isinstance(record, Decision):
        packed.revisions.add(record.decision.policy_revision)
    if not isinstance(record, Change | Lifecycle):
        return b""
    packed.changes += 1
    return found.record + b"\n"


def _proofs(sources: Sources, history: Sequence[Found], newest: Found, log: Path) -> None:
    """Keys, checkpoints and tiles up to the newest checkpoint that the pack needs."""
    size, last = newest.checkpoint.size, history[-1]
    covered = [found for found in history if found.checkpoint.size <= size]
    (log / "checkpoints").mkdir()
    (log / "checkpoints" / "00000001.jsonl").write_bytes(b"".join(line_of(each.issued) for each in covered))
    (log / "checkpoint").write_text(newest.issued.note, "utf-8")
    signed = {signature.key_id for found in covered for signature in found.note.signatures}
    keys = [key for key in sources.checkpoints.keys() if key.key_id in signed]  # noqa: SIM118 - a method
    (log / "keys").write_text("".join(f"{key.text}\n" for key in keys), "utf-8")
    for tile in _tiles(size):
        path = log / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(sources.tiles, tile, last.checkpoint.size))


def _content(tiles: TileFiles, tile: Tile, size: int) -> bytes:
    """Of a tile of a smaller tree: partial ones have grown since, and the log of `size` keeps the newest."""
    grown = min(WIDTH, (size >> HEIGHT * tile.level) - tile.number * WIDTH)
    return tiles.read(tile._replace(width=grown))[: tile.width * HASH_BYTES]


def _tiles(size: int) -> Iterable[Tile]:
    level, width = 0, size
    while width:
        yield from (Tile(level, number) for number in range(width // WIDTH))
        level, width = level + 1, width // WIDTH
    yield from edge(size)


def _papers(sources: Sources, period: Period, packed: Packed, root: Path) -> None:
    policies = root / "policies"
    policies.mkdir()
    for revision in sorted(packed.revisions):
        text = sources.revisions.text(revision)
        if text is None:
            packed.missing.append(revision)
        else:
            (policies / f"{revision}.yaml").write_text(text, "utf-8")
    verifier = resources.files("doorward.audit").joinpath("verifier.py").read_text("utf-8")
    (root / "verify.py").write_text(verifier, "utf-8")
    (root / "controls.md").write_text(controls.rendered(controls.frameworks()), "utf-8")
    shown = README.format(
        period=f"{period.name} ({_day(period.start)} to {_day(period.end - 1)}, UTC)",
        records=packed.records,
        first=packed.first,
        last=packed.last,
        pruned=packed.pruned or "none",
        size=packed.size,
        documentation=DOCUMENTATION,
        missing=", ".join(packed.missing) or "none.",
        changes=packed.changes,
    )
    (root / "README.md").write_text(shown, "utf-8")


def _seal(sources: Sources, newest: Found, root: Path) -> None:
    """The list of all files, signed by the key that signed the checkpoint."""
    files = {path.relative_to(root).as_posix(): _digest(path) for path in _files(root)}
    manifest = json.dumps({"schema": "doorward.pack/v1", "files": files}, indent=1).encode()
    (root / "manifest.json").write_bytes(manifest)
    origin = newest.checkpoint.origin
    text = f"{origin}/pack\n{base64.b64encode(sha256(manifest).digest()).decode()}\n"
    last = newest.note.signatures[-1].key_id
    key = next(key for key in sources.checkpoints.keys() if key.key_id == last)  # noqa: SIM118 - a method
    note = Note(text, (sign(text, origin, sources.signing.seed(key)),))
    (root / "manifest.note").write_text(str(note), "utf-8")


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).date().isoformat()
