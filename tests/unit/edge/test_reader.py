"""The reader, fed bytes: what is a request, what is refused, and that cutting the bytes changes neither."""

from itertools import pairwise

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.edge.head import Head
from doorward.edge.limits import HttpLimits, Refusal, Refused
from doorward.edge.reader import Awaits, RequestReader
from tests.unit.edge.refusals import REFUSED

LIMITS = HttpLimits(body_bytes=4096)
Seen = list[tuple[bytes, str, str, tuple[tuple[bytes, bytes], ...], bytes, tuple[int, int], bool]]


def read(pieces: list[bytes], limits: HttpLimits = LIMITS) -> tuple[Seen, Refusal | None]:
    """What a connection would hand over, and the refusal that ended it."""
    reader, seen = RequestReader(limits), []

    def keep(head: Head, body: bytes) -> None:
        fields = tuple(sorted(head.headers.items()))
        seen.append((head.method, head.path, head.query, fields, body, head.version, head.keep_alive))

    try:
        for piece in pieces:
            again = reader.whole(piece)
            if again is not None:
                keep(again, piece[len(piece) - again.length :])
                continue
            reader.feed(piece)
            while (found := reader.next()) is not None:
                keep(*found)
    except Refused as refused:
        return seen, refused.reason
    return seen, None


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[a:b] for a, b in pairwise(marks) if a < b]


POST = (
    b"POST /mcp/git?x=1&y=%20 HTTP/1.1\r\nHost: localhost:7420\r\nContent-Type: application/json\r\n"
    b"X-Many: a\r\nx-many:  b \r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello"
)
CHUNKED = (
    b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
)
H2C = (
    b"POST / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings, x-keep\r\nContent-Length: 2\r\nHost: a\r\n"
    b"HTTP2-Settings: AAEA\r\nUpgrade: h2c\r\n\r\nok"
)
GOOD = [
    POST,
    CHUNKED,
    H2C,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"DELETE /mcp HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    POST + POST + CHUNKED + POST,
    POST * 40,
]


def test_a_request_comes_apart_as_it_should() -> None:
    (request,), refused = read([POST])
    method, path, query, fields, body, version, keep_alive = request
    assert refused is None
    assert (method, path, query, body, version) == (b"POST", "/mcp/git", "x=1&y=%20", b"hello", (1, 1))
    assert keep_alive
    assert dict(fields) == {
        b"host": b"localhost:7420",
        b"content-type": b"application/json",
        b"x-many": b"a, b",
        b"empty": b"",
        b"content-length": b"5",
    }


def test_chunks_are_joined_and_trailers_dropped() -> None:
    (request,), refused = read([CHUNKED])
    assert refused is None
    assert request[4] == b"abc0123456789"
    assert b"x-sum" not in dict(request[3])


def test_an_offered_h2c_upgrade_is_ignored() -> None:
    (request,), refused = read([H2C])
    assert refused is None
    assert dict(request[3]) == {b"connection": b"x-keep", b"content-length": b"2", b"host": b"a"}
    assert request[4] == b"ok"


@pytest.mark.parametrize(
    ("line", "connection", "kept"),
    [
        (b"HTTP/1.1", None, True),
        (b"HTTP/1.1", b"close", False),
        (b"HTTP/1.1", b"x, Close", False),
        (b"HTTP/1.1", b"keep-alive, close", False),
        (b"HTTP/1.0", None, False),
        (b"HTTP/1.0", b"Keep-Alive", True),
        (b"HTTP/1.0", b"closed", False),
    ],
)
def test_who_keeps_the_connection(line: bytes, connection: bytes | None, kept: bool) -> None:
    field = b"Connection: " + connection + b"\r\n" if connection else b""
    ((*_, keep_alive),), _ = read([b"GET / " + line + b"\r\nHost: a\r\n" + field + b"\r\n"])
    assert keep_alive is kept


@pytest.mark.parametrize(("reason", "raw"), REFUSED)
def test_refused(reason: Refusal, raw: bytes) -> None:
    assert read([raw]) == ([], reason)


@pytest.mark.parametrize(("reason", "raw"), REFUSED)
def test_refused_byte_by_byte_for_the_same_reason(reason: Refusal, raw: bytes) -> None:
    assert read([raw[i : i + 1] for i in range(len(raw))]) == ([], reason)


@pytest.mark.parametrize(("reason", "raw"), REFUSED)
def test_refused_behind_a_good_request(reason: Refusal, raw: bytes) -> None:
    seen, refused = read([POST + raw])
    assert (len(seen), refused) == (1, reason)


@given(st.sampled_from(GOOD), st.lists(st.integers(0, 5000), max_size=6))
def test_cutting_changes_no_request(raw: bytes, places: list[int]) -> None:
    assert read(cut(raw, places)) == read([raw])


@pytest.mark.parametrize("raw", GOOD)
def test_bytes_one_by_one_change_no_request(raw: bytes) -> None:
    assert read([raw[i : i + 1] for i in range(len(raw))]) == read([raw])


PARTS = [
    b"GET", b"POST", b" ", b"/", b"*", b"?a", b"http://a/", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"\r\n",
    b"\n", b"\r", b"\r\n\r\n", b"Host: a\r\n", b"Host:", b"X: y\r\n", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: ", b"Upgrade: h2c\r\n", b"upgrade\r\n", b"close\r\n",
    b"Expect: x\r\n", b" z\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"5;x\r\n",
    b"Cookie: a\r\n", b"\0", b"\xff", b"\t", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=14).map(b"".join),
    st.lists(st.integers(0, 400), max_size=8),
)
@example(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ;x\r\n", [58])
@example(b"GET / HTTP/1.1\r\nX: \ny\r\n z\r\n\r\n", [20, 21, 24])
def test_cutting_changes_no_verdict(raw: bytes, places: list[int]) -> None:
    whole = read([raw])
    assert read(cut(raw, places)) == whole
    assert read([raw[i : i + 1] for i in range(len(raw))]) == whole


SMALL = HttpLimits(header_bytes=64, header_count=3, body_bytes=8)


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=20).map(b"".join),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_cutting_changes_no_verdict_under_tight_limits(raw: bytes, places: list[int]) -> None:
    assert read(cut(raw, places), SMALL) == read([raw], SMALL)


@pytest.mark.parametrize("path", [b"/a", b"/" + b"a" * 20])
def test_the_header_limit_is_exact(path: bytes) -> None:
    head = b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert len(read([head], HttpLimits(header_bytes=len(head)))[0]) == 1
    assert read([head], HttpLimits(header_bytes=len(head) - 1)) == ([], Refusal.HEADERS_TOO_LARGE)


def test_the_field_limit_counts_repeated_fields() -> None:
    def head(count: int) -> bytes:
        return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (count - 1) + b"\r\n"

    assert len(read([head(100)])[0]) == 1
    assert read([head(101)]) == ([], Refusal.HEADERS_TOO_MANY)


def test_the_body_limit_is_exact_and_comes_before_the_body() -> None:
    start = b"POST / HTTP/1.1\r\nHost: a\r\n"
    assert len(read([start + b"Content-Length: 4096\r\n\r\n" + b"x" * 4096])[0]) == 1
    assert read([start + b"Content-Length: 4097\r\n\r\n"]) == ([], Refusal.BODY_TOO_LARGE)
    coded = start + b"Transfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 2048 + b"\r\n"
    assert len(read([coded + b"800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n"])[0]) == 1
    assert read([coded + b"801\r\n"]) == ([], Refusal.BODY_TOO_LARGE)


def test_a_body_of_tiny_chunks_is_refused_early() -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1_000_000
    seen, reason = read([raw], HttpLimits())
    assert (seen, reason) == ([], Refusal.CHUNKS_TOO_SMALL)


def test_small_chunks_of_a_usual_body_are_fine() -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000
    ((*_, body, _, _),), reason = read([raw + b"0\r\n\r\n"])
    assert (len(body), reason) == (2000, None)


@pytest.mark.parametrize(
    ("size", "expected"), [(5, Refusal.CHUNKS_TOO_SMALL), (64, Refusal.CHUNKS_TOO_SMALL), (256, None)]
)
def test_no_body_is_made_of_so_many_chunks_that_reading_them_holds_the_loop(
    size: int, expected: Refusal | None
) -> None:
    """At 2 us a chunk: 256 KB, which is what one read brings, may not hold more than 2,500 of them."""
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * (2**20 // len(chunk))
    assert read([raw + b"0\r\n\r\n"], HttpLimits())[1] is expected


def test_a_repeated_head_is_shared_and_a_different_one_is_not() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n")
    first, second, third = reader.next(), reader.next(), reader.next()
    assert first is not None
    assert second is not None
    assert third is not None
    assert first[0] is second[0]
    assert third[0].headers == {b"host": b"b"}


LINES = [
    b"Host: a\r\n", b"Content-Length: 0\r\n", b"Content-Length: 3\r\n", b"content-length:12\r\n",
    b"Content-Length: 03\r\n", b"Content-Length: +3\r\n", b"Content-Length: 3 \r\n",
    b"Content-Length: 3x\r\n", b"Content-Length: 5000\r\n", b"Content-Length: 1111111111111111111\r\n",
    b"Content-Length: \r\n", b"X: y\r\n", b"X: \r\n", b"X: content-length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
]  # fmt: skip
HEADS = st.lists(st.sampled_from(LINES), min_size=1, max_size=4).map(
    lambda lines: b"POST / HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"
)


@given(st.permutations(LINES[:1] + LINES[-5:-3]), st.sampled_from(LINES[1:4]), HEADS, st.data())
def test_a_head_means_the_same_whatever_came_before(
    others: list[bytes], length: bytes, second: bytes, data: st.DataObject
) -> None:
    first = b"POST / HTTP/1.1\r\n" + b"".join([*others, length]) + b"\r\n"
    if data.draw(st.booleans()):
        second = first.replace(length, data.draw(st.sampled_from(LINES)))
    body = b"0\r\n\r\n" + b"x" * 20
    (seen, *_), _ = read([first + b"x" * int(length.split(b":")[1])])
    both, reason = read([first + seen[4] + second + body])
    alone, reason_alone = read([second + body])
    assert (both[1:], reason) == (alone, reason_alone)


def test_only_the_length_may_differ_from_the_last_head() -> None:
    reader = RequestReader(LIMITS)
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nX: y\r\n\r\n"
    found = []
    for size in (3, 0, 120, 3):
        reader.feed(post % size + b"b" * size)
        found.append(reader.next())
    assert [one and (one[0].length, one[1], one[0].headers[b"content-length"]) for one in found] == [
        (size, b"b" * size, b"%d" % size) for size in (3, 0, 120, 3)
    ]
    reader.feed(post % 5000)
    with pytest.raises(Refused) as refused:
        reader.next()
    assert refused.value.reason is Refusal.BODY_TOO_LARGE


def test_what_is_awaited() -> None:
    reader = RequestReader(LIMITS)
    states = []
    for piece in (
        b"",
        b"POST / HTTP/1.1\r\n",
        b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"a",
    ):
        reader.feed(piece)
        assert reader.next() is None
        states.append((reader.awaits, reader.continue_expected))
    assert states == [
        (Awaits.NOTHING, False),
        (Awaits.HEAD, False),
        (Awaits.BODY, True),
        (Awaits.BODY, True),
    ]
    reader.feed(b"b")
    assert reader.next() is not None
    assert reader.awaits is Awaits.NOTHING


NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(
    lambda name: name not in {"host", "connection", "upgrade", "expect", "te", "trailer"}
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@given(
    st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS"]),
    st.text("abcXYZ019/-._~%", max_size=20),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.binary(max_size=200),
    st.booleans(),
)
def test_agrees_with_h11(
    method: bytes, path: str, fields: list[tuple[str, str]], body: bytes, chunked: bool
) -> None:
    """Two parsers that share no code read the same request."""
    headers = [("host", "a"), *fields]
    headers.append(("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body))))
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    raw = client.send(h11.Request(method=method, target=b"/" + path.encode(), headers=headers)) or b""
    raw += client.send(h11.Data(data=body)) or b""
    raw += client.send(h11.EndOfMessage()) or b""
    server.receive_data(raw)
    theirs, data = None, b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Request):
            theirs = event
        elif isinstance(event, h11.Data):
            data += bytes(event.data)
    assert theirs is not None
    joined: dict[bytes, bytes] = {}
    for name, value in theirs.headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    ((seen_method, seen_path, _, seen_fields, seen_body, _, _),), reason = read([raw])
    assert reason is None
    assert (seen_method, seen_path.encode(), seen_body) == (theirs.method, theirs.target, data)
    assert dict(seen_fields) == joined


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=8), st.lists(st.integers(0, 2000), max_size=6))
def test_requests_that_differ_in_length_only_are_read_the_same_however_cut(
    bodies: list[bytes], places: list[int]
) -> None:
    requests = [POST.replace(b"Length: 5\r\n\r\nhello", b"Length: %d\r\n\r\n" % len(b)) + b for b in bodies]
    one_by_one, refused = read(requests)
    assert refused is None
    assert [one[4] for one in one_by_one] == bodies
    assert [dict(one[3])[b"content-length"] for one in one_by_one] == [b"%d" % len(b) for b in bodies]
    assert read(cut(b"".join(requests), places)) == (one_by_one, None)


def test_a_whole_request_under_a_known_head_may_not_be_too_large_either() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(POST)
    assert reader.next() is not None
    large = POST.replace(b"Length: 5\r\n\r\nhello", b"Length: 4097\r\n\r\n" + b"x" * 4097)
    assert reader.whole(large) is None
    reader.feed(large)
    with pytest.raises(Refused, match="body_too_large"):
        reader.next()


def test_a_memo_lasts_while_its_head_comes_again_and_is_nobody_elses() -> None:
    ours, theirs = RequestReader(LIMITS), RequestReader(LIMITS)
    for reader in (ours, theirs):
        reader.feed(POST)
    first, other = ours.next(), theirs.next()
    again = ours.whole(POST)
    longer = ours.whole(POST.replace(b"Length: 5", b"Length: 6") + b"!")
    assert first is not None
    assert other is not None
    assert again is not None
    assert longer is not None
    assert again.memo is first[0].memo
    assert longer.memo is first[0].memo
    assert other[0].memo is not first[0].memo


def test_what_is_kept_of_a_client_of_many_lengths_is_bounded() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(POST)
    assert reader.next() is not None
    for length in range(1000):
        found = reader.whole(
            POST.replace(b"Length: 5\r\n\r\nhello", b"Length: %d\r\n\r\n" % length) + b"x" * length
        )
        assert found is not None
        assert found.length == length
    assert len(reader._repeated._heads) <= 64
    assert len(reader._repeated.exact) <= 8


def test_a_head_that_came_before_another_one_is_read_anew() -> None:
    reader = RequestReader(LIMITS)
    other = POST.replace(b"\r\nContent", b"\r\nX-Other: 1\r\nContent")
    assert other != POST
    for raw in (POST, other):
        reader.feed(raw)
        assert reader.next() is not None
        assert reader.whole(raw) is not None

    assert reader.whole(POST) is None
