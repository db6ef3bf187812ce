"""The chunked coding of a request body, decoded strictly (RFC 9112 section 7.1). No I/O."""

import re
from typing import Final

from doorward.edge.limits import HttpLimits, Refusal, Refused

_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_EXTENDED: Final = re.compile(rb"[0-9A-Fa-f]{1,8}[ \t;]")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t -~\x80-\xff]*")
_SIZE_LINE: Final = 10  # eight digits, CR LF
_SMALL: Final = 1024
_FREE_FRAMING: Final = 10 * 1024
_CONTENT: Final = 32
"""Bytes of content that must come for each byte of framing beyond `_FREE_FRAMING`: a chunk costs 2 us,
whatever it holds, and one read may bring 50,000 of them. So no read holds the loop for more than 5 ms."""

FORBIDDEN_TRAILERS: Final = frozenset(
    {
        b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-doorward-key", b"x-api-key",
        b"www-authenticate", b"proxy-authenticate", b"dpop", b"host", b"origin", b"content-length",
        b"transfer-encoding", b"content-type", b"content-encoding", b"connection", b"trailer", b"te",
        b"upgrade", b"expect", b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name",
    }
)  # fmt: skip
"""Credentials, and fields that framing, routing or era depend on (RFC 9110 section 6.5.1)."""


class ChunkDecoder:
    """One body. Feed it what arrives until `done`; then `body()` and `rest` are final."""

    __slots__ = (
        "_at", "_body", "_framing", "_input", "_limits", "_need", "_trailer_start", "_trailers_seen", "done",
    )  # fmt: skip

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._input = bytearray()
        self._at = 0
        self._body = bytearray()
        self._need = 0
        """Bytes of the chunk at hand and its CR LF that are still to come; 0 before a size line."""
        self._framing = 0
        self._trailer_start: int | None = None
        self._trailers_seen = 0
        self.done = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take more bytes. Raises Refused, for the same reason however the bytes are cut."""
        self._input += data
        while self._trailer_start is None and self._step():
            pass
        if self._trailer_start is not None:
            self._trailers(self._trailer_start)
        elif self._at:
            del self._input[: self._at]
            self._at = 0

    @property
    def held(self) -> int:
        """Bytes kept so far."""
        return len(self._body) + len(self._input)

    def body(self) -> bytes:
        return bytes(self._body)

    @property
    def rest(self) -> bytes:
        """What followed the body; belongs to the next request."""
        return bytes(self._input[self._at :]) if self.done else b""

    def _step(self) -> bool:
        """Read a size line or some of a chunk; False when more bytes are needed."""
        return self._data() if self._need else self._size()

    def _size(self) -> bool:
        end = self._input.find(b"\n", self._at, self._at + _SIZE_LINE)
        if end < 0:
            self._check_partial_size()
            return False
        line = bytes(self._input[self._at : end + 1])
        if line[-2:] != b"\r\n" or _SIZE.fullmatch(line[:-2]) is None:
            raise Refused(_size_fault(line))
        size = int(line[:-2], 16)
        self._at = end + 1
        if size == 0:
            self._trailer_start = self._at
            return False
        self._framing += len(line) + 2
        if len(self._body) + size > self._limits.body_bytes:
            raise Refused(Refusal.BODY_TOO_LARGE)
        if self._framing > _FREE_FRAMING + len(self._body) // _CONTENT:
            raise Refused(Refusal.CHUNKS_TOO_SMALL)
        stop = self._at + size
        if size <= _SMALL and self._input[stop : stop + 2] == b"\r\n":  # all of it is here: half the price
            self._body += self._input[self._at : stop]
            self._at = stop + 2
        else:
            self._need = size + 2
        return True

    def _check_partial_size(self) -> None:
        """Refuse a size line that cannot become valid."""
        line = bytes(self._input[self._at : self._at + _SIZE_LINE])
        digits = line.removesuffix(b"\r")
        if len(line) == _SIZE_LINE or (line and _SIZE.fullmatch(digits) is None):
            raise Refused(_size_fault(line))

    def _data(self) -> bool:
        have = len(self._input) - self._at
        if self._need > 2:
            take = min(have, self._need - 2)
            with memoryview(self._input) as view:
                self._body += view[self._at : self._at + take]
            self._at += take
            self._need -= take
            have -= take
        if self._need > 2 or have == 0:
            return False
        if have < 2:
            if self._input[self._at] != 0x0D:
                raise Refused(Refusal.CHUNK_MALFORMED)
            return False
        if self._input[self._at : self._at + 2] != b"\r\n":
            raise Refused(Refusal.CHUNK_MALFORMED)
        self._at += 2
        self._need = 0
        return True

    def _trailers(self, start: int) -> None:
        """Check and drop trailer fields, line by line, up to the empty line."""
        limit = start + self._limits.header_bytes
        while not self.done:
            end = self._input.find(b"\n", self._at, limit)
            if end < 0:
                if len(self._input) >= limit:
                    raise Refused(Refusal.TRAILERS_TOO_LARGE)
                return
            line = bytes(self._input[self._at : end + 1])
            self._at = end + 1
            if line == b"\r\n":
                self.done = True
                return
            self._trailers_seen += 1
            if self._trailers_seen > self._limits.header_count:
                raise Refused(Refusal.TRAILERS_TOO_LARGE)
            field = _FIELD.fullmatch(line[:-2]) if line[-2:] == b"\r\n" else None
            if field is None:
                raise Refused(Refusal.TRAILER_MALFORMED)
            if field[1].lower() in FORBIDDEN_TRAILERS:
                raise Refused(Refusal.TRAILER_FORBIDDEN)


def _size_fault(line: bytes) -> Refusal:
    return Refusal.CHUNK_EXTENSION if _EXTENDED.match(line) else Refusal.CHUNK_MALFORMED
