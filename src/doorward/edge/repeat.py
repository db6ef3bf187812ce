"""The head that comes again: a client repeats itself, byte by byte, but for the length of its body."""

import re
from typing import Final

import msgspec

from doorward.edge.head import Head

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_REPEATABLE: Final = 4096
_DIGITS: Final = 18
"""As many as `parse_head` takes."""


class RepeatedHead:
    """Recognises the last head of a connection without parsing it again.

    Only bytes that were parsed and found good are recognised: all of them the same, except that one run of
    digits, the value of the one Content-Length, may be another run of digits.
    """

    __slots__ = ("_after", "_before", "_digits", "_head", "_limit")

    def __init__(self, header_bytes: int) -> None:
        self._limit = min(header_bytes, _REPEATABLE) - _DIGITS
        self._head: Head | None = None
        self._before = b""
        self._digits = b""
        self._after = b""

    def remember(self, raw: bytes, head: Head) -> None:
        """`raw` was parsed to `head`. A head that could outgrow the limit by its digits is not remembered."""
        if len(raw) > self._limit:
            return
        self._head = head
        found = _LENGTH.search(raw)
        if found is None:
            self._before, self._digits, self._after = raw, b"", b""
        else:
            start, end = found.span(1)
            self._before, self._digits, self._after = raw[:start], raw[start:end], raw[end:]

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
        if digits != self._digits:
            headers = {**head.headers, b"content-length": digits}
            head = msgspec.structs.replace(head, headers=headers, length=int(digits))
        return head, end + len(self._after)
