"""The head that comes again: a client repeats itself, byte by byte, but for the length of its body."""

import re
from typing import Final

import msgspec

from doorward.edge.head import Head

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_REPEATABLE: Final = 4096
_DIGITS: Final = 18
"""As many as `parse_head` takes."""
_EXACT: Final = 8
"""Heads that are kept whole, of up to _REPEATABLE bytes each."""
_LENGTHS: Final = 64
"""Body lengths whose heads are kept: calls of one kind differ by a few digits only."""


class RepeatedHead:
    """Recognises the last head of a connection without parsing it again.

    Only bytes that were parsed and found good are recognised: all of them the same, except that one run of
    digits, the value of the one Content-Length, may be another run of digits.
    """

    __slots__ = ("_after", "_before", "_head", "_heads", "_limit", "exact")

    def __init__(self, header_bytes: int) -> None:
        self._limit = min(header_bytes, _REPEATABLE) - _DIGITS
        self._head: Head | None = None
        self._heads: dict[bytes, Head] = {}
        """By the digits of their Content-Length."""
        self._before = b""
        self._after = b""
        self.exact: dict[bytes, Head] = {}
        """The remembered head as it came with a few of its lengths, whole."""

    def remember(self, raw: bytes, head: Head) -> None:
        """`raw` was parsed to `head`. A head that could outgrow the limit by its digits is not remembered."""
        if len(raw) > self._limit:
            return
        self._head = head
        self.exact = {}  # an older head must not come back: what follows from a new one may differ
        found = _LENGTH.search(raw)
        if found is None:
            self._before, self._after, self._heads = raw, b"", {}
        else:
            start, end = found.span(1)
            self._before, self._after = raw[:start], raw[end:]
            self._heads = {raw[start:end]: head}

    def keep(self, raw: bytes, head: Head) -> None:
        """`raw` was matched whole: it is found at once when it comes again."""
        if len(self.exact) >= _EXACT:
            self.exact.clear()
        self.exact[raw] = head

    def match(self, given: bytes | bytearray, at: int) -> tuple[Head, int] | None:
        """The head that stands at `at` and where it ends, when it is the remembered one."""
        head = self._head
        if head is None or not given.startswith(self._before, at):
            return None
        start = at + len(self._before)
        if not self._after:
            return head, start
        end = given.find(b"\r", start, start + _DIGITS + 1)
        digits = bytes(given[start:end])
        if end < 0 or not digits.isdigit() or not given.startswith(self._after, end):
            return None
        return self._heads.get(digits) or self._of_length(head, digits), end + len(self._after)

    def _of_length(self, head: Head, digits: bytes) -> Head:
        headers = {**head.headers, b"content-length": digits}
        found = msgspec.structs.replace(head, headers=headers, length=int(digits))
        if len(self._heads) >= _LENGTHS:
            self._heads.clear()
        self._heads[digits] = found
        return found
