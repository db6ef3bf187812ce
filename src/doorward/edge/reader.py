"""Requests out of bytes: where each begins and ends, and which are refused. No I/O, no clock.

Input stays raw until a request is asked for, so nothing of a pipelined request is looked at before the one
ahead of it was answered. The result never depends on how the bytes were cut.
"""

from enum import IntEnum

from doorward.edge.chunked import ChunkDecoder
from doorward.edge.head import CHUNKED, END, Head, check_partial, oversized, parse_head
from doorward.edge.limits import HttpLimits, Refusal, Refused
from doorward.edge.repeat import RepeatedHead


class Awaits(IntEnum):
    """What the peer still owes before there is a request."""

    NOTHING = 0
    """Between requests: not one byte has come."""
    HEAD = 1
    BODY = 2


class RequestReader:
    """The input of one connection. After Refused it must not be used again."""

    __slots__ = ("_at", "_checked", "_chunks", "_head", "_limits", "_repeated", "_skipped_line", "input")

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self.input: bytes | bytearray = b""
        """What was kept; empty once all of it was looked at."""
        self._at = 0
        """Where in the input the unread part begins."""
        self._checked = 0
        """Bytes of an incomplete head that were checked already."""
        self._skipped_line = False
        self._head: Head | None = None
        """Of the request whose body is being awaited."""
        self._chunks: ChunkDecoder | None = None
        self._repeated = RepeatedHead(limits.header_bytes)

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if not self.input:
            self.input = data
            return
        if not isinstance(self.input, bytearray):
            self.input = bytearray(self.input)
        if self._at:
            del self.input[: self._at]
            self._at = 0
        self.input += data

    def next(self) -> tuple[Head, bytes] | None:
        """The next whole request, or None while more bytes are needed. Raises Refused."""
        head = self._head
        if head is None:
            head = self._next_head() if self.input else None
            if head is None:
                return None
        body = self._next_chunks() if head.length == CHUNKED else self._next_bytes(head.length)
        if body is None:
            self._head = head
            return None
        self._head = None
        return head, body

    def whole(self, data: bytes) -> Head | None:
        """The head of the request that `data` is, no more and no less, under a head that came before.

        The usual case, without keeping input: `head.length` bytes of body end `data`. None leaves `data` to
        `feed`.
        """
        if self.input or self._head is not None:
            return None
        end = data.find(END) + 4
        head = self._repeated.exact.get(data[:end])
        if head is None:
            known = self._repeated.match(data, 0)
            if known is None:
                return None
            head, end = known
            if head.length > self._limits.body_bytes:
                return None
            self._repeated.keep(data[:end], head)
        if head.length != len(data) - end:
            return None
        self._skipped_line = False
        return head

    @property
    def awaits(self) -> Awaits:
        """Asked after `next` returned None."""
        if self._head is not None:
            return Awaits.BODY
        return Awaits.HEAD if self.input else Awaits.NOTHING

    @property
    def continue_expected(self) -> bool:
        """Whether the body being awaited will not come before 100 (Continue)."""
        return self._head is not None and self._head.expects_continue

    @property
    def head(self) -> Head | None:
        """Of the request whose body is being awaited."""
        return self._head

    def begins_with(self, prefix: bytes) -> bool:
        """Whether these bytes are the first of what was kept; asked when a request has been refused."""
        return self.input.startswith(prefix)

    @property
    def unread(self) -> int:
        """Bytes that wait to be looked at."""
        return len(self.input) - self._at

    @property
    def held(self) -> int:
        """Bytes of the body being awaited that are here."""
        if self._head is None:
            return 0
        return self.unread if self._chunks is None else self._chunks.held

    def count_queued(self) -> int:
        """An upper bound of the requests that wait: bodies may hold empty lines too."""
        return self.input.count(END, self._at)

    def _next_head(self) -> Head | None:
        given, at = self.input, self._at
        known = self._repeated.match(given, at)
        if known is not None:
            return self._begin(*known)
        if not self._skipped_line and given.startswith(b"\r\n", at):
            self._skipped_line = True  # one empty line may precede a request (RFC 9112 section 2.2)
            self._at = at = at + 2
        end = given.find(END, at, at + self._limits.header_bytes)
        if end < 0:
            self._check_partial(bytes(given[at : at + self._limits.header_bytes]))
            return None
        raw = bytes(given[at : end + 4])
        head = parse_head(raw, self._limits)
        self._repeated.remember(raw, head)
        return self._begin(head, end + 4)

    def _begin(self, head: Head, end: int) -> Head:
        if head.length > self._limits.body_bytes:
            raise Refused(Refusal.BODY_TOO_LARGE)
        self._at = end
        self._checked = 0
        self._skipped_line = False
        return head

    def _check_partial(self, seen: bytes) -> None:
        check_partial(seen, self._checked)
        if len(seen) >= self._limits.header_bytes:
            raise Refused(oversized(seen))
        self._checked = len(seen)

    def _next_bytes(self, length: int) -> bytes | None:
        given = self.input
        end = self._at + length
        if len(given) < end:
            return None
        body = given[self._at : end] if length else b""
        if len(given) == end:
            self.input = b""
            self._at = 0
        else:
            self._at = end
        return body if isinstance(body, bytes) else bytes(body)

    def _next_chunks(self) -> bytes | None:
        chunks = self._chunks
        if chunks is None:
            chunks = self._chunks = ChunkDecoder(self._limits)
        with memoryview(self.input) as given:
            chunks.feed(given[self._at :])
        self.input = chunks.rest
        self._at = 0
        if not chunks.done:
            return None
        self._chunks = None
        return chunks.body()
