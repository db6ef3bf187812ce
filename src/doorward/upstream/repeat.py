"""The answer that comes in one piece under a known head: a server repeats itself, but for length and body."""

import re
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 "
_END: Final = b"\r\n\r\n"
_REPEATABLE: Final = 4096
_DIGITS: Final = 10
_LENGTHS: Final = 256


class RepeatedHead:
    """Recognises the last answer's head on one connection, so that no parser need be fed.

    Only bytes that the parser took as a whole answer are recognised: all of the head the same, except that
    one run of digits, the value of the one Content-Length, may be another run of digits.
    """

    __slots__ = ("_after", "_before", "_heads")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._heads: dict[int, bytes] = {}
        """By the length of a whole answer, which leaves one value for its Content-Length."""

    def remember(self, data: bytes, body: bytes) -> None:
        """`data` was one whole answer with a Content-Length and this body."""
        self._before = b""
        self._heads = {}
        end = data.find(_END, 0, _REPEATABLE) + len(_END)
        found = _LENGTH.search(data, 0, end) if data.startswith(_OK) else None
        # After an interim answer, or a head that ended otherwise, what follows is not the body.
        if found is not None and data[end:] == body:
            self._before, self._after = data[: found.start(1)], data[found.end(1) : end]

    def body(self, data: bytes) -> bytes | None:
        """Of an answer that is the remembered head and a body of its length, and not one byte more."""
        length = len(data)
        head = self._heads.get(length)
        if head is None:
            head = self._head_of(length)
        return data[len(head) :] if head and data.startswith(head) else None

    def _head_of(self, length: int) -> bytes:
        """The head of an answer of that length; empty when there is none."""
        if not self._before:
            return b""
        head = b""
        for digits in range(1, _DIGITS + 1):
            content = b"%d" % max(length - len(self._before) - len(self._after) - digits, 0)
            if len(content) == digits:
                head = self._before + content + self._after
                break
        if len(self._heads) >= _LENGTHS:
            self._heads.clear()
        self._heads[length] = head
        return head
