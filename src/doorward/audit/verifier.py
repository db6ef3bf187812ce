"""Judges an audit log of Doorward from its files alone, and needs nothing of Doorward for it.

    python verifier.py DIRECTORY [--key VERIFIER_KEY]... [--anchor FILE]... [--json]
    python verifier.py --pack DIRECTORY [--key VERIFIER_KEY]...
    python verifier.py --receipt FILE [--key VERIFIER_KEY]...

Standard library and `cryptography`, one file, so that an auditor can read it whole. It shares no code with
the writer: a mistake of the writer's must not hide itself. The layout that it expects is that of
docs/reference/audit-log.md; the tree is RFC 6962, checkpoints, keys, tiles and receipts are those of C2SP
(c2sp.org).

The walk: records are read in order and hashed; between two checkpoints their hashes must lead from the root
of the first to that of the second. Where they do not, the tiles say what stood there, if they themselves fit.
Exit status: 0 sound, 12 not sound, 2 nothing that could be judged.
"""

import argparse
import base64
import binascii
import gzip
import json
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_RECORD: Final = 60_000
MAX_SMALL_FILE: Final = 64 * 1024 * 1024
CHUNK: Final = 1024 * 1024
MAX_FINDINGS: Final = 100
MAX_HOLE: Final = 50_000_000
"""Records that one pruned segment can have had."""
SILENCE_MS: Final = 150_000
"""A running gateway writes a heartbeat every 60 s."""
UNSEALED_MS: Final = 60_000
"""A running gateway issues a checkpoint every 10 s."""
BACKWARDS_MS: Final = 5_000
HEAD: Final = re.compile(rb'\{"kind":"([a-z_]{1,32})","v":\d{1,4},"id":"([0-9a-f-]{36})","ts":(\d{1,15})[,}]')
STEM: Final = re.compile(r"(\d{8,12})\.(jsonl|jsonl\.gz|kept\.jsonl)", re.ASCII)
WHILE_RUNNING: Final = frozenset({"decision", "outcome", "refusal", "heartbeat"})
READ_WHOLE: Final = frozenset({"segment", "change", "lifecycle", "heartbeat"})
AWAKE: Final = frozenset({"clock_moved", "suspended"})
"""Events that explain a silence just before them: the machine slept, or its clock was set."""
AWAKE_MS: Final = 5_000
"""A running gateway notices that within a second."""
FAULT, NOTICE = "fault", "notice"


class Unreadable(Exception):
    """A file is not what it should be; the text says why."""


class Gone(Unreadable):
    """A file was there a moment ago."""


@dataclass(frozen=True)
class Finding:
    """Something that the log cannot explain (`fault`), or that a reader should know (`notice`)."""

    level: str
    code: str
    message: str
    number: int | None = None
    """Of the first record concerned, counted from 0."""
    place: str | None = None
    """`segment file:line` of it."""
    id: str | None = None


@dataclass
class Report:
    """What was found in a log, or that there is none (`judged`)."""

    judged: bool = False
    origin: str | None = None
    keys: list[str] = field(default_factory=list)
    """Verifier keys that signed, oldest first."""
    trusted: bool = False
    """Whether one of these was given to us; otherwise they were taken from the log itself."""
    anchored: bool = False
    segments: int = 0
    records: int = 0
    sealed: int = 0
    """Records covered by the newest checkpoint."""
    checkpoints: int = 0
    first_ts: int | None = None
    last_ts: int | None = None
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    """Findings beyond the first MAX_FINDINGS."""

    @property
    def sound(self) -> bool:
        return self.judged and not any(finding.level == FAULT for finding in self.findings)

    @property
    def exit_status(self) -> int:
        if not self.judged:
            return 2
        return 0 if self.sound else 12

    def fault(self, code: str, message: str, at: "Record | None" = None) -> None:
        self._add(FAULT, code, message, at)

    def notice(self, code: str, message: str, at: "Record | None" = None) -> None:
        self._add(NOTICE, code, message, at)

    def _add(self, level: str, code: str, message: str, at: "Record | None") -> None:
        if len(self.findings) >= MAX_FINDINGS:
            self.more += 1
        elif at is None:
            self.findings.append(Finding(level, code, message))
        else:
            self.findings.append(Finding(level, code, message, at.number, at.place, at.id))


@dataclass(frozen=True)
class Record:
    """One line and where it stands."""

    number: int
    place: str
    line: bytes

    @property
    def id(self) -> str | None:
        head = HEAD.match(self.line)
        return head[2].decode() if head else None


# --- The tree: RFC 6962 section 2.1 ---------------------------------------------------------------


def leaf_hash(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


EMPTY_ROOT: Final = sha256(b"").digest()


class Tree:
    """A growing tree, kept as its tiles are: at level L the hashes of complete subtrees of 256^L leaves."""

    def __init__(self) -> None:
        self.size = 0
        self.levels: list[list[bytes]] = []
        """Of each level the hashes of the tile that is not full yet."""

    def extend(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        """Add leaves; yields level, number and hashes of each tile that they fill. To be exhausted."""
        at = 0
        while at < len(leaves):
            taken = leaves[at : at + 256 - self.size % 256]
            at += len(taken)
            self.size += len(taken)
            yield from self._add(0, taken)

    def _add(self, level: int, hashes: Sequence[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        if level == len(self.levels):
            self.levels.append([])
        tile = self.levels[level]
        tile.extend(hashes)
        if len(tile) == 256:
            self.levels[level] = []
            yield level, self.size // 256 ** (level + 1) - 1, tile
            yield from self._add(level + 1, [_fold(tile)])

    def root(self) -> bytes:
        if self.size == 0:
            return EMPTY_ROOT
        carry: bytes | None = None
        for tile in self.levels:
            at = len(tile)
            while at:
                width = at & -at  # the smallest complete subtree stands last
                part = _fold(tile[at - width : at])
                carry = part if carry is None else node_hash(part, carry)
                at -= width
        assert carry is not None
        return carry

    def copy(self) -> "Tree":
        other = Tree()
        other.size, other.levels = self.size, [level.copy() for level in self.levels]
        return other

    def grown(self, leaves: Sequence[bytes]) -> "Tree":
        """A copy with more leaves."""
        other = self.copy()
        for _ in other.extend(leaves):
            pass
        return other


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of subtrees."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def inclusion_root(leaf: bytes, number: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a proof leads to (RFC 9162 section 2.1.3.2). Raises ValueError: its length is wrong."""
    if not 0 <= number < size:
        raise ValueError("the record's number lies outside the tree")
    node, last, carry = number, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if node & 1 or node == last:
            carry = node_hash(step, carry)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            carry = node_hash(carry, step)
        node, last = node >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return carry


# --- Keys and checkpoints: C2SP signed-note, tlog-checkpoint --------------------------------------


@dataclass(frozen=True)
class Key:
    """A verifier key: `<name>+<key id in hexadecimal>+<base64 of 0x01 and the public key>`."""

    text: str
    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Raises ValueError."""
        name, _, rest = text.strip().partition("+")
        shown, _, encoded = rest.partition("+")
        raw = _base64(encoded)
        if not name or len(raw) != 33 or raw[0] != 1:
            raise ValueError("this is no Ed25519 verifier key")
        identity = sha256(name.encode() + b"\n" + raw).digest()[:4]
        if shown != identity.hex():
            raise ValueError("the key's id does not fit the key")
        return cls(text.strip(), name, identity, raw[1:])

    def signed(self, body: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, body)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement about a tree: so many records, this root."""

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]
    """Key name, key id, signature."""

    @classmethod
    def parse(cls, note: str) -> "Checkpoint":
        """Raises ValueError for anything that is not exactly such a note."""
        text, gap, tail = note.rpartition("\n\n")
        lines = text.split("\n")
        if not gap or not tail.endswith("\n") or len(lines) < 3 or "" in lines:
            raise ValueError("this is no signed note")
        if not re.fullmatch(r"0|[1-9]\d{0,14}", lines[1]):
            raise ValueError("the size is no number")
        root = _base64(lines[2])
        if len(root) != 32:
            raise ValueError("the root is no SHA-256")
        signatures = tuple(_signature(line) for line in tail[:-1].split("\n"))
        return cls(lines[0], int(lines[1]), root, (text + "\n").encode(), signatures)

    def signers(self, keys: Mapping[bytes, Key]) -> set[bytes]:
        """Ids of the known keys whose signature is right. Raises ValueError when a known key's is wrong."""
        right = set()
        for name, identity, signature in self.signatures:
            key = keys.get(identity)
            if key is None or key.name != name:
                continue
            if not key.signed(self.body, signature):
                raise ValueError("a signature is wrong")
            right.add(identity)
        return right


def _signature(line: str) -> tuple[str, bytes, bytes]:
    mark, name, encoded, *more = (*line.split(" "), "", "")
    raw = _base64(encoded)
    if mark != "\u2014" or not name or more != ["", ""] or len(raw) != 68:
        raise ValueError("this is no signature of an Ed25519 key")
    return name, raw[:4], raw[4:]


def _base64(text: str) -> bytes:
    """Raises ValueError for anything but the one spelling of these bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this is no base64") from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError("this base64 has a second spelling")
    return raw


# --- Files ----------------------------------------------------------------------------------------


def open_plain(path: Path) -> BinaryIO:
    """A regular file, not through a link and never waiting for one. Raises Unreadable, FileNotFoundError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unreadable(f"{path.name} is no regular file")
    return os.fdopen(fd, "rb", buffering=CHUNK)


def read_small(path: Path) -> bytes:
    """Raises Unreadable, FileNotFoundError."""
    with open_plain(path) as file:
        content = file.read(MAX_SMALL_FILE + 1)
    if len(content) > MAX_SMALL_FILE:
        raise Unreadable(f"{path.name} is larger than {MAX_SMALL_FILE} bytes")
    return content


@dataclass(frozen=True)
class Segment:
    """One segment as found: whole (`plain` or `packed`) or pruned (`kept`)."""

    number: int
    path: Path
    form: str

    def batches(self) -> Iterator[tuple[list[bytes], bool]]:
        """Its lines without line feeds, some hundreds at a time, and True; then what follows the last line
        feed, if anything does, and False: NUL bytes are given as one.

        Raises Unreadable.
        """
        carry, zeros = b"", 0
        # In a pruned segment a record stands as a text, with a backslash before each of its quotes.
        longest = 2 * MAX_RECORD + 64 if self.form == "kept.jsonl" else MAX_RECORD
        for chunk in self._chunks():
            # NUL bytes at the end are room that was reserved; only there: elsewhere they were put in.
            if zeros and chunk.strip(b"\0"):
                carry, zeros = carry + bytes(min(zeros, MAX_RECORD + 1)), 0
            *lines, rest = (carry + chunk).split(b"\n")
            carry = rest.rstrip(b"\0")
            zeros += len(rest) - len(carry)
            if len(carry) > longest:
                raise Unreadable(f"{self.path.name} has a line of more than {longest} bytes")
            if lines:
                yield lines, True
        if carry or zeros:
            yield [carry or b"\0"], False

    def _chunks(self) -> Iterator[bytes]:
        try:
            with self._opened() as (form, file):
                source = gzip.GzipFile(fileobj=file) if form == "jsonl.gz" else file
                while chunk := source.read(CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise Gone(f"{self.path.name} has gone while it was read") from error
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{self.path.name} cannot be read: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[str, BinaryIO]]:
        """A log that is being written may compress it meanwhile. Raises Unreadable, FileNotFoundError."""
        form, packed = self.form, self.path.with_name(f"{self.number:08d}.jsonl.gz")
        try:
            file = open_plain(self.path)
        except FileNotFoundError:
            form, file = "jsonl.gz", open_plain(packed)
        with file:
            yield form, file

    def pruned(self) -> "Segment":
        """What is left of it, where a log that is being written has pruned it meanwhile."""
        return Segment(self.number, self.path.with_name(f"{self.number:08d}.kept.jsonl"), "kept.jsonl")


def find_segments(directory: Path) -> list[Segment]:
    """In order. Raises OSError."""
    found: dict[int, dict[str, Path]] = {}
    for path in directory.iterdir():
        match = STEM.fullmatch(path.name)
        if match and match[1] == f"{int(match[1]):08d}":  # another spelling would be a second of its number
            found.setdefault(int(match[1]), {})[match[2]] = path
    segments = []
    for number, forms in sorted(found.items()):
        # A crash between two steps of compressing or pruning leaves two: the earlier one has everything.
        form = next(form for form in ("jsonl", "jsonl.gz", "kept.jsonl") if form in forms)
        segments.append(Segment(number, forms[form], form))
    return segments


class Tiles:
    """Hashes of the tree as the writer has kept them: C2SP tlog-tiles. Believed only where they fit."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "tile"

    def leaves(self, start: int, end: int) -> list[bytes] | None:
        """Leaf hashes of the records `start` to `end` (excluded); None where a tile is missing or short."""
        hashes: list[bytes] = []
        while start < end:
            tile = self.tile(0, start // 256)
            wanted = tile[start % 256 : min(256, start % 256 + end - start)]
            if not wanted:
                return None
            hashes += wanted
            start += len(wanted)
        return hashes

    def tile(self, level: int, number: int) -> list[bytes]:
        """What is there of one tile: whole, or the widest partial one; empty when there is neither."""
        path = self._root / str(level) / _tile_path(number)
        try:
            raw = read_small(path)
        except (FileNotFoundError, Unreadable):
            raw = self._partial(path)
        return [raw[at : at + 32] for at in range(0, len(raw) - len(raw) % 32, 32)][:256]

    @staticmethod
    def _partial(path: Path) -> bytes:
        partial = path.with_name(path.name + ".p")
        try:
            found = [each for each in partial.iterdir() if re.fullmatch(r"[1-9]\d{0,2}", each.name)]
            return read_small(max(found, key=lambda each: int(each.name))) if found else b""
        except (OSError, Unreadable):
            return b""


def _tile_path(number: int) -> Path:
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return Path(*(f"x{group}" for group in groups[:-1]), groups[-1])


# --- What records say of the log itself -----------------------------------------------------------


class Story:
    """Reads the records that speak of segments, keys and silence, in their order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._running = False
        self._ts: int | None = None
        self._silence: tuple[int, str, Record] | None = None
        """When it ended, its fault, and the record after it: the next ones may explain it."""
        self.stopped = False
        """Whether the last record says that the gateway stopped."""
        self.pruned: dict[int, set[str]] = {}
        """How many records are kept of segments whose removal is on record, by what was said each time."""
        self.claimed: tuple[int, Record] | None = None
        """The largest checkpoint that a heartbeat speaks of, and that heartbeat."""
        self.rotations: list[tuple[int, str, str]] = []
        """Number of the record, verifier key before and after."""

    def read(self, lines: Sequence[bytes], first: int, file: str, line: int) -> None:
        """`first`: number of the first of them in the tree; `line`: its line in `file`."""
        match = HEAD.match
        for offset, text in enumerate(lines):
            head = match(text)
            if head is None or len(text) > MAX_RECORD:
                at = Record(first + offset, f"{file}:{line + offset}", text)
                self._report.fault("not_a_record", "this line is no record", at)
                continue
            kind, ts = head[1].decode(), int(head[3])
            last, self._ts = self._ts, ts
            self.stopped = False
            if not self._running and kind in WHILE_RUNNING:
                at = Record(first + offset, f"{file}:{line + offset}", text)
                self._report.fault("not_running", "no gateway was running that could have written this", at)
                self._running = True  # said once
            if kind in READ_WHOLE or (last is not None and not -BACKWARDS_MS <= ts - last <= SILENCE_MS):
                self._look(kind, last, ts, Record(first + offset, f"{file}:{line + offset}", text))

    def _look(self, kind: str, last: int | None, ts: int, at: Record) -> None:
        record = _object(at.line)
        if record is None:
            self._report.fault("not_a_record", "this line is no JSON object", at)
            return
        event = record.get("event") if kind == "lifecycle" else None
        self._explain(event, ts)
        if last is not None and ts < last - BACKWARDS_MS:
            back = f"{_moment(ts)} follows {_moment(last)}"
            self._report.notice("clock_went_back", f"the clock went back: {back}", at)
        explained = event in {"started", "log_recovered", *AWAKE} or kind == "segment"
        if self._running and last is not None and ts > last + SILENCE_MS and not explained:
            silent = f"silent from {_moment(last)} to {_moment(ts)} although the gateway was running"
            self._silence = ts, silent, at
        self._heed(record, at)
        if event is not None:
            # Whoever recovers a log is about to start, or is a command that only has a change to write.
            ended = event in {"stopped", "log_recovered"}
            self._running = not ended and (self._running or event == "started")
            self.stopped = event == "stopped"

    def _explain(self, event: object, ts: int) -> None:
        if self._silence is None:
            return
        ended, text, at = self._silence
        self._silence = None
        if event not in AWAKE or ts > ended + AWAKE_MS:
            self._report.fault("silence", text, at)

    def close(self) -> None:
        """After the last record."""
        if self._silence is not None:
            ended, text, at = self._silence
            if self._ts is not None and self._ts <= ended + AWAKE_MS:
                self._report.notice("silence", f"{text}, or the clock was set: the log ends here", at)
            else:
                self._report.fault("silence", text, at)

    def kept(self, at: Record) -> None:
        """A record of a pruned segment: what was around it is not known."""
        self._heed(_object(at.line) or {}, at)

    def skip(self) -> None:
        """Records are missing here for a reason: nothing follows from when they were written."""
        self._explain(None, 0)
        self._ts, self._running = None, True

    def _heed(self, record: dict[str, Any], at: Record) -> None:
        """What changes how the rest of the log is to be read."""
        if record.get("kind") == "change":
            self._change(record, at)
        elif record.get("kind") == "lifecycle" and record.get("event") == "segment_pruned":
            detail = _inner(record, "detail")
            self.pruned.setdefault(_stem(detail.get("segment")), set()).add(str(detail.get("kept")))
        elif record.get("kind") == "heartbeat":
            size = record.get("checkpoint")
            if isinstance(size, int) and (self.claimed is None or size > self.claimed[0]):
                self.claimed = size, at
        elif record.get("kind") == "segment" and not at.place.endswith(":1"):
            what = "a segment's own record stands within a segment: two of them were made one"
            self._report.fault("segment_wrong", what, at)

    def _change(self, record: dict[str, Any], at: Record) -> None:
        if record.get("action") == "secret:rotate" and record.get("object") == "checkpoints":
            before, after = _inner(record, "before").get("key"), _inner(record, "after").get("key")
            self.rotations.append((at.number, str(before), str(after)))

    @property
    def last_ts(self) -> int | None:
        return self._ts


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _inner(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _stem(value: object) -> int:
    """-1 for what is no segment."""
    text = str(value).split(".", maxsplit=1)[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else -1


def _moment(ts: int) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ts / 1000))
    except (ValueError, OverflowError, OSError):
        return f"{ts} ms"


# --- Whose signatures count -----------------------------------------------------------------------


class Signers:
    """Follows the signing key from the log's first one through every replacement on record."""

    def __init__(self, keys: Sequence[Key], trusted: Sequence[Key], story: Story, report: Report) -> None:
        self._known = {key.id: key for key in keys}
        self._by_text = {key.text: key for key in keys}
        self._story = story
        self._report = report
        self._rotated = 0
        self._active = keys[0]
        self._seen = {keys[0].id}
        self._trusted = {key.id for key in trusted}

    def judge(self, checkpoints: Sequence[Checkpoint]) -> bool:
        """Whether they are signed by whom they should be, now that every record they cover has been read.

        All are of one size: copies, unless somebody changed one.
        """
        report, size = self._report, checkpoints[0].size
        needed = {self._active.id}
        rotations = self._story.rotations
        while self._rotated < len(rotations) and rotations[self._rotated][0] < size:
            number, before, after = rotations[self._rotated]
            self._rotated += 1
            new = self._by_text.get(after)
            if before != self._active.text or new is None:
                report.fault("key_unexplained", f"record {number} replaces a signing key that is not in use")
                return False
            self._active = new
            needed.add(new.id)
            self._seen.add(new.id)
        if all(needed <= self._signed(checkpoint) for checkpoint in checkpoints):
            return True
        report.fault("signature_wrong", f"the checkpoint over {size} records is not signed by the log's key")
        return False

    def _signed(self, checkpoint: Checkpoint) -> set[bytes]:
        try:
            return checkpoint.signers(self._known)
        except ValueError:
            return set()

    def close(self, complete: bool) -> None:
        """Say whom everything rests on. `complete`: all records were read."""
        report = self._report
        report.keys = [key.text for key in self._known.values() if key.id in self._seen]
        # The checkpoint that the newest of them signs may have come after we looked for checkpoints.
        announced = {after for _, _, after in self._story.rotations}
        for key in self._known.values():
            if complete and key.id not in self._seen and key.text not in announced:
                report.fault("key_unannounced", f"{key.text} is in `keys`, but no record brought it in")
        if not self._trusted:
            report.notice(
                "keys_unproven", "the keys were taken from the log itself: compare them with a copy of yours"
            )
        elif not report.checkpoints and complete:
            report.notice("keys_unproven", "nothing is signed yet, by whatever key")
        elif self._trusted & self._seen:
            report.trusted = True
        else:
            report.fault("key_foreign", "none of the keys that signed this log is the one you gave")


# --- The walk -------------------------------------------------------------------------------------


class Walk:
    """Hashes every record and holds the tree against each checkpoint that it passes."""

    def __init__(
        self, checkpoints: Sequence[Sequence[Checkpoint]], tiles: Tiles, signers: Signers, report: Report
    ) -> None:
        """`checkpoints`: ascending in size, those of one size together."""
        self._ahead = list(reversed(checkpoints))
        self.newest = checkpoints[-1][0].size if checkpoints else 0
        """Records that the newest checkpoint covers."""
        self._tiles = tiles
        self._signers = signers
        self.report = report
        self.tree = Tree()
        self._proven = Tree()
        """As it was at the last checkpoint that fitted."""
        self._since: list[bytes] = []
        """Leaves since then."""
        self._places: list[tuple[int, int, Segment]] = []
        """First number, its line, and the segment that it stands in."""
        self._damaged: list[tuple[int, str]] = []
        """First record under a tile, and what is wrong with it."""
        self.failed = False

    def place(self, segment: Segment, line: int) -> None:
        """What is added from now on stands in `segment`, from `line` on."""
        self._places.append((self.tree.size, line, segment))

    def add(self, leaves: Sequence[bytes]) -> None:
        """Stops at the first checkpoint that does not fit (`failed`)."""
        at = 0
        while at < len(leaves) and not self.failed:
            until = self._ahead[-1][0].size - self.tree.size if self._ahead else len(leaves)
            taken = leaves[at : at + until]
            at += len(taken)
            if self._ahead:
                self._since += taken
            for level, number, hashes in self.tree.extend(taken):
                self._compare(level, number, hashes)
            if self._ahead and self._ahead[-1][0].size == self.tree.size:
                self._pass()

    def _pass(self) -> None:
        same = self._ahead.pop()
        checkpoint = same[0]
        if not self._signers.judge(same):
            self.failed = True
        elif self.tree.root() == checkpoint.root:
            self._proven, self._since = self.tree.copy(), []
            self.report.sealed = checkpoint.size
            self.report.checkpoints += 1
        else:
            self._differs(checkpoint)

    def _compare(self, level: int, number: int, hashes: Sequence[bytes]) -> None:
        covered = (number + 1) * 256 ** (level + 1) <= self.newest
        kept = self._tiles.tile(level, number)
        if (kept or covered) and kept != list(hashes[: len(kept)] if not covered else hashes):
            state = "does not fit its records" if kept else "is missing"
            self._damage(level, number, state)

    def finish(self) -> None:
        """After the last record."""
        if self.failed:
            return
        if self._ahead:
            self._differs(self._ahead.pop()[0])
            return
        for level, hashes in enumerate(self.tree.levels):
            number = self.tree.size // 256 ** (level + 1)
            kept = self._tiles.tile(level, number)
            shared = min(len(kept), len(hashes))
            if kept[:shared] != hashes[:shared]:
                self._damage(level, number, "does not fit its records")

    def _damage(self, level: int, number: int, state: str) -> None:
        self._damaged.append((number * 256 ** (level + 1), f"tile/{level}/{_tile_path(number)} {state}"))

    def damaged(self) -> None:
        """Tiles that do not fit although the records do."""
        for first, text in self._damaged:
            if first < self._proven.size:
                self.report.fault("tile_damaged", text)

    def _differs(self, checkpoint: Checkpoint) -> None:
        """The records since the last checkpoint that fitted are not those of this one: which is the first?"""
        self.failed = True
        start, seen = self._proven.size, self._since
        expected = self._tiles.leaves(start, checkpoint.size)
        if expected is None or self._proven.grown(expected).root() != checkpoint.root:
            if len(seen) < checkpoint.size - start:
                what = f"the end is missing: a checkpoint covers {checkpoint.size} records"
                self.report.fault("truncated", what, self._record(start + len(seen)))
            else:
                what = f"one of the records {start} to {checkpoint.size - 1} is not what was sealed"
                self.report.fault("changed", what, self._record(start))
            return
        code, offset, what = compare(seen, expected)
        if code == "truncated":
            what = f"{_records(checkpoint.size - start - offset)} cut off at the end"
        self.report.fault(code, what, self._record(start + offset))

    def times(self, start: int) -> Iterator[int]:
        """When the records from `start` on were written, in milliseconds since 1970. Raises Unreadable."""
        ends = [first for first, _, _ in self._places[1:]] + [self.tree.size + 1]
        for (first, _, segment), end in zip(self._places, ends, strict=True):
            number = first
            if segment.form == "kept.jsonl" or end <= start:
                continue
            for batch, complete in segment.batches():
                for text in batch[max(0, start - number) :] if complete else ():
                    head = HEAD.match(text)
                    if head is not None:
                        yield int(head[3])
                number += len(batch)

    def _record(self, number: int) -> Record:
        """Of a number, as far as it can be found."""
        for first, line, segment in reversed(self._places):
            if first <= number < self.tree.size:
                wanted = line + number - first
                return Record(number, f"{segment.path.name}:{wanted}", _line_of(segment, wanted))
        last = self._places[-1][2].path.name if self._places else "-"
        return Record(number, f"{last}:end", b"")


def compare(seen: Sequence[bytes], sealed: Sequence[bytes]) -> tuple[str, int, str]:
    """Code, place and words for the first difference between two series of leaves that do differ."""
    pairs = zip(seen, sealed, strict=False)
    at = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(seen), len(sealed)))
    if at == len(seen):
        return "truncated", at, "the end is missing"
    if at == len(sealed):
        return "inserted", at, "this record was never sealed"
    after_seen, after_sealed = seen[at + 1 :], sealed[at + 1 :]
    if sealed[at] in after_seen and seen[at] in after_sealed:
        return "reordered", at, "the order of records was changed from here on"
    if after_seen[:1] == after_sealed[:1]:
        return "changed", at, "this record is not what was sealed"
    if seen[at] in after_sealed:
        return "removed", at, f"{_records(after_sealed.index(seen[at]) + 1)} removed before this one"
    if sealed[at] in after_seen:
        return "inserted", at, f"{_records(after_seen.index(sealed[at]) + 1)} put in here"
    return "changed", at, "this record is not what was sealed"


def _records(count: int) -> str:
    return "1 record was" if count == 1 else f"{count} records were"


def _line_of(segment: Segment, wanted: int) -> bytes:
    line = 1
    try:
        for batch, _ in segment.batches():
            if wanted < line + len(batch):
                return batch[wanted - line]
            line += len(batch)
    except Unreadable:
        return b""
    return b""


# --- A whole log ----------------------------------------------------------------------------------


def verify(
    directory: Path,
    *,
    keys: Sequence[Key] = (),
    anchors: Sequence[Path] = (),
    excerpt: bool = False,
    now: float | None = None,
) -> Report:
    """Judge the log in `directory`. `keys`: those that you have from elsewhere. `now`: seconds since 1970.

    `excerpt`: segments may be missing; what is there still has to stand where it stood.

    Never raises for anything that the directory may hold.
    """
    report = Report(anchored=bool(anchors))
    # In the order in which a writer that is at work makes them the other way round: what we read first is
    # covered by what we read later.
    live = _live(directory)
    issued = Checkpoints(directory, anchors)
    own = _keys(directory, report)
    try:
        segments = find_segments(directory)
    except FileNotFoundError:
        report.notice("no_log", f"{directory} does not exist")
        return report
    except OSError as error:
        report.notice("no_log", f"{directory} cannot be read: {error.strerror}")
        return report
    if not segments and not own:
        report.notice("no_log", f"{directory} holds no audit log: neither segments nor keys")
        return report
    report.judged = True
    if not own:
        report.fault("keys_missing", "the log has no file `keys`: no signature can be checked")
        return report
    if not segments:
        report.fault("no_records", "the log has keys and not one record")
    report.origin = own[0].name
    issued.judge(own[0].name, report)
    story = Story(report)
    signers = Signers(own, keys, story, report)
    walk = Walk(issued.ascending(), Tiles(directory), signers, report)
    Reading(segments, walk, story, Tiles(directory), excerpt=excerpt).run()
    walk.finish()
    walk.damaged()
    story.close()
    report.records, report.segments, report.last_ts = walk.tree.size, len(segments), story.last_ts
    signers.close(complete=not walk.failed)
    if not walk.failed:
        at_rest = not live and not excerpt
        _end(report, story, walk, live, time.time() if now is None else now)
        if at_rest:
            issued.compare_copy(report, stopped=story.stopped)
    return report


def _keys(directory: Path, report: Report) -> list[Key]:
    try:
        content = read_small(directory / "keys").partition(b"\0")[0]
        *lines, torn = content.decode("utf-8", "replace").split("\n")
        keys = [Key.parse(line) for line in lines if line.strip()]
        with suppress(ValueError):  # a crash can have left part of one, which nothing is signed with
            keys.append(Key.parse(torn))
    except FileNotFoundError:
        return []
    except (Unreadable, ValueError) as error:
        report.fault("keys_damaged", f"keys: {error}")
        return []
    if len({key.name for key in keys}) > 1:
        report.fault("keys_damaged", "keys: these are keys of several logs")
    return keys


class Checkpoints:
    """All that were issued over one log, wherever copies of them are kept."""

    def __init__(self, directory: Path, anchors: Sequence[Path]) -> None:
        """Reads the files, and leaves it to `judge` to say what is wrong with them."""
        self._copy = _content(directory / "checkpoint")
        paths = sorted((directory / "checkpoints").glob("*.jsonl"))
        self._anchors = [(path, _content(path)) for path in anchors]
        self._histories = [(path, _content(path)) for path in paths]
        self._by_size: dict[int, list[Checkpoint]] = {}
        self._shown: int | None = None
        """Size of the copy for readers."""
        self._newest = -1
        """Size of the newest that is kept."""
        self._sizes: set[int] = set()

    def judge(self, origin: str, report: Report) -> None:
        for path, content in self._histories:
            for checkpoint in _history(path, content, origin, report):
                if checkpoint.size <= self._newest:
                    report.fault("checkpoints_reordered", f"{path.name}: checkpoints do not grow")
                self._newest = max(self._newest, checkpoint.size)
                self._sizes.add(checkpoint.size)
                self._note(checkpoint, report)
        self._read_copy(origin, report)
        for path, content in self._anchors:
            before = len(report.findings)
            anchored = _history(path, content, origin, report)
            if not anchored and len(report.findings) == before:
                report.fault("anchor_empty", f"{path.name} holds no checkpoint")
            for checkpoint in anchored:
                self._note(checkpoint, report)

    def ascending(self) -> list[list[Checkpoint]]:
        """Those of one size together."""
        return [self._by_size[size] for size in sorted(self._by_size)]

    def compare_copy(self, report: Report, *, stopped: bool) -> None:
        """Of a log that nobody writes: only a writer that was killed can have left an older one."""
        if self._shown is None:
            return
        if self._shown not in self._sizes:
            what = f"`checkpoint` is over {self._shown} records, and `checkpoints` has none of that size"
            report.fault("checkpoint_missing", what)
        elif self._shown < self._newest:
            what = f"`checkpoint` is over {self._shown} records, and one over {self._newest} was issued"
            (report.fault if stopped else report.notice)("checkpoint_old", what)

    def _read_copy(self, origin: str, report: Report) -> None:
        if self._copy is None:
            if self._by_size:
                report.fault("checkpoint_missing", "the file `checkpoint` is missing")
            return
        try:
            checkpoint = _checkpoint(_readable(self._copy), origin)
        except (Unreadable, ValueError) as error:
            report.fault("checkpoint_damaged", f"checkpoint: {error}")
            return
        self._shown = checkpoint.size
        self._note(checkpoint, report)

    def _note(self, checkpoint: Checkpoint, report: Report) -> None:
        known = self._by_size.setdefault(checkpoint.size, [])
        if known and known[0].root != checkpoint.root:
            what = f"two logs of {checkpoint.size} records are signed: somebody was shown another one"
            report.fault("forked", what)
        if checkpoint not in known:
            known.append(checkpoint)


def _content(path: Path) -> bytes | Unreadable | None:
    """None of a file that is not there."""
    try:
        return read_small(path)
    except FileNotFoundError:
        return None
    except Unreadable as error:
        return error


def _readable(content: bytes | Unreadable) -> bytes:
    """Raises Unreadable."""
    if isinstance(content, Unreadable):
        raise content
    return content


def _history(path: Path, content: bytes | Unreadable | None, origin: str, report: Report) -> list[Checkpoint]:
    if content is None:
        report.fault("checkpoint_missing", f"{path.name} does not exist")
        return []
    if isinstance(content, Unreadable):
        report.fault("checkpoint_damaged", str(content))
        return []
    found = []
    *lines, torn = content.partition(b"\0")[0].split(b"\n")  # power that was lost has left zeros behind it
    for number, line in enumerate(lines, 1):
        entry = _object(line)
        try:
            if entry is None or not isinstance(entry.get("at"), int):
                raise ValueError("this is no checkpoint")
            found.append(_checkpoint(str(entry.get("note")).encode(), origin))
        except ValueError as error:
            report.fault("checkpoint_damaged", f"{path.name}:{number}: {error}")
    if torn or b"\0" in content:
        report.notice("torn", f"{path.name}: the last line was not written to its end")
    return found


def _checkpoint(note: bytes, origin: str) -> Checkpoint:
    """Raises ValueError."""
    checkpoint = Checkpoint.parse(note.decode("utf-8"))
    if checkpoint.origin != origin:
        raise ValueError("this is the checkpoint of another log")
    return checkpoint


class Reading:
    """Takes every segment in its order through the tree and the story."""

    def __init__(
        self, segments: Sequence[Segment], walk: Walk, story: Story, tiles: Tiles, *, excerpt: bool
    ) -> None:
        self._excerpt = excerpt
        self._segments = list(segments)
        self._known = {segment.number for segment in segments if segment.form == "kept.jsonl"}
        """Those that were pruned before we began: of others the record may stand behind what we read."""
        self._walk = walk
        self._story = story
        self._tiles = tiles
        self._report = walk.report
        self._kept_records: dict[int, int] = {}
        """How many each pruned segment has."""

    def run(self) -> None:
        for position, segment in enumerate(self._segments):
            last = position + 1 == len(self._segments)
            try:
                going_on = self._open(position, segment) and self._take(position, last)
            except Unreadable as error:
                self._report.fault("segment_damaged", str(error), self._first_of(segment))
                self._walk.failed = self._walk.failed or not last
                going_on = False
            if not going_on or self._walk.failed:
                return
        for segment in () if self._excerpt else self._segments:
            if segment.number not in self._known:
                continue
            said = self._story.pruned.get(segment.number)
            if said is None:
                self._report.fault("prune_unexplained", f"no record says that {segment.path.name} was pruned")
            elif str(self._kept_records[segment.number]) not in said:
                what = f"{segment.path.name} has {self._kept_records[segment.number]} records, and"
                self._report.fault("kept_wrong", f"{what} {' or '.join(sorted(said))} should have been kept")

    def _open(self, position: int, segment: Segment) -> bool:
        """Hold a segment's first record against what precedes it. False: nothing after it can be judged."""
        walk, report = self._walk, self._report
        opening, at = self._opening(position), self._first_of(segment)
        before = self._segments[position - 1] if position else None
        missing = segment.number - (1 if before is None else before.number + 1)
        if missing and not self._excerpt:
            report.fault("segment_missing", f"what comes before {segment.path.name} is missing", at)
        if opening is None:
            report.fault("segment_wrong", "a segment begins with the record of itself: this does not", at)
            return True
        if missing and not self._hole(opening.get("first")):
            return False
        expected: dict[str, object] = {
            "number": segment.number,
            "first": walk.tree.size,
            "root": base64.b64encode(walk.tree.root()).decode(),
        }
        if before is not None and not missing:
            expected["previous"] = f"{before.number:08d}"
        for name, value in expected.items():
            if opening.get(name) != value:
                what = f"the segment says {name} {opening.get(name)!r:.80}, and should say {value!r}"
                report.fault("segment_wrong", what, at)
        return True

    def _opening(self, position: int) -> dict[str, Any] | None:
        try:
            return opening_of(self._segments[position])
        except Gone:
            self._segments[position] = self._segments[position].pruned()
            return opening_of(self._segments[position])

    def _take(self, position: int, last: bool) -> bool:
        if self._segments[position].form != "kept.jsonl":
            try:
                self._whole(self._segments[position], last)
            except Gone:
                self._segments[position] = self._segments[position].pruned()
            else:
                return True
        segment = self._segments[position]
        following = None if last else self._opening(position + 1)
        until = None if following is None else following.get("first")
        if last and self._excerpt:  # its newest checkpoint was issued when its last segment was closed
            until = self._walk.newest
        if not isinstance(until, int):
            self._report.fault(
                "hole", "nothing says where this pruned segment ended", self._first_of(segment)
            )
            return False
        self._kept(segment, until)
        self._walk.place(segment, 1)
        return self._hole(until)

    def _whole(self, segment: Segment, last: bool) -> None:
        walk, line = self._walk, 1
        walk.place(segment, line)
        for batch, complete in segment.batches():
            if not complete:
                self._tail(segment, line, batch[0], last)
                return
            self._story.read(batch, walk.tree.size, segment.path.name, line)
            walk.add([sha256(b"\x00" + text).digest() for text in batch])
            line += len(batch)
            if walk.failed:
                return

    def _tail(self, segment: Segment, line: int, tail: bytes, last: bool) -> None:
        at = Record(self._walk.tree.size, f"{segment.path.name}:{line}", b"")
        if not last:
            self._report.fault("segment_damaged", "a closed segment does not end with a line feed", at)
        elif tail != b"\0":
            self._report.notice("torn", "the last line was not written to its end: its call was not sent", at)

    def _kept(self, segment: Segment, until: int) -> None:
        """What is still there of a pruned segment, each record against its own hash."""
        first, line, following = self._walk.tree.size, 0, self._walk.tree.size
        for batch, _ in segment.batches():
            for text in batch:
                line += 1
                self._kept_records[segment.number] = line
                place = f"{segment.path.name}:{line}"
                entry = _object(text)
                number = None if entry is None else entry.get("n")
                if entry is None or not isinstance(number, int) or not following <= number < until:
                    self._report.fault(
                        "kept_wrong", "this is no record of this segment", Record(first, place, b"")
                    )
                    continue
                following = number + 1
                record = Record(number, place, str(entry.get("record")).encode("utf-8", "surrogatepass"))
                if self._tiles.leaves(number, number + 1) != [leaf_hash(record.line)]:
                    self._report.fault("kept_wrong", "this kept record is not what was sealed", record)
                else:
                    self._story.kept(record)

    def _hole(self, until: object) -> bool:
        """Go on behind missing records with the hashes that the tiles have of them."""
        start = self._walk.tree.size
        leaves = None
        if isinstance(until, int) and start <= until <= start + MAX_HOLE:
            leaves = self._tiles.leaves(start, until)
        if leaves is None:
            at = Record(start, "-", b"")
            self._report.fault("hole", "the hashes of the records from here on are missing", at)
            return False
        self._walk.add(leaves)
        self._story.skip()
        return True

    def _first_of(self, segment: Segment) -> Record:
        return Record(self._walk.tree.size, f"{segment.path.name}:1", b"")


def opening_of(segment: Segment) -> dict[str, Any] | None:
    """The first record of a segment, if it is what it should be. Raises Unreadable."""
    lines, _ = next(segment.batches(), ([b""], True))
    record = _object(lines[0])
    if segment.form == "kept.jsonl" and record is not None:
        record = _object(str(record.get("record")).encode("utf-8", "surrogatepass"))
    return record if record is not None and record.get("kind") == "segment" else None


def _end(report: Report, story: Story, walk: Walk, live: bool, now: float) -> None:
    """What is to be said about the end of a log whose every checkpoint fits."""
    unsealed = report.records - report.sealed
    last = story.last_ts
    if story.claimed is not None and story.claimed[0] > report.sealed:
        what = f"a checkpoint over {story.claimed[0]} records was issued, says this heartbeat, and is missing"
        report.fault("checkpoint_missing", what, story.claimed[1])
    if unsealed and last is not None:
        what = f"{_records(unsealed)} written at the end that no checkpoint covers"
        ended = story.stopped and not live
        if ended or _awake(walk, report) > UNSEALED_MS or (live and now * 1000 > last + UNSEALED_MS):
            report.fault("unsealed", f"{what}, although the gateway had the time to issue one")
        elif not live:
            report.notice("unsealed", f"{what}: the gateway ended without closing its log")
    if not report.anchored:
        report.notice(
            "not_anchored", "without an anchor nobody can tell whether records were cut off at the end"
        )


def _awake(walk: Walk, report: Report) -> int:
    """Milliseconds in which records were written that no checkpoint covers, without those of a machine that
    slept. By the records' own times: when a checkpoint was issued its signature does not say."""
    total, before = 0, None
    try:
        for ts in walk.times(report.sealed):
            if before is not None and before < ts <= before + SILENCE_MS:
                total += ts - before
            before = ts
    except Unreadable as error:
        report.fault("segment_damaged", str(error))
    return total


def _live(directory: Path) -> bool:
    """Whether a writer has the log open; where that cannot be asked, no."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fd = os.open(directory, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


# --- Receipts: C2SP tlog-proof --------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    """One record with the proof that it stands in the log."""

    record: bytes
    number: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """Raises ValueError."""
        head, gap, note = text.partition("\n\n")
        title, extra, index, *hashes = (*head.split("\n"), "", "", "")[: max(3, head.count("\n") + 1)]
        if not gap or title != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra "):
            raise ValueError("this is no receipt of a Doorward log")
        if not re.fullmatch(r"index (0|[1-9]\d{0,14})", index):
            raise ValueError("the receipt does not say which record it is for")
        proof = tuple(_base64(line) for line in hashes)
        if len(proof) > 64 or any(len(step) != 32 for step in proof):
            raise ValueError("the receipt's proof is damaged")
        record = _base64(extra.removeprefix("extra "))
        return cls(record, int(index.removeprefix("index ")), proof, Checkpoint.parse(note))

    def check(self, keys: Sequence[Key]) -> None:
        """Raises ValueError, which says what does not fit."""
        if not self.checkpoint.signers({key.id: key for key in keys if key.name == self.checkpoint.origin}):
            raise ValueError("the receipt's checkpoint is not signed by the key you gave")
        root = inclusion_root(leaf_hash(self.record), self.number, self.checkpoint.size, self.proof)
        if root != self.checkpoint.root:
            raise ValueError("the proof does not lead from this record to the signed root")


# --- A pack: an excerpt of a log, with what belongs to it -------------------------------------------


def verify_pack(directory: Path, *, keys: Sequence[Key] = ()) -> Report:
    """Judge an unpacked pack: its log, and its other files by the manifest that the log's key signed."""
    report = verify(directory / "log", keys=keys, excerpt=True)
    if not report.judged:
        return report
    own = {key.id: key for key in _keys(directory / "log", Report()) if key.text in report.keys}
    try:
        manifest = read_small(directory / "manifest.json")
        note = read_small(directory / "manifest.note").decode()
        text, _, tail = note.rpartition("\n\n")
        wanted = f"{report.origin}/pack\n{base64.b64encode(sha256(manifest).digest()).decode()}"
        signed = [_signature(line) for line in tail.splitlines()]
        keyed = [(own[identity], signature) for _, identity, signature in signed if identity in own]
        if text != wanted or not any(key.signed((text + "\n").encode(), each) for key, each in keyed):
            raise ValueError("manifest.note is not signed by the log's key")
        listed = json.loads(manifest)["files"]
        _compare_files(directory, listed, report)
    except (OSError, Unreadable, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        report.fault("pack_damaged", f"the manifest cannot be checked: {error}")
    return report


def _compare_files(directory: Path, listed: Mapping[str, str], report: Report) -> None:
    """Raises OSError, AttributeError for what is no list."""
    found = {
        path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if not path.is_dir()
    }
    for name in sorted({*found, *listed} - {"manifest.json", "manifest.note"}):
        if name not in found:
            report.fault("pack_incomplete", f"{name} is missing")
        elif name not in listed:
            report.fault("pack_foreign", f"{name} does not belong to this pack")
        elif _digest(found[name]) != listed[name]:
            report.fault("pack_changed", f"{name} is not what was packed")


def _digest(path: Path) -> str:
    digest = sha256()
    with open_plain(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# --- The command ----------------------------------------------------------------------------------


def shown(report: Report) -> Iterator[str]:
    """For people: the verdict, and one line for each finding."""
    if report.judged:
        period = ""
        if report.last_ts is not None:
            period = f", the last of {_moment(report.last_ts)}"
        yield f"log      {report.origin or 'without a key'}"
        yield f"records  {report.records} in {report.segments} segments{period}"
        yield f"sealed   {report.sealed} by {report.checkpoints} checkpoints"
    for finding in report.findings:
        where = "" if finding.number is None else f" at record {finding.number} ({finding.place})"
        name = f" {finding.id}" if finding.id else ""
        yield f"{finding.level:<8} {finding.code}{where}{name}: {finding.message}"
    if report.more:
        yield f"         and {report.more} more"
    if not report.judged:
        yield "verdict  nothing to judge"
    else:
        yield "verdict  sound" if report.sound else "verdict  NOT SOUND"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify an audit log of Doorward, offline.")
    parser.add_argument("directory", type=Path, nargs="?", help="the log: the directory with the segments")
    parser.add_argument("--receipt", type=Path, help="verify one receipt instead of a log")
    parser.add_argument("--key", action="append", default=[], help="a verifier key that you trust")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="checkpoints kept elsewhere")
    parser.add_argument("--excerpt", action="store_true", help="part of a log: segments may be missing")
    parser.add_argument("--pack", action="store_true", help="the directory is a pack, unpacked")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args(argv)
    try:
        keys = [Key.parse(text) for text in args.key]
    except ValueError as error:
        parser.error(f"--key: {error}")
    if args.receipt is not None:
        return _receipt(args.receipt, keys)
    if args.directory is None:
        parser.error("say which directory, or give --receipt")
    if args.pack:
        report = verify_pack(args.directory, keys=keys)
    else:
        report = verify(args.directory, keys=keys, anchors=args.anchor, excerpt=args.excerpt)
    if args.json:
        _say(json.dumps({**asdict(report), "sound": report.sound}, indent=2))
    else:
        _say("\n".join(shown(report)))
    return report.exit_status


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _receipt(path: Path, keys: Sequence[Key]) -> int:
    if not keys:
        _say("a receipt is worth what its key is: give the log's verifier key with --key")
        return 2
    try:
        receipt = Receipt.parse(read_small(path).decode("utf-8"))
        receipt.check(keys)
    except (FileNotFoundError, Unreadable) as error:
        _say(f"{path} cannot be read: {error}")
        return 2
    except ValueError as error:
        _say(f"NOT SOUND: {error}")
        return 12
    _say(f"sound: record {receipt.number} of {receipt.checkpoint.origin}")
    _say(receipt.record.decode("utf-8", "replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
