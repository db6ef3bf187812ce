"""A large JSON text judged in small steps, as `strict` judges a small one at once.

Building a megabyte of records takes a tenth of a second, and one decoder call cannot be interrupted. So the
text is cut at commas into fragments of some PIECE bytes. Each fragment is made whole with the brackets that
are open where it begins and closed again where it ends, and then read strictly by itself.

Why that proves the whole: a JSON parser knows nothing of what came before but its open brackets and what it
waits for. Behind a comma it waits for the next element, and the brackets put before a fragment lead it to
exactly that state; the brackets behind it can be read only where a comma could. So if every fragment is read,
the text is. What one fragment cannot show, members of one name in an object that spans several, is kept in a
set for each such object.

No value is kept: who has it judged may splice the bytes that arrived.
"""

from collections.abc import Iterator
from typing import Final

from doorward.wire.fragments import BLANK, MAX_EXTREMES, Judge, bound_stretch

PIECE: Final = 8 * 1024
"""Bytes read at once. The dearest that strict JSON can be made of takes 2 ms then, records take 0.2."""

# Every digit becomes 0 and every E an e: only what then reads 0e may be an exponent.
_AS_EXPONENT: Final = bytes.maketrans(b"123456789E", b"000000000e")


def costly(data: bytes) -> bool:
    """Whether a text may hold more than MAX_EXTREMES numbers that are dear to read; False is certain."""
    return data.translate(_AS_EXPONENT).count(b"0e") > MAX_EXTREMES


def check(data: bytes, piece: int = PIECE) -> Iterator[None]:
    """Judges in steps of some `piece` bytes; exhausted, it found nothing wrong.

    Raises CallerError(PARSE_ERROR | INVALID_REQUEST) for what `strict.decode` refuses, but for its bounds on
    arrays, objects and members of all objects together. It has bounds of its own (see `fragments`): MAX_NAMES
    members of one object, MAX_OUTER_NAMES where it lies in less than three others, MAX_EXTREMES numbers whose
    exponent is 250 or more, numbers of MAX_STRETCH bytes.
    """
    judge = Judge()
    start = 0
    while start < len(data):
        structure = b""
        at, inside, cut = start, False, -1
        while cut < 0 and at < len(data):
            window = _window(data, at, piece)
            parts = window.split(b'"')
            comma = _last_comma(parts, inside, len(window))
            structure += b"".join(parts[inside::2]).translate(None, BLANK)
            if comma >= 0:
                cut = at + comma
            else:
                bound_stretch(structure)
            inside ^= len(parts) % 2 == 0
            at += len(window)
            yield
        end = cut if cut >= 0 else len(data)
        judge.fragment(data[start:end], structure, last=cut < 0)
        yield
        start = end + 1
    judge.end()


def _window(data: bytes, at: int, piece: int) -> bytes:
    """The next `piece` bytes, which begin between two escapes, with underscores in place of every escape.

    So each quote that is left opens or closes a string, and nothing has moved.
    """
    window = data[at : at + piece]
    if b"\\" not in window:
        return window
    if at + piece < len(data) and (len(window) - len(window.rstrip(b"\\"))) % 2:
        window = window[:-1]  # half an escape
    return window.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _last_comma(parts: list[bytes], inside: bool, length: int) -> int:
    """Where in the window the last comma outside of strings is; what follows it is taken off `parts`.

    -1 when there is none.
    """
    end = length
    for number in range(len(parts) - 1, -1, -1):
        part = parts[number]
        if number % 2 == inside:
            comma = part.rfind(b",")
            if comma >= 0:
                parts[number] = part[:comma]
                del parts[number + 1 :]
                return end - len(part) + comma
        end -= len(part) + 1
    return -1
