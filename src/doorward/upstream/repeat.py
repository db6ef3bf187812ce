"""The answer that comes in one piece under a known head: a server repeats itself, but for length and body."""

import re
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 "
_END: Final = b"\r\n\r\n"
_REPEATABLE: Final = 4096
_DIGITS: Final = 10


class RepeatedHead:
    """Recognises the last answer's head on one connection, so that no parser need be fed.

    Only bytes that the parser took as a whole answer are recognised: all of the head the same, except that
    one run of digits, the value of the one Content-Length, may be another run of digits.
    """

    __slots__ = ("_after", "_before")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""

    def remember(self, data: bytes, body: bytes) -> None:
        """`data` was one whole answer with a Content-Length and this body."""
        self._before = b""
        end = data.find(_END, 0, _REPEATABLE) + len(_END)
        found = _LENGTH.search(data, 0, end) if data.startswith(_OK) else None
        # After an interim answer, or a head that ended otherwise, what follows is not the body.
        if found is not None and data[end:] == body:
            self._before, self._after = data[: found.start(1)], data[found.end(1) : end]

    def body(self, data: bytes) -> bytes | None:
        """Of an answer that is the remembered head and a body of its length, and not one byte more."""
        before = self._before
        if not before or not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + _DIGITS + 1)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        body = data[end + len(self._after) :]
        return body if len(body) == int(digits) else None
