import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.errors import WireError
from doorward.wire.sse import COMMENT, SseEvent, SseParser, encode_event

pytestmark = pytest.mark.spec("DW-370")

STREAM = (
    b"\xef\xbb\xbf: hello\r\n\r\nid: 1\rdata:\r\r"
    b'event: message\r\nid: 2\ndata: {"a":\ndata: 1}\r\n\n'
    b"retry: 3000\n: note\ndata:no space\ndata:  two\nunknown: x\nnocolon\nid: bad\0id\n\n"
    b"data\n\nevent: empty\n\ndata: unfinished"
)
EVENTS = [
    SseEvent(b"", id="1"),
    SseEvent(b'{"a":\n1}', id="2"),
    SseEvent(b"no space\n two", retry=3000),
    SseEvent(b""),
]


def feed_all(parser: SseParser, data: bytes, size: int) -> list[SseEvent]:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return [event for piece in pieces for event in parser.feed(piece)]


def test_the_grammar() -> None:
    parser = SseParser(1000)
    assert parser.feed(STREAM) == EVENTS
    assert (parser.last_id, parser.retry) == ("2", 3000)


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_any_cut_gives_the_same_events(cut: int) -> None:
    parser = SseParser(1000)
    assert parser.feed(STREAM[:cut]) + parser.feed(STREAM[cut:]) == EVENTS


def test_a_byte_order_mark_is_passed_over_where_the_stream_begins_and_nowhere_else() -> None:
    parser = SseParser(1000)
    assert feed_all(parser, b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", 2) == [SseEvent(b"a")]


def test_byte_by_byte() -> None:
    parser = SseParser(1000)
    assert feed_all(parser, STREAM, 1) == EVENTS


@given(
    st.lists(
        st.sampled_from(
            [b"\n", b"\r", b"\r\n", b"data: a", b"id: 7", b":c", b"event: e", b"data", b"retry: 9"]
        )
    )
)
def test_cuts_never_matter(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    whole = SseParser(1000).feed(stream)
    for cut in range(len(stream)):
        parser = SseParser(1000)
        assert parser.feed(stream[:cut]) + parser.feed(stream[cut:]) == whole


@given(st.binary(max_size=100), st.integers(1, 7))
def test_arbitrary_bytes_raise_nothing_else(data: bytes, size: int) -> None:
    try:
        events = feed_all(SseParser(50), data, size)
    except WireError:
        return
    assert sum(len(event.data) for event in events) <= len(data)


@pytest.mark.parametrize("line", [b"data: " + b"x" * 95, b":" + b"x" * 100, b"x" * 101, b"data: 1\n" * 13])
def test_an_event_is_bounded_whatever_it_is_made_of(line: bytes) -> None:
    parser = SseParser(100)
    with pytest.raises(WireError, match="size limit"):
        feed_all(parser, line, 1)


def test_the_bound_is_on_one_event_only() -> None:
    parser = SseParser(100)
    assert sum(len(parser.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50
    assert [event for _ in range(1000) for event in parser.feed(b": quiet\n")] == []
    assert len(parser.feed(b"data: " + b"x" * 80 + b"\n\n")) == 1


def test_a_field_that_is_not_utf8_is_the_servers_fault() -> None:
    with pytest.raises(WireError, match="UTF-8"):
        SseParser(100).feed(b"id: \xff\n\n")


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.sampled_from([None, "e-1", "é"]))
def test_what_is_encoded_is_parsed(text: str, event_id: str | None) -> None:
    data = text.encode()
    (event,) = SseParser(1000).feed(encode_event(data, id=event_id, event="message") + COMMENT)
    assert (event.data, event.id) == (b"\n".join(data.splitlines()), event_id)


def test_encoding_is_compact_and_keeps_lines_apart() -> None:
    assert encode_event(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert encode_event(b"{\r\n1\n}", id="7", event="message") == (
        b"id: 7\nevent: message\ndata: {\ndata: 1\ndata: }\n\n"
    )
    assert SseParser(10).feed(COMMENT) == []


@pytest.mark.parametrize("field", ["a\nb", "a\rb", "a\0b"])
def test_a_field_cannot_end_its_line(field: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        encode_event(b"{}", id=field)
    with pytest.raises(ValueError, match="printable"):
        encode_event(b"{}", event=field)
