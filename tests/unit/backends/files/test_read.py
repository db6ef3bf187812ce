import gzip
from pathlib import Path

import msgspec
import pytest

from doorward.audit.records import Segment, encode
from doorward.backends.files.read import Cursor, follow, last_records, read_records
from doorward.model.errors import GatewayError


def put(directory: Path, number: int, *values: int, tail: bytes = b"") -> None:
    directory.mkdir(exist_ok=True)
    with (directory / f"{number:08}.jsonl").open("ab") as file:
        file.write(b"".join(b'{"n":%d}\n' % value for value in values) + tail)


def numbered(*values: int) -> list[bytes]:
    return [b'{"n":%d}' % value for value in values]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(read_records(tmp_path / "nothing")) == []
    assert last_records(tmp_path / "nothing", 5) == []


def test_reads_across_segments_in_order(tmp_path: Path) -> None:
    put(tmp_path, 2, 3, 4)
    put(tmp_path, 1, 1, 2)
    put(tmp_path, 10, 5)
    (tmp_path / "notes.txt").write_text("not a segment")
    assert list(read_records(tmp_path)) == numbered(1, 2, 3, 4, 5)


def test_starts_with_whatever_segment_is_oldest(tmp_path: Path) -> None:
    put(tmp_path, 7, 1)
    put(tmp_path, 8, 2)
    assert list(read_records(tmp_path)) == numbered(1, 2)


def test_leaves_out_an_unfinished_record_until_it_is_finished(tmp_path: Path) -> None:
    put(tmp_path, 1, 1, tail=b'{"n":')
    cursor = Cursor(tmp_path)
    assert cursor.read() == numbered(1)
    assert cursor.read() == []
    put(tmp_path, 1, tail=b"2}\n")
    assert cursor.read() == numbered(2)


def test_reads_a_record_longer_than_a_chunk(tmp_path: Path) -> None:
    long = b'{"pad":"%s"}' % (b"x" * (2 * 1024 * 1024 + 5))
    (tmp_path / "00000001.jsonl").write_bytes(long + b"\n{}\n")
    assert list(read_records(tmp_path)) == [long, b"{}"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6])
def test_last_records(tmp_path: Path, count: int) -> None:
    put(tmp_path, 1, 1, 2)
    put(tmp_path, 2)
    put(tmp_path, 3, 3, 4, 5, tail=b"{")
    assert last_records(tmp_path, count) == numbered(1, 2, 3, 4, 5)[5 - min(count, 5) :]


def test_follow_begins_with_the_last_and_goes_on_over_a_rotation(tmp_path: Path) -> None:
    put(tmp_path, 1, 1, 2, 3)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            put(tmp_path, 1, 4)
            put(tmp_path, 2, 5)
        else:
            put(tmp_path, 2, 6)

    following = follow(tmp_path, last=2, poll=0.1, sleep=sleep)
    assert [next(following) for _ in range(5)] == numbered(2, 3, 4, 5, 6)
    assert slept == [0.1, 0.1]


def test_follow_waits_for_a_log_that_does_not_exist_yet(tmp_path: Path) -> None:
    following = follow(tmp_path / "audit", sleep=lambda _: put(tmp_path / "audit", 1, 1))
    assert next(following) == b'{"n":1}'


def opening(number: int, at: int) -> bytes:
    return encode(Segment(v=1, id="i", ts=1, tenant="default", number=number, first=at, root=""))


def plain(directory: Path, number: int) -> Path:
    return directory / f"{number:08}.jsonl"


def compress(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def prune(path: Path, first: int, *keep: int) -> None:
    lines = path.read_bytes().splitlines()
    rows = [msgspec.json.encode({"n": first + at, "record": lines[at].decode()}) for at in (0, *keep)]
    path.with_name(f"{path.stem}.kept.jsonl").write_bytes(b"\n".join(rows) + b"\n")
    path.unlink()


def three_forms(directory: Path) -> list[bytes]:
    """A pruned, a compressed and a plain segment; what is left of them."""
    for number, first in ((1, 0), (2, 4), (3, 8)):
        with plain(directory, number).open("wb") as file:
            file.write(opening(number, first) + b"\n")
        put(directory, number, first + 1, first + 2, first + 3)
    prune(plain(directory, 1), 0, 2)
    compress(plain(directory, 2))
    return [
        opening(1, 0), *numbered(2), opening(2, 4), *numbered(5, 6, 7), opening(3, 8), *numbered(9, 10, 11),
    ]  # fmt: skip


def test_compressed_and_pruned_segments_are_read_as_plain_ones_are(tmp_path: Path) -> None:
    records = three_forms(tmp_path)
    assert list(read_records(tmp_path)) == records
    for count in range(len(records) + 2):
        assert last_records(tmp_path, count) == records[len(records) - min(count, len(records)) :]
    following = follow(tmp_path, last=6, sleep=lambda _: put(tmp_path, 3, 12))
    assert [next(following) for _ in range(7)] == [*records[-6:], b'{"n":12}']


@pytest.mark.parametrize("change", ["compress", "prune", "compress, then prune"])
def test_a_segment_that_changes_its_form_while_it_is_read(tmp_path: Path, change: str) -> None:
    with plain(tmp_path, 1).open("wb") as file:
        file.write(opening(1, 0) + b"\n")
    put(tmp_path, 1, 1, 2)
    cursor = Cursor(tmp_path)
    assert cursor.read() == [opening(1, 0), *numbered(1, 2)]
    put(tmp_path, 1, 3, 4)
    put(tmp_path, 2, 5)
    if change == "compress":
        compress(plain(tmp_path, 1))
        assert cursor.read() == numbered(3, 4)
    else:
        prune(plain(tmp_path, 1), 0, 1, 4)
        assert cursor.read() == numbered(4)
    assert cursor.read() == numbered(5)
    assert cursor.read() == []


def test_a_compressed_segment_that_is_pruned_before_its_first_record_is_read(tmp_path: Path) -> None:
    with plain(tmp_path, 1).open("wb") as file:
        file.write(opening(1, 0) + b"\n")
    put(tmp_path, 1, 1, 2)
    whole = plain(tmp_path, 1).read_bytes()
    compress(plain(tmp_path, 1))
    cursor = Cursor(tmp_path)
    cursor._rest = cursor._read_still()  # found, and not opened yet
    plain(tmp_path, 1).write_bytes(whole)
    prune(plain(tmp_path, 1), 0, 2)
    plain(tmp_path, 1).with_name("00000001.jsonl.gz").unlink()
    assert cursor.read() == [opening(1, 0), *numbered(2)]


def test_a_large_compressed_segment_is_read_in_pieces(tmp_path: Path) -> None:
    pad = b"x" * 1000
    lines = [opening(1, 0), *(b'{"n":%d,"pad":"%s"}' % (number, pad) for number in range(3000))]
    plain(tmp_path, 1).write_bytes(b"".join(line + b"\n" for line in lines))
    compress(plain(tmp_path, 1))
    cursor, found = Cursor(tmp_path), list[bytes]()
    while records := cursor.read():
        assert sum(map(len, records)) < 2 * 1024 * 1024
        found += records
    assert found == lines


@pytest.mark.parametrize("name", ["00000001.jsonl.gz", "00000001.kept.jsonl"])
def test_a_damaged_segment_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no such thing\n")
    with pytest.raises(GatewayError, match=name):
        list(read_records(tmp_path))
