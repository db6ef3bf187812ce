from pathlib import Path

import pytest

from doorward.backends.files.read import Cursor, follow, last_records, read_records


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
