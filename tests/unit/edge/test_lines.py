"""Cutting bytes into lines."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from doorward.edge.lines import LineReader


def cut(pieces: list[bytes], max_line: int) -> list[bytes | None]:
    lines = LineReader(max_line)
    found = [line for piece in pieces for line in lines.feed(piece)]
    last = lines.end()
    return found if last is None else [*found, last]


def test_line_ends_and_blank_lines() -> None:
    assert cut([b"a\r\nb\n\n \r\n c \nd"], 10) == [b"a", b"b", b" c ", b"d"]


def test_the_limit_is_exact() -> None:
    assert cut([b"x" * 5 + b"\n" + b"y" * 6 + b"\nz\n"], 5) == [b"x" * 5, None, b"z"]


def test_an_over_long_line_is_not_kept() -> None:
    lines = LineReader(5)
    assert list(lines.feed(b"x" * 6)) == [None]
    for _ in range(3):
        assert list(lines.feed(b"x" * 1000)) == []
        assert len(lines._buffer) == 0
    assert list(lines.feed(b"\nok\n")) == [b"ok"]


@given(
    st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r\n", b"ccccccc", b" "]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_cutting_changes_nothing(raw: bytes, places: list[int]) -> None:
    marks = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(marks)]
    whole = cut([raw], 6)
    assert cut(pieces, 6) == whole
    expected = [line for line in raw.split(b"\n") if line.strip()]
    assert len(whole) >= len([line for line in expected if len(line) <= 6])
