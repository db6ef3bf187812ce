import gzip
from pathlib import Path

import msgspec
import pytest

from doorward.audit.records import Segment, encode
from doorward.backends.files.segment_lines import segment_files
from doorward.model.errors import GatewayError


def first(number: int, at: int) -> bytes:
    head = Segment(v=1, id="i", ts=1, tenant="default", number=number, first=at, root="")
    return encode(head)


def test_segments_in_each_of_their_forms(tmp_path: Path) -> None:
    lines = [first(1, 0), b"{}"]
    kept = msgspec.json.encode({"n": 0, "record": first(2, 2).decode()})
    with gzip.open(tmp_path / "00000001.jsonl.gz", "wb") as file:
        file.write(b"\n".join(lines) + b"\n")
    (tmp_path / "00000002.kept.jsonl").write_bytes(kept + b"\n")
    (tmp_path / "00000003.jsonl").write_bytes(first(3, 9) + b"\n{}\ntorn")
    for name in ("keys", "checkpoint", "00000004.jsonl.new", "4.jsonl", ".00000005.jsonl.new"):
        (tmp_path / name).touch()
    found = segment_files(tmp_path)
    assert [(each.number, each.form) for each in found] == [
        (1, "jsonl.gz"), (2, "kept.jsonl"), (3, "jsonl"),
    ]  # fmt: skip
    assert [list(each.lines()) for each in found] == [lines, [kept], [first(3, 9), b"{}"]]
    assert [begins.first for each in found if (begins := each.begins()) is not None] == [0, 2, 9]
    assert [each.pruned for each in found] == [False, True, False]


def test_the_plainest_form_counts(tmp_path: Path) -> None:
    """A crash between making one and removing the other leaves both."""
    for name in ("00000001.jsonl", "00000001.jsonl.gz", "00000002.jsonl.gz", "00000002.kept.jsonl"):
        (tmp_path / name).touch()
    assert [each.path.name for each in segment_files(tmp_path)] == ["00000001.jsonl", "00000002.jsonl.gz"]


def test_a_segment_without_a_record(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_bytes(b"torn")
    [file] = segment_files(tmp_path)
    assert file.begins() is None


@pytest.mark.parametrize("line", [b"{}", b"no", b"\xff", first(2, 0), b'{"kind":"heartbeat"}'])
def test_a_segment_that_does_not_begin_as_it_should(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "00000001.jsonl").write_bytes(line + b"\n")
    [file] = segment_files(tmp_path)
    with pytest.raises(GatewayError, match="does not begin with its own record"):
        file.begins()


@pytest.mark.parametrize("line", [b"{}", b"no", b'{"n":0,"record":"no"}', b'{"n":0,"record":7}'])
def test_a_pruned_segment_that_does_not_begin_as_it_should(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "00000001.kept.jsonl").write_bytes(line + b"\n")
    [file] = segment_files(tmp_path)
    with pytest.raises(GatewayError, match="does not begin with its own record"):
        file.begins()


@pytest.mark.parametrize("damage", [b"", b"none", b"\x1f\x8b\x08\x00"])
def test_a_compressed_segment_that_is_damaged(tmp_path: Path, damage: bytes) -> None:
    whole = gzip.compress(first(1, 0) + b"\n" + b"{}\n" * 1000)
    (tmp_path / "00000001.jsonl.gz").write_bytes(damage or whole[:-20])
    [file] = segment_files(tmp_path)
    with pytest.raises(GatewayError, match=r"00000001\.jsonl\.gz is damaged"):
        list(file.lines())


def test_a_segment_that_was_compressed_since_it_was_found(tmp_path: Path) -> None:
    path = tmp_path / "00000001.jsonl"
    path.write_bytes(first(1, 0) + b"\n{}\n")
    [file] = segment_files(tmp_path)
    (tmp_path / "00000001.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert list(file.lines()) == list(file.records()) == [first(1, 0), b"{}"]


@pytest.mark.parametrize("line", [b"no", b"{}", b'{"n":"1","record":"{}"}', b'{"n":1,"record":{}}', b"\xff"])
def test_a_damaged_line_of_a_pruned_segment_is_named(tmp_path: Path, line: bytes) -> None:
    opening = msgspec.json.encode({"n": 0, "record": first(1, 0).decode()})
    (tmp_path / "00000001.kept.jsonl").write_bytes(opening + b"\n" + line + b"\n")
    [file] = segment_files(tmp_path)
    with pytest.raises(GatewayError, match=r"00000001\.kept\.jsonl:2 is damaged"):
        list(file.records())
