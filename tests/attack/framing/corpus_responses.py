"""Answers by the thousand, made as `corpus` makes requests: what a server or somebody between may send."""

from collections.abc import Iterator
from itertools import product

from tests.attack.framing.corpus import (
    BODIES,
    ENCODINGS,
    EVERY_BYTE,
    LENGTHS,
    LINE_ENDS,
    SIZES,
    SPACES,
    TRAILERS,
    VERSIONS,
)

NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
STATUSES = (
    b"200", b"201", b"204", b"205", b"206", b"301", b"304", b"400", b"401", b"404", b"500", b"503", b"599",
    b"600", b"999", b"000", b"099", b"100", b"101", b"102", b"103", b"199", b"20", b"2", b"2000", b"",
    b"abc", b"2x0", b"+20", b"-20", b"0x2", b" 200", b"20 0", b"2\xb20", b"200.1",
)  # fmt: skip
REASONS = (
    b" OK",
    b"",
    b" ",
    b"  OK",
    b"\tOK",
    b" \xc3\xa9",
    b" a\0b",
    b" a\x01b",
    b" a\x7fb",
    b" a\rb",
    b" " + b"x" * 300,
    b"OK",
    b" a\tb",
)
KINDS = (
    b"Content-Type: application/json", b"Content-Type: text/event-stream",
    b"Content-Type: text/event-stream\r\nContent-Length: 5",
    b"Content-Type: a\r\nContent-Type: text/event-stream", b"Connection: close", b"Connection: keep-alive",
    b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: websocket\r\nConnection: upgrade",
    b"Content-Encoding: gzip", b"Content-Encoding: identity", b"Keep-Alive: timeout=5", b"Trailer: X",
    b"Proxy-Connection: close", b"Connection: close, upgrade\r\nUpgrade: h2c",
    b"Connection: close\r\nConnection: keep-alive", b"Content-Range: bytes 0-4/9",
    b"Set-Cookie: a\r\nSet-Cookie: b",
)  # fmt: skip


def response(*lines: bytes, body: bytes = b"", line: bytes = b"HTTP/1.1 200 OK", then: bytes = b"") -> bytes:
    """One answer with these field lines, and what follows it."""
    return b"".join((line, b"\r\n", *(one + b"\r\n" for one in lines), b"\r\n", body, then))


def chunked(body: bytes, then: bytes = b"") -> bytes:
    return response(b"Transfer-Encoding: chunked", body=body, then=then)


def status_lines() -> Iterator[bytes]:
    for status, reason in product(STATUSES, REASONS[:5]):
        for line in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"):
            body = BODIES[2] if line.startswith(b"T") else BODIES[0]
            yield response(line, body=body, line=b"HTTP/1.1 " + status + reason)
            yield response(line, line=b"HTTP/1.1 " + status + reason, then=NEXT)
    for reason in REASONS:
        yield response(b"Content-Length: 5", body=b"hello", line=b"HTTP/1.1 200" + reason)
    for version, line in product(
        VERSIONS, (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: keep-alive")
    ):
        yield response(line, body=BODIES[2], line=version + b" 200 OK")
        yield response(line, body=BODIES[0], line=version + b" 200 OK")
    for space in SPACES:
        yield response(b"Content-Length: 5", body=b"hello", line=b"HTTP/1.1" + space + b"200 OK")
        yield response(b"Content-Length: 5", body=b"hello", line=b"HTTP/1.1 200" + space + b"OK")
    for byte in EVERY_BYTE:
        for line in (
            b"HTTP/1.1 20%b OK",
            b"HTTP/1.1 200%bOK",
            b"HTTP/1.1 200 O%b",
            b"%bHTTP/1.1 200 OK",
            b"HTTP/1.%b 200 OK",
            b"HTT%b/1.1 200 OK",
        ):
            yield response(b"Content-Length: 5", body=b"hello", line=line % byte)


def field_lines() -> Iterator[bytes]:
    for byte in EVERY_BYTE:
        for line in (
            b"%bX: y",
            b"X%b: y",
            b"X%bY: y",
            b"X:%by",
            b"X: a%bb",
            b"X: y%b",
            b"X: %b",
            b"%b",
            b"%b: y",
            b"Content-Type: %ba",
        ):
            yield response(line % byte, b"Content-Length: 5", body=b"hello")
            yield response(b"Content-Length: 5", line % byte, body=b"hello")
    for end in LINE_ENDS:
        yield b"HTTP/1.1 200 OK" + end + b"Content-Length: 5\r\n\r\nhello"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 5" + end + b"\r\nhello"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + end + b"hello"
        yield b"HTTP/1.1 200 OK\r\nX: y" + end + b"Content-Length: 5\r\n\r\nhello"
        yield b"HTTP/1.1 200 OK\r\nX:" + end + b"Content-Length: 5\r\n\r\nhello"
        yield end + response(b"Content-Length: 5", body=b"hello")
        yield response(b"Content-Length: 5", body=b"hello", then=end)
        yield response(b"Content-Length: 5", body=b"hello", then=end + NEXT)
    for kind, version in product(KINDS, (b"HTTP/1.1", b"HTTP/1.0")):
        for line, body in (
            (b"Content-Length: 5", BODIES[0]),
            (b"Transfer-Encoding: chunked", BODIES[2]),
            (b"X: y", BODIES[0]),
        ):
            yield response(kind, line, body=body, line=version + b" 200 OK")
            yield response(kind, line, body=body, line=version + b" 200 OK", then=NEXT)
            yield response(kind, line, body=body, line=version + b" 101 Switching Protocols", then=NEXT)
    for count in (10, 99, 100, 101, 300):
        yield response(*(b"X-%d: y" % number for number in range(count)), b"Content-Length: 5", body=b"hello")
    for size in (1000, 8000, 31000, 33000):
        yield response(b"X: " + b"y" * size, b"Content-Length: 5", body=b"hello")


def framing() -> Iterator[bytes]:
    for line, body, then in product((*LENGTHS, *ENCODINGS), BODIES, (b"", NEXT)):
        yield response(line, body=body, then=then)
        yield response(line, body=body, line=b"HTTP/1.0 200 OK", then=then)
        yield response(line, body=body, line=b"HTTP/1.1 204 No Content", then=then)
        yield response(line, body=body, line=b"HTTP/1.1 304 Not Modified", then=then)
    for length, encoding in product(LENGTHS, ENCODINGS):
        yield response(length, encoding, body=BODIES[2])
        yield response(encoding, length, body=BODIES[1])
    for one, two in product(LENGTHS, LENGTHS):
        yield response(one, two, body=BODIES[0])
    for one, two in product(ENCODINGS, ENCODINGS):
        yield response(one, two, body=BODIES[2])
    for byte in EVERY_BYTE:
        for line in (
            b"Content-Length:%b5",
            b"Content-Length: 5%b",
            b"Content-Length%b: 5",
            b"%bContent-Length: 5",
        ):
            yield response(line % byte, body=b"hello")
        for line in (
            b"Transfer-Encoding:%bchunked",
            b"Transfer-Encoding: chunked%b",
            b"Transfer-Encoding%b: chunked",
            b"%bTransfer-Encoding: chunked",
        ):
            yield response(line % byte, body=BODIES[2])


def chunks() -> Iterator[bytes]:
    for size, end in product(SIZES, LINE_ENDS):
        yield chunked(size + end + b"hello\r\n0\r\n\r\n")
        yield chunked(b"3\r\nabc\r\n" + size + end + b"hello\r\n0\r\n\r\n", NEXT)
    for one, two, three in product(LINE_ENDS, repeat=3):
        yield chunked(b"5\r\nhello" + one + b"0" + two + three)
    for trailer, end in product(TRAILERS, LINE_ENDS):
        yield chunked(b"5\r\nhello\r\n0\r\n" + trailer + end + b"\r\n")
    for byte in EVERY_BYTE:
        for body in (
            b"%b5\r\nhello\r\n0\r\n\r\n", b"5%b\r\nhello\r\n0\r\n\r\n", b"5\r%b\nhello\r\n0\r\n\r\n",
            b"5\r\nhello%b\r\n0\r\n\r\n", b"5\r\nhello\r%b\n0\r\n\r\n", b"5\r\nhello\r\n%b0\r\n\r\n",
            b"5\r\nhello\r\n0%b\r\n\r\n", b"0\r\nX%b: y\r\n\r\n", b"0\r\nX: y%b\r\n\r\n", b"0\r\n%b\r\n",
            b"5;x%b\r\nhello\r\n0\r\n\r\n",
        ):  # fmt: skip
            yield chunked(body % byte)


def sequences() -> Iterator[bytes]:
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n",
    )
    finals = (
        response(b"Content-Length: 5", body=b"hello"), chunked(BODIES[2]), response(body=b"until close"),
        response(line=b"HTTP/1.1 204 No Content"), NEXT,
    )  # fmt: skip
    for first, second, final in product((b"", *interim), interim, finals):
        yield first + second + final
        yield first + second + final + NEXT
    for whole in finals:
        for end in range(len(whole) + 1):
            yield whole[:end]


def corpus() -> list[bytes]:
    """All of them, each once, in a fixed order."""
    return list(
        dict.fromkeys(
            one for part in (status_lines, field_lines, framing, chunks, sequences) for one in part()
        )
    )
