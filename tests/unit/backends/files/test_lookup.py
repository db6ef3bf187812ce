"""Records by their ids, in segments of every form."""

import gzip
from pathlib import Path

from doorward.backends.files.lookup import find_record, records_at
from tests.attack.logbook import Logbook


def test_a_record_is_found_with_its_number_in_whole_packed_and_pruned_segments(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "audit")
    book.decisions(5)
    kept = book.lifecycle("started")
    book.checkpoint()
    book.open_segment()
    book.decisions(5)
    book.checkpoint()
    book.open_segment()
    last = book.lifecycle("stopped")
    second = tmp_path / "audit" / "00000002.jsonl"
    packed = second.with_name("00000002.jsonl.gz")
    packed.write_bytes(gzip.compress(second.read_bytes()))
    second.unlink()
    book.prune(1, lambda record: record["kind"] != "decision")
    for number in (kept, kept + 3, last):
        found = find_record(tmp_path / "audit", f"0199c8a0-0000-7000-8000-{number:012x}")
        assert found is not None
        assert (found.number, found.record) == (number, book.lines[number])
    assert find_record(tmp_path / "audit", "0199c8a0-0000-7000-8000-000000000002") is None  # was pruned


def test_a_text_that_holds_the_id_is_not_the_record(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "audit")
    wanted = "0199c8a0-0000-7000-8000-000000000002"
    book.put("lifecycle", event="started", detail={"id": wanted})
    number = book.lifecycle("stopped")
    found = find_record(tmp_path / "audit", wanted)
    assert found is not None
    assert found.number == number


def test_records_are_found_by_their_numbers_and_pruned_ones_left_out(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "audit")
    book.decisions(5)
    kept = book.lifecycle("started")
    book.checkpoint()
    book.open_segment()
    book.decisions(5)
    book.prune(1, lambda record: record["kind"] != "decision")
    numbers = [0, 2, kept, kept + 1, kept + 4]
    found = list(records_at(tmp_path / "audit", iter([*numbers, 10_000])))
    assert [each.number for each in found] == [number for number in numbers if number != 2]
    assert [each.record for each in found] == [book.lines[each.number] for each in found]
    (tmp_path / "audit" / "00000001.kept.jsonl").write_text("never read")
    assert [each.number for each in records_at(tmp_path / "audit", iter([kept + 4]))] == [kept + 4]
