"""Requests by the thousand: what RFC 9112 leaves to interpretation, and what attackers have made of it.

Systematic, not random: every byte at every place that matters, every pair of framing fields, every line end
in every form. Behind nearly each stands a second request, so that a parser that ends a message elsewhere
shows it.
"""

from collections.abc import Iterator
from itertools import product

SECOND = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
EVERY_BYTE = tuple(bytes([byte]) for byte in range(256))
LINE_ENDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r",
    b"\n\n",
    b" \r\n",
    b"\t\r\n",
    b"\0\r\n",
    b"\x0b\r\n",
    b"",
)
SPACES = (b" ", b"", b"  ", b"\t", b" \t", b"\x0b", b"\x0c", b"\r", b"\n", b"\0", b"\xa0", b"\x85")

METHODS = (
    b"GET", b"POST", b"DELETE", b"OPTIONS", b"HEAD", b"PUT", b"PATCH", b"TRACE", b"CONNECT", b"PRI", b"get",
    b"Get", b"QUERY", b"M-SEARCH", b"PROPFIND", b"LINK", b"SOURCE", b"G", b"GE T", b"GET/", b"G\0T",
    b"\xc7ET", b"", b"!", b"123", b"_GET", b"GETT", b"DESCRIBE", b"ANNOUNCE", b"PLAY",
)  # fmt: skip
TARGETS = (
    b"/", b"*", b"", b"//", b"//a/b", b"/a?b", b"/?", b"/a??b?c", b"/a#b", b"/?a#b", b"#", b"?", b"a",
    b"a/b", b"a:80", b"http://a/", b"HTTP://a/", b"http:/a", b"http://a", b"http://b/", b"https://a/",
    b"file:///etc", b"/http://a/", b"/%", b"/%0", b"/%00", b"/%2e%2e/", b"/../", b"/./", b"/%0d%0aX:%20y",
    b"/%zz", b"/a b", b"/a\tb", b"/a\0b", b"/\xc3\xa9", b"/\xff", b"/\x7f", b"/\"<>", b"/[]{}|\\^`", b"\\",
    b"/\\", b"/;a=b", b"/a;b?c;d", b"/" + b"a" * 300, b"/?" + b"q=%41&" * 50, b"/*", b"**", b"*/", b"/a@b",
    b"@", b"/:80", b"[::1]:80", b"/!$&'()*+,;=",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/2", b"HTTP/1", b"HTTP/1.",
    b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/11", b"HTTP/1,1", b"http/1.1", b"Http/1.1",
    b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1 .1", b"HTTP/1.1.1", b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP/1.1 x",
    b"ICE/1.0", b"RTSP/1.0", b"HTTPS/1.1", b"", b"HTTP/", b"HTTP/9.9", b"HTTP/1.\xb9", b"HTTP/\xd9\xa1.1",
)  # fmt: skip

LENGTHS = (
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 05", b"Content-Length: 005",
    b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 5 ", b"Content-Length:5",
    b"Content-Length:  5", b"Content-Length:\t5", b"Content-Length : 5", b"Content-Length\t: 5",
    b" Content-Length: 5", b"Content-Length: 5,5", b"Content-Length: 5, 5", b"Content-Length: 5;",
    b"Content-Length: 0x5", b"Content-Length: 5e0", b"Content-Length: 5.0", b"Content-Length: \"5\"",
    b"Content-Length:", b"Content-Length: ", b"Content-Length", b"content-length: 5", b"CONTENT-LENGTH: 5",
    b"Content_Length: 5", b"Content-Length: 1_0", b"Content-Length: \xb2", b"Content-Length: 5\x0b",
    b"Content-Length: 5\0", b"Content-Length: 99999999999999999999", b"Content-Length: 18446744073709551621",
    b"Content-Length: 4294967301", b"Content-Length: 0000000000000000005",
    b"Content-Length: 00000000000000000000005", b"Content-Length: 5 5", b"Content-Length: 3",
    b"Content-Length: 6", b"X: y\r\n Content-Length: 5", b"Content-Length:\r\n 5", b"Content-Length: 5\r\n ",
    b"Content-Length: 5\nX: y", b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5",
)  # fmt: skip
ENCODINGS = (
    b"Transfer-Encoding: chunked", b"transfer-encoding: chunked", b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: CHUNKED", b"Transfer-Encoding:chunked", b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: chunked ", b"Transfer-Encoding:  chunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx", b"Transfer-Encoding: x chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip",
    b"Transfer-Encoding:", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\0", b"Transfer-Encoding: \xa0chunked",
    b"Transfer_Encoding: chunked", b"Transfer-Encoding: chun\r\n ked", b"Transfer-Encoding:\r\n chunked",
    b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked", b"Transfer-Encoding: cow", b"Transfer-Encoding: chunked\nX: y",
    b"TE: chunked", b"Transfer-Encoding;: chunked", b"\0Transfer-Encoding: chunked",
    b"Transfer-Encoding\0: chunked", b"X:\nTransfer-Encoding: chunked",
    b"X: X\n\nTransfer-Encoding: chunked", b"Transfer-Encoding: c\xe9hunked", b"Trailer: x", b"Foo: bar",
)  # fmt: skip
HOSTS = (
    b"Host: a", b"Host: a:80", b"Host: a:", b"Host: :80", b"Host:", b"Host: ", b"Host: a b", b"Host: a, b",
    b"Host: a:x", b"Host: a:999999", b"Host: [::1]", b"Host: [::1", b"Host: ::1", b"Host: [::1]:80",
    b"Host: u@a", b"Host: a/b", b"Host: a?b", b"Host: a#b", b"Host: http://a", b"Host: a\0",
    b"Host: \xc3\xa9", b"Host: a\tb", b"Host: A", b"Host: a.", b"Host: .", b"Host: a_b", b"Host: a%41",
    b"Host: a\\b", b"Host: *", b"host: a", b"HOST:a", b"Host : a", b" Host: a", b"X: y",
    b"Host: a\r\nHost: a", b"Host: a\r\nHost: b", b"Host: a\r\nhost: a", b"Host:\r\n a", b"Host: a\r\n b",
    b"Host: 127.0.0.1", b"Host: 0x7f.1", b"Host: [v1.a]", b"Host: [::1%25eth0]", b"Host: -", b"Host: ~",
)  # fmt: skip
SIZES = (
    b"5", b"05", b"0005", b"00000005", b"000000005", b"0000000000000000000005", b"5 ", b" 5", b"\t5", b"5\t",
    b"+5", b"-5", b"0x5", b"5h", b"5;", b"5;x", b"5;x=y", b"5;x=\"y\"", b"5; x", b"5 ;x", b"5;\xff", b"5;\0",
    b"5;\n", b"5;x\r", b"5;\"\r\n\"", b"5,", b"5.0", b"5_", b"_5", b"5 5", b"", b"g", b"6", b"4",
    b"100000005", b"10000000000000005", b"FFFFFFFFFFFFFFFB", b"fffffffffffffffff", b"-1", b"\xb5", b"5\x0b",
    b"5\x0c", b"5\x00", b"\"5\"", b"5e", b"0", b"00", b"0;x", b"0 ",
)  # fmt: skip
TRAILERS = (
    b"X: y", b"X:y", b"X : y", b"X", b": y", b" X: y", b"X: y\r\n z", b"Content-Length: 5",
    b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x", b"X: \0", b"X: \xff", b"X\0: y",
    b"X: y\nZ: a", b"X: y\rZ: a", b"X: a\x7fb", b"X: \x01", b"Connection: close", b"Upgrade: h2c", b"X:",
    b"X: y ", b"X\xff: y", b"X(: y", b"GET / HTTP/1.1", b"X: y\r\nZ: a",
)  # fmt: skip
CONNECTIONS = (
    b"Connection: close", b"Connection: Close", b"Connection: keep-alive", b"Connection: keep-alive, close",
    b"Connection: x", b"Connection: close, x", b"Connection:", b"Connection: ,", b"Connection: closed",
    b"Connection: \"close\"", b"Connection: close\r\nConnection: keep-alive", b"Connection: content-length",
    b"Connection: host", b"Connection: transfer-encoding", b"Proxy-Connection: close",
    b"Keep-Alive: timeout=1", b"Connection: upgrade", b"Connection: close ;", b"Connection: clo se",
    b"Connection: x\r\nConnection: close", b"Connection: keep-alive,x",
)  # fmt: skip
UPGRADES = (
    b"Upgrade: h2c", b"Upgrade: H2C", b"Upgrade: websocket", b"Upgrade: h2c, x", b"Upgrade:",
    b"Upgrade: h2c\r\nUpgrade: h2c", b"Connection: upgrade\r\nUpgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA",
    b"Connection: upgrade\r\nUpgrade: websocket", b"Connection: close, upgrade\r\nUpgrade: h2c",
    b"HTTP2-Settings: AAEA", b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: x", b"Expect:",
    b"Expect: 100-continue, x", b"Expect: 100-continue\r\nExpect: 100-continue",
)  # fmt: skip
BODIES = (b"hello", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"")


def request(
    *lines: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1", then: bytes = SECOND
) -> bytes:
    """One request with these field lines, and what follows it."""
    return b"".join((line, b"\r\n", *(one + b"\r\n" for one in lines), b"\r\n", body, then))


def chunked(body: bytes, then: bytes = SECOND) -> bytes:
    return request(b"Host: a", b"Transfer-Encoding: chunked", body=body, then=then)


def request_lines() -> Iterator[bytes]:
    for line in product(METHODS, TARGETS[:3], VERSIONS[:2]):
        yield request(b"Host: a", line=b" ".join(line))
    for target, version in product(TARGETS, VERSIONS[:2]):
        for method in (b"GET", b"OPTIONS", b"CONNECT"):
            yield request(b"Host: a", line=b" ".join((method, target, version)))
    for version in VERSIONS:
        yield request(b"Host: a", line=b"GET / " + version)
        yield request(line=b"GET / " + version)
        yield request(b"Host: a", b"Transfer-Encoding: chunked", line=b"POST / " + version, body=BODIES[2])
    for one, two in product(SPACES, SPACES):
        yield request(b"Host: a", line=b"GET" + one + b"/" + two + b"HTTP/1.1")
    for end in LINE_ENDS:
        yield b"GET / HTTP/1.1" + end + b"Host: a\r\n\r\n" + SECOND
        yield end + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + SECOND
        yield b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + end + SECOND
    for byte in EVERY_BYTE:
        yield request(b"Host: a", line=b"GE" + byte + b" / HTTP/1.1")
        yield request(b"Host: a", line=b"GET /a" + byte + b"b HTTP/1.1")
        yield request(b"Host: a", line=b"GET /?" + byte + b" HTTP/1.1")
        yield request(b"Host: a", line=b"GET / HTTP/1.1" + byte)
        yield byte + SECOND
        yield request(b"Host: a", then=byte + SECOND, line=b"GET / HTTP/1.1")


def field_lines() -> Iterator[bytes]:
    for byte in EVERY_BYTE:
        for line in (
            b"%bX: y",
            b"X%b: y",
            b"X%bY: y",
            b"X:%by",
            b"X: %by",
            b"X: a%bb",
            b"X: y%b",
            b"X: %b",
            b"%b",
            b"%b: y",
        ):
            yield request(b"Host: a", line % byte, line=b"GET / HTTP/1.1")
        for line in (b"Host: a%b", b"Host: %ba", b"Host%b: a", b"Host:%ba", b"Host: a%bb"):
            yield request(line % byte, line=b"GET / HTTP/1.1")
    for host, version in product(HOSTS, VERSIONS[:2]):
        yield request(host, line=b"GET / " + version)
        yield request(host, b"Content-Length: 5", body=b"hello", line=b"POST http://b/ " + version)
    for end in LINE_ENDS:
        yield b"GET / HTTP/1.1\r\nHost: a" + end + b"\r\n" + SECOND
        yield b"GET / HTTP/1.1\r\nHost: a\r\nX: y" + end + b"Y: z\r\n\r\n" + SECOND
        yield b"GET / HTTP/1.1\r\nHost: a\r\nX:" + end + b"Y: z\r\n\r\n" + SECOND
        yield b"GET / HTTP/1.1\r\nHost: a\r\nX" + end + b": z\r\n\r\n" + SECOND
        yield b"GET / HTTP/1.1\r\nHost: a\r\n" + end + SECOND
        yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" + end + b"hello" + SECOND
    for line in (*CONNECTIONS, *UPGRADES):
        for version in VERSIONS[:2]:
            yield request(b"Host: a", line, b"Content-Length: 5", body=b"hello", line=b"POST / " + version)
            yield request(b"Host: a", line, line=b"GET / " + version)
            yield request(
                b"Host: a", line, b"Transfer-Encoding: chunked", body=BODIES[2], line=b"POST / " + version
            )
    for count in (10, 98, 99, 100, 101, 500):
        yield request(b"Host: a", *(b"X-%d: y" % number for number in range(count)))
    for size in (1000, 8000, 16000, 30000, 33000):
        yield request(b"Host: a", b"X: " + b"y" * size)
        yield request(b"Host: a", b"X" * size + b": y")
        yield request(b"Host: a", line=b"GET /" + b"a" * size + b" HTTP/1.1")


def framing() -> Iterator[bytes]:
    for line, body in product((*LENGTHS, *ENCODINGS), BODIES):
        yield request(b"Host: a", line, body=body)
        yield request(b"Host: a", line, body=body, line=b"GET / HTTP/1.1")
        yield request(b"Host: a", line, body=body, line=b"POST / HTTP/1.0")
    for length, encoding in product(LENGTHS, ENCODINGS):
        yield request(b"Host: a", length, encoding, body=BODIES[2])
        yield request(b"Host: a", encoding, length, body=BODIES[1])
    for one, two in product(LENGTHS, LENGTHS):
        yield request(b"Host: a", one, two, body=BODIES[0])
    for one, two in product(ENCODINGS, ENCODINGS):
        yield request(b"Host: a", one, two, body=BODIES[2])
    for byte in EVERY_BYTE:
        for line in (
            b"Content-Length:%b5",
            b"Content-Length: %b5",
            b"Content-Length: 5%b",
            b"Content-Length%b: 5",
            b"%bContent-Length: 5",
        ):
            yield request(b"Host: a", line % byte, body=b"hello")
        for line in (
            b"Transfer-Encoding:%bchunked", b"Transfer-Encoding: %bchunked", b"Transfer-Encoding: chunked%b",
            b"Transfer-Encoding%b: chunked", b"%bTransfer-Encoding: chunked", b"Transfer%bEncoding: chunked",
        ):  # fmt: skip
            yield request(b"Host: a", line % byte, body=BODIES[2])


def chunks() -> Iterator[bytes]:
    for size, end in product(SIZES, LINE_ENDS):
        yield chunked(size + end + b"hello\r\n0\r\n\r\n")
        yield chunked(b"3\r\nabc\r\n" + size + end + b"hello\r\n0\r\n\r\n")
    for one, two, three in product(LINE_ENDS, repeat=3):
        yield chunked(b"5\r\nhello" + one + b"0" + two + three)
    for trailer, end in product(TRAILERS, LINE_ENDS):
        yield chunked(b"5\r\nhello\r\n0\r\n" + trailer + end + b"\r\n")
        yield chunked(b"0\r\n" + trailer + b"\r\n" + end)
    for byte in EVERY_BYTE:
        for body in (
            b"%b5\r\nhello\r\n0\r\n\r\n", b"5%b\r\nhello\r\n0\r\n\r\n", b"5\r%b\nhello\r\n0\r\n\r\n",
            b"5\r\nhello%b\r\n0\r\n\r\n", b"5\r\nhello\r%b\n0\r\n\r\n", b"5\r\nhello\r\n%b0\r\n\r\n",
            b"5\r\nhello\r\n0%b\r\n\r\n", b"0\r\nX%b: y\r\n\r\n", b"0\r\nX: y%b\r\n\r\n", b"0\r\n%b\r\n",
            b"5;x%b\r\nhello\r\n0\r\n\r\n",
        ):  # fmt: skip
            yield chunked(body % byte)
    for count in (1, 2, 50, 500):
        yield chunked(b"1\r\na\r\n" * count + b"0\r\n\r\n")
        yield chunked(b"0\r\n" + b"X: y\r\n" * count + b"\r\n")


def pipelines() -> Iterator[bytes]:
    post = request(b"Host: a", b"Content-Length: 5", body=b"hello", then=b"")
    parts = (
        post,
        chunked(BODIES[2], b""),
        SECOND,
        post.replace(b"1.1", b"1.0"),
        b"\r\n" + post,
        b"\n" + post,
        post + b"\r\n",
    )
    for several in product(parts, repeat=3):
        yield b"".join(several)
    for whole in (post + SECOND, chunked(BODIES[2])):
        for end in range(len(whole)):
            yield whole[:end]
    yield SECOND * 100


def corpus() -> list[bytes]:
    """All of them, each once, in a fixed order."""
    return list(
        dict.fromkeys(
            one for part in (request_lines, field_lines, framing, chunks, pipelines) for one in part()
        )
    )
