"""The parser against the standard, written down as slowly as it reads (WHATWG HTML section 9.2.6)."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.wire.errors import WireError
from doorward.wire.sse import SseEvent, SseParser

pytestmark = pytest.mark.spec("DW-370")

PIECES = [
    b"data", b"data:", b"data: ", b"data:  x", b"data:{}", b"DATA: y", b"datax: z", b" data: w",
    b"id", b"id:", b"id: 1", b"id: \xc3\xa9", b"id: a\0b",
    b"event", b"event:", b"event: ping", b"event: message",
    b"retry", b"retry: ", b"retry: 10", b"retry: 1a", b"retry: -1", b"retry:007",
    b":", b": comment", b":data: x", b"unknown: x", b"x",
    b"\xef\xbb\xbf", b"\0", b"\x0b", b"\x0c", b"\x85", b"\x1c",
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r", b"\xe2\x80\xa8",
]  # fmt: skip
STREAMS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    st.binary(max_size=80),
)


def lines_of(stream: bytes) -> list[bytes]:
    """Whole lines only: ended by CR LF, LF alone, or CR alone."""
    lines, line, at = [], b"", 0
    while at < len(stream):
        byte = stream[at : at + 1]
        if byte in (b"\r", b"\n"):
            if stream[at : at + 2] == b"\r\n":
                at += 1
            lines.append(line)
            line = b""
        else:
            line += byte
        at += 1
    return lines


def reference(stream: bytes) -> tuple[list[SseEvent], str | None, int | None]:
    """Events, last event id, reconnection time. Raises UnicodeDecodeError for an id or type not in UTF-8."""
    if stream.startswith(b"\xef\xbb\xbf"):
        stream = stream[3:]
    events: list[SseEvent] = []
    data: list[bytes] = []
    kind, own_id, last_id, own_retry, last_retry = "", None, None, None, None
    for line in lines_of(stream):
        if line == b"":
            if own_id is not None:
                last_id = own_id
            if data:
                events.append(SseEvent(b"\n".join(data), kind or "message", own_id, own_retry))
            data, kind, own_id, own_retry = [], "", None, None
            continue
        if line[:1] == b":":
            continue
        field, value = line, b""
        if b":" in line:
            at = line.index(b":")
            field, value = line[:at], line[at + 1 :]
            if value[:1] == b" ":
                value = value[1:]
        if field == b"data":
            data.append(value)
        elif field == b"event":
            kind = value.decode("utf-8")
        elif field == b"id" and b"\0" not in value:
            own_id = value.decode("utf-8")
        elif field == b"retry" and value and all(48 <= byte <= 57 for byte in value) and len(value) <= 9:
            own_retry = last_retry = int(value)
    return events, last_id, last_retry


def parsed(stream: bytes, cuts: list[int]) -> tuple[list[SseEvent], str | None, int | None]:
    parser, events = SseParser(10_000), []
    edges = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    for start, end in pairwise(edges):
        events += parser.feed(stream[start:end])
    return events, parser.last_id, parser.retry


@given(STREAMS, st.lists(st.integers(0, 200), max_size=12))
@example(b"data: a\r\rdata: b\r\n\r\n", [8])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
@example(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", [1, 2])
@example(b"id: 1\ndata: cut off", [])
@example(b"data: a\x85b\x0bc\x1cd\n\n", [])
def test_the_parser_reads_what_the_standard_says_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    try:
        expected = reference(stream)
    except UnicodeDecodeError:
        expected = None
    try:
        found = parsed(stream, cuts)
    except WireError:
        found = None
    assert found == expected


@given(STREAMS)
def test_every_single_byte_apart_is_the_same(stream: bytes) -> None:
    try:
        whole = parsed(stream, [])
    except WireError:
        return
    assert parsed(stream, list(range(len(stream)))) == whole


def test_an_id_counts_when_its_event_is_whole() -> None:
    """An event that was cut off is not the last one that was received: it has to come again."""
    parser = SseParser(100)
    parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    assert parser.last_id == "1"
    parser.feed(b"\n")
    assert parser.last_id == "2"
    parser.feed(b"id\ndata: c\n\n")
    assert parser.last_id == ""
