"""What llhttp alone would accept. Each was found by holding our upstream leg against h11 and Node."""

import pytest

from doorward.upstream.framing import framing_fault
from doorward.upstream.h1 import CRUMBS, MAX_HEAD_BYTES, MAX_HEADERS, MAX_INTERIM
from tests.attack.framing.responses import connection, doorward, exchange
from tests.attack.framing.view import End

OK = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
FINAL = OK + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "version", "fields", "said"),
    [
        (200, "2.0", {}, "another version"),
        (200, "0.9", {}, "another version"),
        (101, "1.1", {}, "switched"),
        (99, "1.1", {}, "impossible status 99"),
        (0, "1.1", {}, "impossible status 0"),
        (103, "1.1", {b"content-length": b"0"}, "interim response with a body"),
        (100, "1.1", {b"transfer-encoding": b"chunked"}, "interim response with a body"),
        (200, "1.1", {b"transfer-encoding": b"xchunked"}, "other than chunked"),
        (200, "1.1", {b"transfer-encoding": b"chunked, chunked"}, "other than chunked"),
        (200, "1.1", {b"transfer-encoding": b"gzip, chunked"}, "other than chunked"),
        (200, "1.1", {b"transfer-encoding": b"identity"}, "other than chunked"),
        (200, "1.1", {b"transfer-encoding": b"chunked\t"}, "other than chunked"),
        (204, "1.1", {b"transfer-encoding": b"x"}, "other than chunked"),
        (200, "1.0", {b"transfer-encoding": b"chunked"}, "other than chunked"),
        (200, "1.1", {b"content-length": b"0" * 18 + b"5"}, "too many digits"),
    ],
)
def test_a_head_that_others_read_differently_is_named(
    status: int, version: str, fields: dict[bytes, bytes], said: str
) -> None:
    assert said in (framing_fault(status, version, fields) or "")


@pytest.mark.parametrize(
    ("status", "version", "fields"),
    [
        (200, "1.1", {}),
        (200, "1.0", {b"content-length": b"5"}),
        (200, "1.1", {b"content-length": b"5 "}),
        (200, "1.1", {b"transfer-encoding": b"Chunked "}),
        (103, "1.1", {b"link": b"x"}),
        (204, "1.1", {b"content-length": b"0"}),
    ],
)
def test_a_plain_head_has_no_fault(status: int, version: str, fields: dict[bytes, bytes]) -> None:
    assert framing_fault(status, version, fields) is None


@pytest.mark.parametrize(
    "data",
    [
        b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 199 x\r\nContent-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
        CHUNKED + b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_such_an_answer_ends_the_connection(data: bytes) -> None:
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        assert doorward(pieces).end is End.REFUSED


def test_an_interim_answer_is_passed_over_and_ends_the_connection_behind_the_final_one() -> None:
    for pieces in ([EARLY + FINAL], [EARLY, FINAL], [EARLY[:30], EARLY[30:] + FINAL]):
        made = connection()
        (message,) = exchange(made, pieces, eof=False).messages
        assert (message.start, message.body) == ((b"200",), b"{}")
        assert not made.clean


def test_trailers_never_become_fields_of_the_answer() -> None:
    view = doorward(
        [CHUNKED + b"2\r\n{}\r\n0\r\nMcp-Session-Id: theirs\r\nContent-Type: text/event-stream\r\n\r\n"]
    )
    assert view.messages[0].fields == ((b"transfer-encoding", b"chunked"),)
    assert view.messages[0].body == b"{}"


@pytest.mark.parametrize("begin", [b"2\r\n{}\r\n0\r\nX: ", b"2\r\n{}\r\n0\r\n", b"2\r\n{}\r\n5;", b"2;"])
def test_endless_trailers_and_extensions_are_cut(begin: bytes) -> None:
    piece = b"a" * 1000 if not begin.endswith(b"\n") else b"X: y\r\n" * 100
    made = connection()
    view = exchange(made, [CHUNKED + begin, *[piece] * (MAX_HEAD_BYTES // len(piece) + 2)], eof=False)
    assert view.end is End.REFUSED
    assert "too much framing" in view.why or "too many header fields" in view.why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OK + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", "too many header fields"),
        (
            OK + b"".join(b"a%d: b\r\n" % n for n in range(MAX_HEADERS + 1)) + b"\r\n",
            "too many header fields",
        ),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n", "too many header fields"),
        (b"HTTP/1.1 102 x\r\n\r\n" * (MAX_INTERIM + 1) + FINAL, "too many interim answers"),
    ],
)
def test_what_is_counted_ends_the_reading_at_once(data: bytes, why: str) -> None:
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        assert why in doorward(pieces).why


def test_a_long_body_in_small_chunks_is_not_framing() -> None:
    pieces = [CHUNKED, *[b"1\r\na\r\n"] * CRUMBS, b"0\r\n\r\n"]
    (message,) = doorward(pieces).messages
    assert message.body == b"a" * CRUMBS


def test_many_answers_on_one_connection_do_not_add_up() -> None:
    made = connection()
    for number in range(40):  # heads that differ, so that none is recognised
        view = exchange(
            made, [OK + b"X: %d" % number + b"y" * 1000 + b"\r\nContent-Length: 0\r\n\r\n"], eof=False
        )
        assert view.end is End.OPEN
    assert made.clean
