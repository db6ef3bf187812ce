"""The usual answer to a tool call, where caller and server are of different eras: turned by cutting and
joining, not by taking it apart.

Guarantees: what comes out is what `bridge.result_down` makes of the same result, but for blanks. Whatever is
not the spelling that servers really use is None, and left to that. Bytes are looked for with `find`: `in` is
dear (docs/adr/0012).
"""

from collections.abc import Callable
from typing import Final

from doorward.model.call import Call, Era
from doorward.upstream.incoming import usual

Reading = Callable[[bytes, bytes], bytes | None]
"""Of a body and the id of its request: the caller's result; None for what is not usual."""
_STRUCTURED_SINCE: Final = "2025-06-18"
_COMPLETE: Final = b',"resultType":"complete"}'
_FIRST: Final = b'{"resultType":"complete",'
_KIND: Final = b'"resultType"'
_STRUCTURED: Final = b'"structuredContent"'
_STRUCTURED_OBJECT: Final = b'"structuredContent":{'
_ESCAPED: Final = b"\\u00"
_LETTERS: Final = (b"\\u004", b"\\u005", b"\\u006", b"\\u007")
"""How a letter of a name could be spelled so that looking for the name does not find it."""


def reading(call: Call, era: Era) -> Reading | None:
    """How answers to calls like this one are read, whose server speaks `era`; None: the long way only."""
    if call.era is era:
        return usual
    if call.era is Era.MODERN:
        return to_modern
    return to_legacy if call.version >= _STRUCTURED_SINCE else None


def to_modern(body: bytes, number: bytes) -> bytes | None:
    """Says that it is complete, which a legacy server does not."""
    result = usual(body, number)
    if result is None or not result.startswith(b'{"') or not result.endswith(b"}"):
        return None
    if result.find(_KIND) >= 0 or _hides_names(result):
        return None
    return result[:-1] + _COMPLETE


def to_legacy(body: bytes, number: bytes) -> bytes | None:
    """Does not say that it is complete, nor anything else of 2026-07-28."""
    result = usual(body, number)
    if result is None or result.find(b'"ttlMs"') >= 0 or result.find(b'"cacheScope"') >= 0:
        return None
    if _hides_names(result):
        return None
    # A quote in a text is escaped, so what is found with quotes around it is a name or a whole value.
    structured = result.count(_STRUCTURED)
    if structured > 1 or (structured and result.find(_STRUCTURED_OBJECT) < 0):
        return None
    kinds = result.count(_KIND)
    if not kinds:
        return result
    if kinds > 1:
        return None
    if result.startswith(_FIRST):
        return b"{" + result[len(_FIRST) :]
    return result[: -len(_COMPLETE)] + b"}" if result.endswith(_COMPLETE) else None


def _hides_names(result: bytes) -> bool:
    return result.find(_ESCAPED) >= 0 and any(result.find(letter) >= 0 for letter in _LETTERS)
