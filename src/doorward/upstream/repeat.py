"""The answer that comes in one piece under a known head: a server repeats itself, but for length and body.

Two forms are known: a body of Content-Length, and a stream that is one chunk, one event and its end, as a
server sends that streams whatever it answers.
"""

import re
from collections.abc import Callable
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 "
_END: Final = b"\r\n\r\n"
_REPEATABLE: Final = 4096
_LENGTHS: Final = 256
_LF: Final = 10
_CR: Final = 13
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_EVENT: Final = re.compile(rb"((?:event: ?message(\r\n|\n))?data: ?)([^\r\n]+)((\r\n|\n)\5)")
"""One event of one line, with neither id nor retry: nothing of the stream could ever be asked for again."""
_ANSWER: Final = re.compile(rb'\{(?:"jsonrpc":"2\.0","id":\d+,)?"(?:result|error)":').match
"""As an answer begins: what a server tells or asks on its stream is no body."""


def _decimal(number: int) -> bytes:
    return b"%d" % number


def _hexadecimal(number: int) -> bytes:
    return b"%x" % number


class RepeatedHead:
    """Recognises the last answer's head on one connection, so that no parser need be fed.

    Only bytes that the parser took as a whole answer are recognised: all of the head the same, except that
    one run of digits, the value of the one Content-Length or the size of the one chunk, may be another run of
    digits. What frames the body, a chunk's end and an event's fields, is the same to the byte.
    """

    __slots__ = ("_after", "_before", "_counted", "_heads", "_spell", "_tail")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._tail = b""
        """What follows a body: empty but for an event."""
        self._counted = 0
        """How many bytes of `_after` and `_tail` the number counts beside the body."""
        self._spell: Callable[[int], bytes] = _decimal
        self._heads: dict[int, bytes] = {}
        """By the length of a whole answer, which leaves one value for its number."""

    def remember(self, data: bytes, body: bytes) -> None:
        """`data` was one whole answer with a Content-Length and this body."""
        self._forget()
        end = data.find(_END, 0, _REPEATABLE) + len(_END)
        found = _LENGTH.search(data, 0, end) if data.startswith(_OK) else None
        # After an interim answer, or a head that ended otherwise, what follows is not the body.
        if found is not None and data[end:] == body:
            self._before, self._after = data[: found.start(1)], data[found.end(1) : end]

    def remember_event(self, data: bytes, stream: bytes) -> bool:
        """`data` was one whole answer with this stream in it; whether its like will be recognised."""
        self._forget()
        end = data.find(_END, 0, _REPEATABLE) + len(_END)
        event = _EVENT.fullmatch(stream)
        chunked = b"%x\r\n%b%b" % (len(stream), stream, _LAST_CHUNK)
        if event is None or not data.startswith(_OK) or data[end:] != chunked:
            return False
        fields, ending = event[1], event[4]
        self._before, self._after, self._tail = data[:end], b"\r\n" + fields, ending + _LAST_CHUNK
        self._counted = len(fields) + len(ending)
        self._spell = _hexadecimal
        return True

    def body(self, data: bytes) -> bytes | None:
        """Of an answer that is the remembered head and a body of its length, and not one byte more."""
        length = len(data)
        head = self._heads.get(length)
        if head is None:
            head = self._head_of(length)
        if not head or not data.startswith(head):
            return None
        return data[len(head) :] if not self._tail else self._data(data, len(head))

    def _data(self, data: bytes, at: int) -> bytes | None:
        """Of an event that is an answer."""
        if not data.endswith(self._tail):
            return None
        body = data[at : -len(self._tail)]
        return None if _ANSWER(body) is None or _LF in body or _CR in body else body

    def _forget(self) -> None:
        self._before = self._after = self._tail = b""
        self._counted = 0
        self._spell = _decimal
        self._heads = {}

    def _head_of(self, length: int) -> bytes:
        """The head of an answer of that length; empty when there is none."""
        if not self._before:
            return b""
        head = b""
        counted = length - len(self._before) - len(self._after) - len(self._tail) + self._counted
        longest = len(self._spell(max(counted, 0)))
        for digits in (longest, longest - 1):  # they are not counted, and there are few of them
            number = self._spell(max(counted - digits, 0))
            if len(number) == digits and counted - digits >= self._counted:
                head = self._before + number + self._after
                break
        if len(self._heads) >= _LENGTHS:
            self._heads.clear()
        self._heads[length] = head
        return head
