"""Whatever is done to an audit log is found, named, and placed at the first record that it concerns.

Whoever tampers here can write every file of the log. He does not have its key, except where a case says so.
"""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.audit.verifier import FAULT, Key, Report, shown, verify
from tests.attack.logbook import Logbook, root_of, signing_key, verifier_key
from tests.figures import show

LAST = 1029
"""Records of the log that is tampered with."""


@dataclass(frozen=True)
class Log:
    """The log of every case: three segments, a replaced key, checkpoints, an anchor."""

    root: Path
    anchor: Path
    book: Logbook

    def segment(self, number: int) -> Path:
        return self.root / f"{number:08d}.jsonl"

    def lines(self, number: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
        path = self.segment(number)
        path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))

    def replace(self, path: Path, old: bytes, new: bytes) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    def verify(self, *, anchored: bool = False, key: str | None = None) -> Report:
        keys = [Key.parse(key)] if key else []
        return verify(
            self.root, keys=keys, anchors=[self.anchor] if anchored else [], now=self.book.ts / 1000
        )


def written(root: Path) -> Log:
    book = Logbook(root / "audit")
    anchor = root / "anchor.jsonl"
    book.lifecycle("started")
    book.decisions(398)
    book.checkpoint()
    book.decisions(200)
    book.checkpoint()
    book.open_segment()
    book.decisions(149)
    book.rotate()
    book.decisions(49)
    book.checkpoint()
    book.open_segment()
    book.decisions(224)
    book.checkpoint()
    book.decisions(3)
    book.lifecycle("stopped")
    book.checkpoint()
    rows = [path.read_bytes() for path in sorted((book.root / "checkpoints").iterdir())]
    anchor.write_bytes(b"".join(rows))
    return Log(book.root, anchor, book)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return written(tmp_path_factory.mktemp("log"))


@pytest.fixture
def log(pristine: Log, tmp_path: Path) -> Log:
    shutil.copytree(pristine.root, tmp_path / "audit")
    shutil.copy(pristine.anchor, tmp_path / "anchor.jsonl")
    return Log(tmp_path / "audit", tmp_path / "anchor.jsonl", pristine.book)


def test_the_log_is_sound_before_it_is_tampered_with(log: Log) -> None:
    report = log.verify(anchored=True, key=verifier_key(signing_key(0)))
    assert report.sound, list(shown(report))
    assert (report.records, report.sealed, report.trusted) == (LAST, LAST, True)
    assert not report.findings


@dataclass(frozen=True)
class Case:
    """What is done, what it is called, and the number of the first bad record (None: no single one)."""

    name: str
    do: Callable[[Log], None]
    code: str
    number: int | None = None
    anchored: bool = False
    key: str | None = None


def edited(at: int, change: Callable[[list[bytes]], list[bytes]], segment: int = 1) -> Callable[[Log], None]:
    return lambda log: log.lines(segment, lambda lines: [*lines[:at], *change(lines[at:])])


def unlink(name: str) -> Callable[[Log], None]:
    return lambda log: (log.root / name).unlink()


def rewritten(path: str, change: Callable[[bytes], bytes]) -> Callable[[Log], None]:
    def do(log: Log) -> None:
        (log.root / path).write_bytes(change((log.root / path).read_bytes()))

    return do


def other_root(note: str) -> str:
    """The note with another root, its signature as it was."""
    lines = note.split("\n")
    lines[2] = "A" * 42 + "E="
    return "\n".join(lines)


def forged(log: Log) -> None:
    """He has made a key of his own, rewritten a record, and sealed everything anew."""
    shutil.rmtree(log.root)
    book = Logbook(log.root)
    book.keys = [signing_key(7)]
    book.announced = [verifier_key(signing_key(7))]
    book.write_keys()
    book.lifecycle("started")
    book.decisions(LAST - 3)
    book.lifecycle("stopped")
    book.checkpoint()


def rewritten_with_the_key(log: Log) -> None:
    """He has the log's own key: everything fits, but what was anchored."""
    shutil.rmtree(log.root)
    book = Logbook(log.root)
    book.lifecycle("started")
    book.decisions(500)
    book.ts += 1
    book.decisions(LAST - 503)
    book.lifecycle("stopped")
    book.checkpoint()


def cut_with_the_key(log: Log) -> None:
    shutil.rmtree(log.root)
    book = Logbook(log.root)
    book.lifecycle("started")
    book.decisions(398)
    book.checkpoint()


def rolled_back(log: Log) -> None:
    """Everything after the second checkpoint is gone: files, checkpoints, tiles."""
    for number in (2, 3):
        log.segment(number).unlink()
        (log.root / "checkpoints" / f"{number:08d}.jsonl").unlink()
    last = json.loads((log.root / "checkpoints" / "00000001.jsonl").read_text().splitlines()[-1])
    (log.root / "checkpoint").write_text(last["note"])
    (log.root / "keys").write_text(log.book.announced[0] + "\n")
    shutil.rmtree(log.root / "tile")


def forked(log: Log) -> None:
    """He has the key and shows an anchor another log of the same size."""
    entry = json.loads(log.anchor.read_text().splitlines()[-1])
    book = Logbook(log.root.parent / "other")
    book.keys = [signing_key(1)]
    book.decisions(LAST - 1)
    log.anchor.write_text(json.dumps({"at": entry["at"], "note": book.note()}) + "\n")


def later(record: bytes) -> bytes:
    """By a millisecond or so."""
    before, after = record.split(b'"ts":')
    digit = b"8" if after[12:13] == b"9" else b"9"
    return before + b'"ts":' + after[:12] + digit + after[13:]


def reversed_members(record: bytes) -> bytes:
    return json.dumps(dict(reversed(json.loads(record).items())), separators=(",", ":")).encode()


def elsewhere(rows: list[bytes]) -> list[bytes]:
    return [rows[0], *(row.replace(b"default", b"elsewhere") for row in rows[1:])]


def other_end(rows: list[bytes]) -> list[bytes]:
    return [*rows[:-1], rows[-1].replace(b"stopped", b"started")]


def bit_flipped(raw: bytes) -> bytes:
    return raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:]


def swapped_checkpoints(raw: bytes) -> bytes:
    first, second, *rest = raw.splitlines(keepends=True)
    return b"".join([second, first, *rest])


def bad_signature(raw: bytes) -> bytes:
    *lines, last = raw.splitlines(keepends=True)
    entry = json.loads(last)
    entry["note"] = other_root(entry["note"])
    return b"".join(lines) + json.dumps(entry).encode() + b"\n"


def unannounced_key(log: Log) -> None:
    with (log.root / "keys").open("a") as file:
        file.write(verifier_key(signing_key(9)) + "\n")


def gzipped(change: Callable[[bytes], bytes]) -> Callable[[Log], None]:
    def do(log: Log) -> None:
        path = log.segment(1)
        path.with_name(path.name + ".gz").write_bytes(change(gzip.compress(path.read_bytes())))
        path.unlink()

    return do


def pruned(then: Callable[[Log], None], *, said: bool = True) -> Callable[[Log], None]:
    """Segment 1 is pruned to its lifecycle records, and then something is done to what is left."""

    def do(log: Log) -> None:
        shutil.rmtree(log.root)
        book = Logbook(log.root)
        book.lifecycle("started")
        book.decisions(300)
        book.checkpoint()
        book.open_segment()
        book.decisions(100)
        book.checkpoint()
        path = log.root / "00000001.jsonl"
        if said:
            book.prune(1, lambda record: record["kind"] != "decision")
        else:
            first = json.dumps({"n": 0, "record": path.read_bytes().splitlines()[0].decode()})
            path.with_name("00000001.kept.jsonl").write_text(first + "\n")
            path.unlink()
        book.lifecycle("stopped")
        book.checkpoint()
        then(log)

    return do


def nothing(log: Log) -> None:
    """What was done before is enough."""


def silent(log: Log) -> None:
    """He stopped the clock of a running gateway (and has its key)."""
    shutil.rmtree(log.root)
    book = Logbook(log.root)
    book.lifecycle("started")
    book.decisions(10)
    book.ts += 600_000
    book.decisions(10)
    book.lifecycle("stopped")
    book.checkpoint()


def flipped_tile(log: Log) -> None:
    path = log.book.tile(0, 1)
    tile = log.root / path.relative_to(log.book.root)
    content = bytearray(tile.read_bytes())
    content[40] ^= 1
    tile.write_bytes(content)


def unsealed(log: Log) -> None:
    """Records put behind the last checkpoint of a log that was closed."""
    with log.segment(3).open("ab") as file:
        file.write(log.book.lines[700] + b"\n")


def unsealed_long(log: Log) -> None:
    """A gateway seals within seconds what it writes."""
    shutil.rmtree(log.root)
    book = Logbook(log.root)
    book.lifecycle("started")
    book.decisions(10)
    book.checkpoint()
    for _ in range(9):
        book.ts += 10_000
        book.decisions(1)


def swap(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def both(log: Log) -> None:
    """He knows how tiles are made, but the checkpoint is signed."""
    log.lines(1, lambda rows: [*rows[:300], rows[300].replace(b"300", b"301"), *rows[301:]])
    shutil.rmtree(log.root / "tile")


CASES = (
    Case(
        "a value edited",
        edited(300, lambda rest: [rest[0].replace(b"300", b"301"), *rest[1:]]),
        "changed",
        300,
    ),
    Case(
        "the first record edited",
        lambda log: log.replace(log.segment(1), b"default", b"someone"),
        "changed",
        0,
    ),
    Case("the last record edited", edited(0, other_end, 3), "changed", LAST - 1),
    Case("a time edited", edited(250, lambda rest: [later(rest[0]), *rest[1:]]), "changed", 250),
    Case(
        "a member's order changed",
        edited(42, lambda rest: [reversed_members(rest[0]), *rest[1:]]),
        "not_a_record",
        42,
    ),
    Case("spaces put in", edited(42, lambda rest: [rest[0][:-1] + b" }", *rest[1:]]), "changed", 42),
    Case("one record removed", edited(300, lambda rest: rest[1:]), "removed", 300),
    Case("a hundred records removed", edited(100, lambda rest: rest[100:]), "removed", 100),
    Case("a record removed from the last stretch", edited(50, lambda rest: rest[1:], 3), "removed", 850),
    Case("two records swapped", edited(300, lambda rest: [rest[1], rest[0], *rest[2:]]), "reordered", 300),
    Case("a stretch reversed", edited(20, lambda rest: [*rest[9::-1], *rest[10:]]), "reordered", 20),
    Case(
        "a record put in",
        edited(300, lambda rest: [rest[0].replace(b"safe", b"save"), *rest]),
        "inserted",
        300,
    ),
    Case("a record repeated", edited(300, lambda rest: [rest[0], *rest]), "inserted", 301),
    Case("a record replaced by another", edited(300, lambda rest: [rest[5], *rest[1:]]), "changed", 300),
    Case("a record made a line of junk", edited(77, lambda rest: [b"junk", *rest[1:]]), "not_a_record", 77),
    Case("a record emptied", edited(77, lambda rest: [b"", *rest[1:]]), "not_a_record", 77),
    Case("a record of zeros", edited(77, lambda rest: [b"\0" * len(rest[0]), *rest[1:]]), "not_a_record", 77),
    Case("a line of a megabyte", edited(77, lambda rest: [b"x" * 2_000_000, *rest[1:]]), "segment_damaged"),
    Case("two lines joined", edited(77, lambda rest: [rest[0] + rest[1], *rest[2:]]), "changed", 77),
    Case("the end cut off", edited(200, lambda rest: rest[:20], 3), "truncated", 1020),
    Case("the last segment gone", unlink("00000003.jsonl"), "truncated", 800),
    Case("a middle segment gone", unlink("00000002.jsonl"), "segment_missing", 600),
    Case("the first segment gone", unlink("00000001.jsonl"), "segment_missing", 0),
    Case("a segment emptied", rewritten("00000002.jsonl", lambda _: b""), "segment_wrong", 600),
    Case("two segments swapped", lambda log: swap(log.segment(1), log.segment(2)), "segment_wrong", 0),
    Case("a segment of another log", edited(0, elsewhere, 2), "changed", 601),
    Case(
        "a closed segment with a torn end",
        rewritten("00000001.jsonl", lambda raw: raw[:-1]),
        "segment_damaged",
    ),
    Case("everything after a checkpoint gone", rolled_back, "truncated", anchored=True),
    Case("records behind the last checkpoint", unsealed, "not_running", LAST),
    Case(
        "a checkpoint's root changed",
        rewritten("checkpoints/00000002.jsonl", bad_signature),
        "signature_wrong",
    ),
    Case(
        "the newest checkpoint changed",
        rewritten("checkpoint", lambda raw: other_root(raw.decode()).encode()),
        "forked",
    ),
    Case("the newest checkpoint gone", unlink("checkpoint"), "checkpoint_missing"),
    Case(
        "the newest checkpoint junk",
        rewritten("checkpoint", lambda _: b"\xff\xfe junk"),
        "checkpoint_damaged",
    ),
    Case(
        "a checkpoint of junk",
        rewritten("checkpoints/00000001.jsonl", lambda raw: raw + b"{}\n"),
        "checkpoint_damaged",
    ),
    Case(
        "checkpoints swapped",
        rewritten("checkpoints/00000001.jsonl", swapped_checkpoints),
        "checkpoints_reordered",
    ),
    Case("the keys gone", unlink("keys"), "keys_missing"),
    Case(
        "another key", rewritten("keys", lambda _: verifier_key(signing_key(8)).encode()), "signature_wrong"
    ),
    Case("a key that no record brought in", unannounced_key, "key_unannounced"),
    Case(
        "the replaced key taken out",
        rewritten("keys", lambda raw: raw.splitlines(keepends=True)[0]),
        "key_unexplained",
    ),
    Case("sealed anew with another key", forged, "key_foreign", key=verifier_key(signing_key(0))),
    Case("a gateway's records that nobody sealed", unsealed_long, "unsealed"),
    Case("rewritten with the log's own key", rewritten_with_the_key, "forked", anchored=True),
    Case("cut with the log's own key", cut_with_the_key, "truncated", anchored=True),
    Case("two logs signed", forked, "forked", anchored=True),
    Case("an empty anchor", lambda log: log.anchor.write_text("") and None, "anchor_empty", anchored=True),
    Case("a tile changed", flipped_tile, "tile_damaged"),
    Case("a tile gone", lambda log: (log.root / "tile/0/001").unlink(), "tile_damaged"),
    Case("record and tile changed alike", both, "changed"),
    Case("a packed segment cut", gzipped(lambda raw: raw[:-200]), "segment_damaged"),
    Case("a packed segment changed", gzipped(bit_flipped), "segment_damaged"),
    Case("a packed segment of junk", gzipped(lambda _: b"PK junk"), "segment_damaged"),
    Case("pruned without a record", pruned(nothing, said=False), "prune_unexplained"),
    Case(
        "a kept record changed",
        pruned(rewritten("00000001.kept.jsonl", lambda raw: raw.replace(b"started", b"stopped"))),
        "kept_wrong",
        1,
    ),
    Case(
        "a kept record moved",
        pruned(rewritten("00000001.kept.jsonl", lambda raw: raw.replace(b'"n": 1,', b'"n": 2,'))),
        "kept_wrong",
        2,
    ),
    Case(
        "the hashes of a pruned segment gone",
        pruned(lambda log: shutil.rmtree(log.root / "tile")),
        "kept_wrong",
    ),
    Case("a silence", silent, "silence", 12),
)


@pytest.fixture(scope="module")
def found() -> Iterator[set[str]]:
    """Names of the cases that were found; written down when all have had their turn."""
    names: set[str] = set()
    yield names
    show("evidence", tampering_kinds=len(CASES), tampering_found=len(names))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_found_and_named(case: Case, log: Log, found: set[str]) -> None:
    case.do(log)
    report = log.verify(anchored=case.anchored, key=case.key)
    faults = [finding for finding in report.findings if finding.level == FAULT]
    told = "\n".join(shown(report))
    assert report.judged, told
    assert report.exit_status == 12, told
    assert case.code in {fault.code for fault in faults}, told
    if case.number is not None:
        placed = [fault.number for fault in faults if fault.number is not None]
        assert min(placed) == case.number, told
    found.add(case.name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_a_sealed_record_can_be_another(pristine: Log, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 3))
    path = pristine.segment(number)
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    try:
        path.write_bytes(content[:at] + bytes([other]) + content[at + 1 :])
        report = pristine.verify()
    finally:
        path.write_bytes(content)
    assert not report.sound, f"byte {at} of {path.name} was {content[at]} and is {other}"


def hostile() -> Iterator[tuple[str, Callable[[Path], None]]]:
    yield "nothing", lambda _: None
    yield "a foreign file", lambda root: (root / "notes.txt").write_text("hello") and None
    yield "a segment alone", lambda root: (root / "00000001.jsonl").write_text("{}\n") and None
    yield "a directory for a segment", lambda root: (root / "00000001.jsonl").mkdir()
    yield "keys of junk", lambda root: (root / "keys").write_bytes(b"\xff\x00+junk\n") and None
    yield "deep JSON", lambda root: (root / "00000001.jsonl").write_text("[" * 50_000 + "\n") and None
    yield (
        "huge numbers",
        lambda root: (
            (root / "00000001.jsonl").write_text('{"kind":"segment","number":' + "9" * 5000 + "}\n") and None
        ),
    )
    yield (
        "a bomb",
        lambda root: (root / "00000001.jsonl.gz").write_bytes(gzip.compress(b"\0" * 50_000_000)) and None,
    )
    yield (
        "a bomb of lines",
        lambda root: (root / "00000001.jsonl.gz").write_bytes(gzip.compress(b"\n" * 5_000_000)) and None,
    )
    yield "a link", lambda root: (root / "00000001.jsonl").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("name", "make"), list(hostile()), ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.parametrize("keyed", [False, True])
def test_hostile_input_ends_with_a_verdict(
    name: str, make: Callable[[Path], None], keyed: bool, tmp_path: Path
) -> None:
    if keyed and "keys" not in name:
        (tmp_path / "keys").write_text(verifier_key(signing_key(0)) + "\n")
    make(tmp_path)
    report = verify(tmp_path)
    assert report.exit_status in {2, 12}
    assert report.findings


def test_the_root_is_that_of_the_definition(pristine: Log) -> None:
    note = (pristine.root / "checkpoint").read_text().split("\n")
    assert note[1] == str(LAST)
    assert len(root_of(pristine.book.leaves)) == 32
