"""Tampering by somebody who knows how the verifier reads: between its chunks, in what it reads twice, in what
no signature covers, and in what is left of a pruned segment."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from doorward.audit.verifier import FAULT, Key, Report, shown, verify
from tests.attack.logbook import Logbook, signing_key, verifier_key
from tests.figures import show

Attack = Callable[[Logbook], None]
CHUNK = 1024 * 1024


def booked(root: Path) -> Logbook:
    """A log that was closed: two segments, three checkpoints, a heartbeat."""
    book = Logbook(root / "audit")
    book.lifecycle("started")
    book.decisions(40)
    book.checkpoint()
    book.decisions(40)
    book.checkpoint()
    book.put("heartbeat", records=80, size=len(book.leaves), checkpoint=len(book.leaves))
    book.open_segment()
    book.decisions(10)
    book.lifecycle("stopped")
    book.checkpoint()
    return book


def judged(book: Logbook, *keys: str, now: float | None = None) -> Report:
    return verify(book.root, keys=[Key.parse(key) for key in keys], now=now or book.ts / 1000)


def history(book: Logbook, number: int) -> Path:
    return book.root / "checkpoints" / f"{number:08d}.jsonl"


def joined(book: Logbook) -> None:
    """The records of both segments, in their order, in one file."""
    first, second = book.root / "00000001.jsonl", book.root / "00000002.jsonl"
    first.write_bytes(first.read_bytes() + second.read_bytes())
    second.unlink()


def spelled_twice(book: Logbook) -> None:
    """A second file with the number of the first segment, and other records."""
    text = (book.root / "00000001.jsonl").read_bytes().replace(b'{"n":7}', b'{"n":8}')
    (book.root / "000000001.jsonl").write_bytes(text)
    (book.root / "00000001.jsonl").unlink()


def signature_of_the_copy(book: Logbook) -> None:
    """Same records, same root; the signature of the copy for readers is of something else."""
    book.root.joinpath("checkpoint").write_text(swapped_signature(book, book.root / "checkpoint"))


def swapped_signature(book: Logbook, path: Path) -> str:
    other: str = json.loads(history(book, 1).read_text().splitlines()[0])["note"]
    return path.read_text().rpartition("\n\n")[0] + "\n\n" + other.rpartition("\n\n")[2]


def extended(book: Logbook) -> None:
    """A line more in the copy, which its signature does not cover."""
    path = book.root / "checkpoint"
    text, _, signature = path.read_text().rpartition("\n\n")
    path.write_text(f"{text}\nwitnessed by nobody\n\n{signature}")


def old_copy(book: Logbook) -> None:
    note = json.loads(history(book, 1).read_text().splitlines()[0])["note"]
    (book.root / "checkpoint").write_text(note)


def newest_line_gone(book: Logbook) -> None:
    history(book, 2).unlink()


def never_sealed(book: Logbook) -> None:
    """Without any checkpoint and without its end, a log looks like that of a gateway that just began."""
    book.ts += 100_000
    for path in (book.root / "checkpoints").iterdir():
        path.unlink()
    (book.root / "checkpoint").unlink()
    shutil.rmtree(book.root / "tile")
    cut(book, 5)


def rolled_back(book: Logbook) -> None:
    """To the first checkpoint, with what came after it unsealed, edited, and said to be of just now."""
    (book.root / "00000002.jsonl").unlink()
    history(book, 2).unlink()
    entry = json.loads(history(book, 1).read_text().splitlines()[0])
    history(book, 1).write_text(json.dumps({**entry, "at": book.ts}) + "\n")
    (book.root / "checkpoint").write_text(entry["note"])
    shutil.rmtree(book.root / "tile")
    text = (book.root / "00000001.jsonl").read_bytes().replace(b'{"n":77}', b'{"n":78}')
    (book.root / "00000001.jsonl").write_bytes(text)


def cut(book: Logbook, count: int) -> None:
    path = book.root / "00000002.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-count]))


def empty_line(book: Logbook) -> None:
    with history(book, 1).open("a") as file:
        file.write("\n")


CASES: dict[str, tuple[Attack, str]] = {
    "two segments made one": (joined, "segment_wrong"),
    "a second spelling of a segment's number": (spelled_twice, "segment_missing"),
    "another signature under the copy of the newest checkpoint": (signature_of_the_copy, "signature_wrong"),
    "a line put into the copy of the newest checkpoint": (extended, "signature_wrong"),
    "an older copy of the newest checkpoint": (old_copy, "checkpoint_old"),
    "the newest checkpoint taken from its history": (newest_line_gone, "checkpoint_missing"),
    "no checkpoint at all, of a log of minutes": (never_sealed, "checkpoint_missing"),
    "rolled back to a checkpoint, and edited after it": (rolled_back, "checkpoint_missing"),
    "an empty line among the checkpoints": (empty_line, "checkpoint_damaged"),
    "carriage returns": (
        lambda book: rewrite(book, "00000001.jsonl", lambda raw: raw.replace(b"\n", b"\r\n")),
        "changed",
    ),
    "a byte order mark before a segment": (
        lambda book: rewrite(book, "00000001.jsonl", lambda raw: b"\xef\xbb\xbf" + raw),
        "not_a_record",
    ),
    "a byte order mark before the keys": (
        lambda book: rewrite(book, "keys", lambda raw: b"\xef\xbb\xbf" + raw),
        "keys_damaged",
    ),
    "a checkpoint of another log among ours": (
        lambda book: rewrite(
            book,
            "checkpoints/00000002.jsonl",
            lambda raw: raw.replace(b"00112233445566ff", b"00112233445566fe") + raw,
        ),
        "checkpoint_damaged",
    ),
}


def rewrite(book: Logbook, name: str, change: Callable[[bytes], bytes]) -> None:
    path = book.root / name
    path.write_bytes(change(path.read_bytes()))


def test_the_log_is_sound_before(tmp_path: Path) -> None:
    report = judged(booked(tmp_path), verifier_key(signing_key(0)))
    assert report.sound, list(shown(report))
    assert [finding.code for finding in report.findings] == ["not_anchored"]


@pytest.mark.parametrize("name", CASES)
def test_it_is_found(name: str, tmp_path: Path) -> None:
    attack, code = CASES[name]
    book = booked(tmp_path)
    attack(book)
    report = judged(book)
    faults = {finding.code for finding in report.findings if finding.level == FAULT}
    assert report.exit_status == 12
    assert code in faults, list(shown(report))
    show("evidence", tampering_deeper=len(CASES))


@pytest.mark.parametrize("between", [True, False])
def test_zeros_at_the_end_of_a_chunk_are_no_room_for_outcomes(between: bool, tmp_path: Path) -> None:
    """The verifier reads a mebibyte at a time: what was put in just before its border is a change too."""
    book = Logbook(tmp_path / "audit")
    book.lifecycle("started")
    while book.path.stat().st_size < CHUNK + 1000:
        book.put("decision", call_id="x", safe={"text": "a" * 50_000})
    book.lifecycle("stopped")
    book.checkpoint()
    raw = book.path.read_bytes()
    at = CHUNK - 5 if between else CHUNK + 5
    book.path.write_bytes(raw[:at] + bytes(5) + raw[at:])
    report = judged(book)
    assert "changed" in {finding.code for finding in report.findings}, list(shown(report))


def pruned(root: Path) -> Logbook:
    book = booked(root)
    book.prune(1, lambda record: record["kind"] != "decision")
    book.lifecycle("stopped")
    book.checkpoint()
    return book


def kept(book: Logbook, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = book.root / "00000001.kept.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


KEPT: dict[str, Attack] = {
    "one removed": lambda book: kept(book, lambda rows: [rows[0], *rows[2:]]),
    "one twice": lambda book: kept(book, lambda rows: [*rows, rows[-1]]),
    "out of order": lambda book: kept(book, lambda rows: [rows[0], rows[2], rows[1]]),
    "its own record removed": lambda book: kept(book, lambda rows: rows[1:]),
}


def test_a_pruned_log_is_sound(tmp_path: Path) -> None:
    report = judged(pruned(tmp_path))
    assert report.sound, list(shown(report))


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_of_a_pruned_segment_is_counted(name: str, tmp_path: Path) -> None:
    book = pruned(tmp_path)
    KEPT[name](book)
    report = judged(book)
    codes = {finding.code for finding in report.findings if finding.level == FAULT}
    assert codes & {"kept_wrong", "segment_wrong"}, list(shown(report))


def test_a_key_vouches_for_nothing_that_it_has_not_signed(tmp_path: Path) -> None:
    """Anybody can write the public key of another log into `keys`."""
    book = Logbook(tmp_path / "audit")
    book.lifecycle("started")
    book.decisions(3)
    report = judged(book, verifier_key(signing_key(0)))
    assert not report.trusted
    assert "keys_unproven" in {finding.code for finding in report.findings}
