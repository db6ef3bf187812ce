"""The head of one HTTP/1.1 request, tokenised by llhttp and held to what llhttp lets pass.

Framing is ours: llhttp sees exactly one head, in a parser of its own, and never a byte of a body or of
the next request, so what it tolerates between messages cannot matter. Its lenient flags are never set. Rules:
RFC 9112 (HTTP/1.1), RFC 9110 (semantics), DESIGN section 4 ("The edge refuses").
"""

import re
from typing import Final

import httptools
import msgspec

from doorward.edge.limits import HttpLimits, Refusal, Refused

CHUNKED: Final = -1
END: Final = b"\r\n\r\n"
TLS_HANDSHAKE: Final = b"\x16"
"""Content type of a handshake record, the first byte of every TLS connection (RFC 8446 section 5.1)."""

_METHOD = rb"[A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*"
_REQUEST_LINE: Final = re.compile(
    rb"(%b) ((/[!\"$->@-~]*)(?:\?([!\"$-~]*))?|\*) HTTP/1\.([01])\r\n" % _METHOD
)
_ANY_REQUEST_LINE: Final = re.compile(rb"(%b) ([!-~]+)(?: HTTP/(\d)\.(\d))?\r\n" % _METHOD)
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~\-]+)(?::\d{1,5})?")
_BARE_NEWLINE: Final = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_FOLD: Final = re.compile(rb"\r\n[ \t]")
_OWS: Final = b" \t"
_HOP_OF_H2C: Final = frozenset({b"upgrade", b"http2-settings"})


class Memo:
    """A place for what a handler derives from a head, kept while its connection repeats that head.

    It is never shared between connections, so the peer's address may be part of what is derived.
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: object = None


class Head(msgspec.Struct, frozen=True, gc=False):
    """A head that keeps every rule. Shared by all requests that repeat its bytes: never change `headers`."""

    method: bytes
    target: bytes
    path: str
    query: str
    headers: dict[bytes, bytes]
    version: tuple[int, int]
    length: int
    """Bytes of body that follow, or CHUNKED."""
    keep_alive: bool
    expects_continue: bool
    memo: Memo = msgspec.field(default_factory=Memo)
    plain: bool = False
    """Whether a usual answer needs to say nothing of the connection, and has a body: a POST of HTTP/1.1."""


class _Fields:
    """Receives llhttp's callbacks."""

    __slots__ = ("fields", "padded", "repeated")

    def __init__(self, padded: bool) -> None:
        self.padded = padded
        """Whether some line ends in white space, which llhttp leaves to the value."""
        self.fields: dict[bytes, bytes] = {}
        self.repeated: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self.padded:
            value = value.rstrip(_OWS)
        if name in self.fields:
            self.repeated.append(name)
            value = self.fields[name] + b", " + value
        self.fields[name] = value


def parse_head(raw: bytes, limits: HttpLimits) -> Head:
    """The head whose bytes are `raw`, up to and including the empty line. Raises Refused.

    Header names are lower-cased; repeated fields are joined with ", " (RFC 9110 section 5.3). The path is not
    percent-decoded: what is compared with it is plain ASCII, and a second spelling would be a second door.
    """
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise Refused(_request_line_fault(raw))
    method, target, path, query, minor = line.groups()
    got = _Fields(b" \r\n" in raw or b"\t\r\n" in raw)
    try:
        httptools.HttpRequestParser(got).feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # Upgrade or CONNECT: both are looked at below
    except httptools.HttpParserInvalidMethodError:
        raise Refused(_newline_fault(raw) or Refusal.METHOD_UNKNOWN) from None
    except httptools.HttpParserError:
        raise Refused(_newline_fault(raw) or _field_fault(raw)) from None
    fields = got.fields
    count = len(fields) + len(got.repeated)
    if raw.count(b"\n") != count + 2:
        raise Refused(_newline_fault(raw) or Refusal.HEADER_MALFORMED)
    if count > limits.header_count:
        raise Refused(Refusal.HEADERS_TOO_MANY)
    if path is None and method != b"OPTIONS":
        raise Refused(Refusal.TARGET_FORM)
    if method == b"CONNECT":
        raise Refused(Refusal.CONNECT)
    _check_host(fields, got.repeated)
    if b"upgrade" in fields:
        _ignore_h2c(fields)
    http_1_1 = minor == b"1"
    keep_alive = _keeps_alive(fields.get(b"connection"), http_1_1)
    return Head(
        method,
        target,
        (path or target).decode("ascii"),
        query.decode("ascii") if query else "",
        fields,
        (1, 1) if http_1_1 else (1, 0),
        _body_length(fields, got.repeated, http_1_1),
        keep_alive,
        _expects_continue(fields.get(b"expect"), http_1_1),
        plain=keep_alive and http_1_1 and method == b"POST",
    )


def check_partial(seen: bytes | bytearray, checked: int) -> None:
    """Refuse at once what no further byte can mend.

    `seen` has no END yet; its first `checked` bytes were checked before. Without this a head without CR LF
    would be read until the time-out. What is refused here `parse_head` would refuse for the same reason,
    however the bytes were cut. Raises Refused.
    """
    fault = _first_byte_fault(seen)
    if fault is not None:
        raise Refused(fault)
    bare = _BARE_NEWLINE.search(seen, max(checked - 1, 0))
    line_end = seen.find(b"\r\n")
    if line_end >= 0 and checked < line_end + 2 and (bare is None or bare.start() > line_end):
        first = bytes(seen[: line_end + 2])
        if _REQUEST_LINE.match(first) is None:
            raise Refused(_request_line_fault(first))
    if bare is not None:
        raise Refused(Refusal.BARE_NEWLINE)


def oversized(seen: bytes | bytearray) -> Refusal:
    """Which part of a head outgrew the limit."""
    return Refusal.TARGET_TOO_LONG if seen.find(b"\r\n") < 0 else Refusal.HEADERS_TOO_LARGE


def _first_byte_fault(seen: bytes | bytearray) -> Refusal | None:
    """A request starts with a letter; anything else (a TLS ClientHello, say) need not be waited for."""
    if seen[:1].isalpha() or seen in (b"", b"\r"):
        return None
    if seen[:1] == TLS_HANDSHAKE:
        return Refusal.TLS
    is_newline = seen[:1] == b"\n" or (seen[:1] == b"\r" and seen[:2] != b"\r\n")
    return Refusal.BARE_NEWLINE if is_newline else Refusal.REQUEST_LINE_MALFORMED


def _request_line_fault(raw: bytes) -> Refusal:
    fault = _first_byte_fault(raw)
    if fault is not None:
        return fault
    if _BARE_NEWLINE.search(raw, 0, raw.find(b"\r\n") + 2):
        return Refusal.BARE_NEWLINE
    match = _ANY_REQUEST_LINE.match(raw)
    if match is None:
        return Refusal.REQUEST_LINE_MALFORMED
    method, _, major, minor = match.groups()
    if major is None or (major, minor) == (b"0", b"9"):
        return Refusal.HTTP_0_9
    if (major, minor) not in ((b"1", b"1"), (b"1", b"0")):
        return Refusal.VERSION_UNSUPPORTED
    return Refusal.CONNECT if method == b"CONNECT" else Refusal.TARGET_FORM


def _newline_fault(raw: bytes) -> Refusal | None:
    """Asked before any other fault is named, because `check_partial` meets it first."""
    if _BARE_NEWLINE.search(raw):
        return Refusal.BARE_NEWLINE
    return Refusal.HEADER_FOLDED if _FOLD.search(raw) else None


def _field_fault(raw: bytes) -> Refusal:
    """Name what llhttp objected to. Its own messages are no contract, so the lines are looked at again."""
    lines = [line.partition(b":") for line in raw.split(b"\r\n")[1:-2]]
    names = [name.lower() for name, _, _ in lines]
    if b"content-length" in names and b"transfer-encoding" in names:
        return Refusal.LENGTH_AND_ENCODING
    if names.count(b"content-length") > 1:
        return Refusal.LENGTH_REPEATED
    values = {name: value.strip(_OWS) for name, (_, _, value) in zip(names, lines, strict=True)}
    if not values.get(b"content-length", b"0").isdigit():
        return Refusal.LENGTH_MALFORMED
    if values.get(b"transfer-encoding", b"chunked") != b"chunked" or names.count(b"transfer-encoding") > 1:
        return Refusal.ENCODING_UNSUPPORTED
    return Refusal.HEADER_MALFORMED


def _check_host(fields: dict[bytes, bytes], repeated: list[bytes]) -> None:
    """RFC 9112 section 3.2; asked of HTTP/1.0 too, since the Host allow-list is what stops DNS rebinding."""
    host = fields.get(b"host")
    if host is None:
        raise Refused(Refusal.HOST_MISSING)
    if b"host" in repeated:
        raise Refused(Refusal.HOST_REPEATED)
    if _HOST.fullmatch(host) is None:
        raise Refused(Refusal.HOST_MALFORMED)


def _ignore_h2c(fields: dict[bytes, bytes]) -> None:
    """Take an offered h2c upgrade out of the head (RFC 9110 section 7.8: a server may ignore it)."""
    if fields.pop(b"upgrade").lower() != b"h2c":
        raise Refused(Refusal.UPGRADE)
    fields.pop(b"http2-settings", None)
    tokens = [token.strip(_OWS) for token in fields.pop(b"connection", b"").split(b",")]
    kept = [token for token in tokens if token and token.lower() not in _HOP_OF_H2C]
    if kept:
        fields[b"connection"] = b", ".join(kept)


def _body_length(fields: dict[bytes, bytes], repeated: list[bytes], http_1_1: bool) -> int:
    """RFC 9112 section 6.3, without the cases in which a server would have to guess."""
    length = fields.get(b"content-length")
    encoding = fields.get(b"transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise Refused(Refusal.LENGTH_AND_ENCODING)
        if not http_1_1:
            raise Refused(Refusal.ENCODING_ON_HTTP_1_0)
        if encoding != b"chunked":
            raise Refused(Refusal.ENCODING_UNSUPPORTED)
        return CHUNKED
    if length is None:
        return 0
    if b"content-length" in repeated:
        raise Refused(Refusal.LENGTH_REPEATED)
    if not length.isdigit() or len(length) > 18:
        raise Refused(Refusal.LENGTH_MALFORMED)
    return int(length)


def _keeps_alive(connection: bytes | None, http_1_1: bool) -> bool:
    """RFC 9112 section 9.3."""
    if connection is None:
        return http_1_1
    tokens = {token.strip(_OWS).lower() for token in connection.split(b",")}
    return b"close" not in tokens and (http_1_1 or b"keep-alive" in tokens)


def _expects_continue(expect: bytes | None, http_1_1: bool) -> bool:
    """RFC 9110 section 10.1.1: from HTTP/1.0 the expectation is ignored."""
    if expect is None or not http_1_1:
        return False
    if expect.lower() != b"100-continue":
        raise Refused(Refusal.EXPECTATION)
    return True
