"""The properties of the HTTP fuzz targets, over connections that Hypothesis builds from whole messages.

Random bytes seldom get past the first line. These do: heads that almost repeat, lengths in every spelling,
bodies that look like heads, cut anywhere. A recogniser may never accept what the parser would read otherwise.
"""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.edge.head import Head
from doorward.edge.repeat import RepeatedHead as EdgeRepeat
from doorward.upstream.repeat import RepeatedHead as UpstreamRepeat
from tests.attack.framing import judge, requests
from tests.fuzz import fuzz_edge, fuzz_upstream
from tests.fuzz.engine import Differential

BODIES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"",
            b"{}",
            b"0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\n",
            b"\r\ncontent-length: 1\r\n",
        ]
    ),
)
SPACE = st.sampled_from([b" ", b"", b"  ", b"\t"])
DIGITS = st.sampled_from([b"%d", b"0%d", b"00000000%d", b"+%d", b"%d ", b"%d\t", b"0x%d", b"%d,%d"])
NAME = st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"X-Content-Length"])
OTHER = st.sampled_from(
    [
        b"X: y\r\n",
        b"x:\r\n",
        b"X: y\r\nx: z\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: close\r\n",
        b"X: a\rb\r\n",
    ]
)


@st.composite
def lengths(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A Content-Length line, nearly always right, and the body."""
    body = draw(BODIES)
    size = max(0, len(body) + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1])))
    spelt = draw(st.one_of(st.just(b"%d"), DIGITS))
    line = draw(NAME) + b":" + draw(SPACE) + spelt.replace(b"%d", b"%d" % size) + b"\r\n"
    return line, body


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A Transfer-Encoding line and a body in chunks, nearly always well-formed."""
    coding = draw(
        st.sampled_from([b"chunked", b"chunked", b"chunked", b"Chunked", b"chunked ", b"gzip, chunked"])
    )
    parts = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    size = draw(st.sampled_from([b"%x", b"%x", b"%X", b"0%x", b"%x;a=b", b"%x "]))
    trailer = draw(st.sampled_from([b"", b"", b"X: y\r\n", b"Content-Length: 5\r\n", b"X: y\n"]))
    body = (
        b"".join(size % len(part) + b"\r\n" + part + b"\r\n" for part in parts) + b"0\r\n" + trailer + b"\r\n"
    )
    return b"Transfer-Encoding: " + coding + b"\r\n", body


def head_first(start: bytes, framing: tuple[bytes, bytes], before: bytes, after: bytes) -> bytes:
    line, body = framing
    return start + before + line + after + b"\r\n" + body


MAYBE = st.one_of(st.just(b""), st.just(b""), OTHER)
NOTHING = st.just((b"", b""))
REQUESTS = st.builds(
    head_first,
    st.sampled_from(
        [
            b"POST /mcp HTTP/1.1\r\nHost: a\r\n",
            b"POST /mcp HTTP/1.1\r\nHost: a\r\n",
            b"GET /mcp HTTP/1.1\r\nHost: a\r\n",
            b"POST /mcp HTTP/1.0\r\nHost: a\r\n",
            b"\r\nPOST /mcp HTTP/1.1\r\nHost: a\r\n",
        ]
    ),
    st.one_of(lengths(), lengths(), chunked(), NOTHING),
    MAYBE,
    MAYBE,
)
ANSWERS = st.builds(
    head_first,
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 204 No Content\r\n",
            b"HTTP/1.1 404 \r\n",
            b"HTTP/1.0 200 OK\r\n",
        ]
    ),
    st.one_of(lengths(), lengths(), chunked(), NOTHING),
    MAYBE,
    MAYBE,
)


@st.composite
def connections(draw: st.DrawFn, message: st.SearchStrategy[bytes], apart: bytes) -> bytes:
    """A byte that chooses the cuts, then messages some of which come again."""
    known = draw(st.lists(message, min_size=1, max_size=3))
    order = draw(st.lists(st.sampled_from(known), min_size=1, max_size=6))
    marks = draw(st.lists(st.sampled_from([apart, apart, b""]), min_size=len(order), max_size=len(order)))
    stream = b"".join(one + mark for one, mark in zip(order, marks, strict=True))
    return bytes([draw(st.integers(0, 255))]) + stream


REQUEST_STREAMS = connections(REQUESTS, fuzz_edge.CUT)
ANSWER_STREAMS = connections(ANSWERS, fuzz_upstream.NEXT)


@settings(max_examples=300)
@given(REQUEST_STREAMS)
def test_requests_do_not_depend_on_cuts_or_on_what_came_before(data: bytes) -> None:
    fuzz_edge.fuzz_edge(data)


@settings(max_examples=300)
@given(REQUEST_STREAMS)
def test_other_parsers_read_the_same_requests(data: bytes) -> None:
    fuzz_edge.fuzz_edge_peers(data[1:].replace(fuzz_edge.CUT, b""))


@settings(max_examples=300)
@given(ANSWER_STREAMS)
def test_answers_do_not_depend_on_cuts_or_on_what_came_before(data: bytes) -> None:
    fuzz_upstream.fuzz_answers(data)


@settings(max_examples=300)
@given(ANSWERS)
def test_other_parsers_read_the_same_answer(data: bytes) -> None:
    fuzz_upstream.fuzz_answer_peers(data)


def lying_edge(match: Callable[..., tuple[Head, int] | None]) -> Callable[..., tuple[Head, int] | None]:
    """Recognises one byte too many."""

    def lie(self: EdgeRepeat, given: bytes, at: int) -> tuple[Head, int] | None:
        known = match(self, given, at)
        return None if known is None or known[1] >= len(given) else (known[0], known[1] + 1)

    return lie


def test_a_recogniser_of_requests_that_lies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EdgeRepeat, "match", lying_edge(EdgeRepeat.match))
    with pytest.raises(AssertionError):
        fuzz_edge.fuzz_edge(b"\7" + fuzz_edge.STREAMS[0])


def test_a_recogniser_of_answers_that_lies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = UpstreamRepeat.body

    def lie(self: UpstreamRepeat, data: bytes) -> bytes | None:
        known = honest(self, data)
        return known and known[:-1]

    monkeypatch.setattr(UpstreamRepeat, "body", lie)
    with pytest.raises(AssertionError):
        fuzz_upstream.fuzz_answers(b"\7" + fuzz_upstream.ANSWERS[0])


def test_a_difference_from_another_parser_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"h11": lambda data: requests.via_h11(data.replace(b"POST", b"GET"))}
    monkeypatch.setattr(judge, "EDGE", dataclasses.replace(judge.EDGE, peers=other))
    with pytest.raises(Differential, match="h11: start of message 0"):
        fuzz_edge.fuzz_edge_peers(fuzz_edge.ONE)
