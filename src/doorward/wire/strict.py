"""Strict JSON: one text has one meaning for everybody who reads it, or it is refused (research brief 5).

RFC 8259 leaves repeated member names, numbers beyond IEEE 754 and unpaired surrogates to each implementation,
so a check and the server behind it may read different things in one text. Everything of that kind is refused
here, once.

Which reason a refusal carries:

* PARSE_ERROR (-32700): the bytes are no JSON text in UTF-8. That includes a byte order mark, NaN and
  Infinity, which the grammar does not have, and an escape of half a surrogate pair, which no UTF-8 text can
  stand for.
* INVALID_REQUEST (-32600): the grammar allows it and we do not: repeated names, nesting deeper than
  MAX_DEPTH, more than MAX_CONTAINERS arrays and objects or MAX_MEMBERS members, numbers that cannot be kept
  (integers of over MAX_DIGITS digits; others beyond a double, or with more digits than one has).
"""

import re
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, NoReturn

import msgspec

from doorward.model.call import Spelled
from doorward.model.canonical import canonical_of
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

MAX_DEPTH: Final = 64
"""Arrays and objects within each other. Nothing real comes near it."""
MAX_CONTAINERS: Final = 100_000
"""Arrays and objects in all: building a million of them holds the event loop for a tenth of a second or
more."""
MAX_MEMBERS: Final = 100_000
"""Members of all objects together, for the same reason: building them and comparing their names."""
MAX_DIGITS: Final = 4300
"""Of an integer, its sign included: msgspec's own limit, and CPython's default for turning digits into an
int."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode

_BLANKS: Final = b" \t\r\n"
_DIGITS_OF_A_DOUBLE: Final = 17
_LONG_NUMBERS: Final = re.compile(
    rb"-?[0-9][0-9.]{18,}(?:[eE][+-]?[0-9]+)?|-?[0-9][0-9.]*[eE]-[0-9]{3,}"
).findall
"""Of a text without strings: those with more than 17 digits, and those that may be too small for a double."""
_BRACKETS: Final = b"[]{}"
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_FEW: Final = 12
_SHALLOW: Final = MAX_DEPTH - 4  # for what stands in a message a few levels down
_PUNCTUATION: Final = len('"":"",')
_LEAST_MEMBER: Final = 5  # bytes: `"":1,`
_SHALLOW_PASSES: Final = 16
_STEP: Final = {ord("["): 1, ord("]"): -1}


def decode(data: bytes) -> Any:
    """The value of one JSON text. Integers of any size up to MAX_DIGITS are kept exactly.

    Raises CallerError(PARSE_ERROR | INVALID_REQUEST), as the module's docstring says, and nothing else.
    """
    structure: bytes | None = None
    if _has_many_brackets(data):  # an upper bound: those in strings count too
        structure = _structure(data)
        if structure.count(b"[") + structure.count(b"{") > MAX_CONTAINERS:
            _refuse(f"more than {MAX_CONTAINERS} arrays and objects")
    if len(data) > _LEAST_MEMBER * MAX_MEMBERS and data.count(b":") > MAX_MEMBERS:
        structure = structure if structure is not None else _structure(data)
        if structure.count(b":") > MAX_MEMBERS:
            _refuse(f"more than {MAX_MEMBERS} members of objects")
    try:
        value = _decode(data)
    except msgspec.ValidationError:  # untyped decoding has one: a number out of range
        _refuse("a number is too large to be kept exactly")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CallerError(Reason.PARSE_ERROR, "not a JSON text in UTF-8") from None
    except RecursionError:
        _refuse(f"nested deeper than {MAX_DEPTH} levels")
    if structure is not None and _nesting(structure) > MAX_DEPTH:
        _refuse(f"nested deeper than {MAX_DEPTH} levels")
    # A decoder keeps one member of each name. So if what it kept, written out again, is the very input, then
    # nothing was dropped; and if only the spelling differs, then counting the members still tells.
    again = _encode(value)
    if again != data and again.translate(None, _BLANKS) != data.translate(None, _BLANKS):
        structure = structure if structure is not None else _structure(data)
        if members(again) != structure.count(b":"):
            _refuse("an object has two members of one name")
        check_numbers(structure)
    return value


def check_numbers(structure: bytes) -> None:
    """Raises CallerError(INVALID_REQUEST) for a number that is read as another one. `structure`: JSON without
    its strings."""
    if not all(map(_is_kept, _LONG_NUMBERS(structure))):
        _refuse("a number has more digits than can be kept")


def _is_kept(number: bytes) -> bool:
    """Whether the double that a number is read as has its value. One of up to 17 digits stands for a double
    (IEEE 754 section 5.12.2, and what C writes with %.17g), and is sent on in the shortest spelling of that.
    """
    mantissa = re.split(rb"[eE]", number.lstrip(b"-"))[0]
    if mantissa == number.lstrip(b"-") and mantissa.isdigit():
        return True
    value = float(number)
    digits = mantissa.replace(b".", b"").strip(b"0")
    if len(digits) <= _DIGITS_OF_A_DOUBLE:
        return value != 0.0 or not digits
    return Decimal(number.decode()) == Decimal(repr(value))


def encode(value: Any) -> bytes:
    """Compact JSON, members in the order they have. Any value that `decode` returns comes out as an equal
    one."""
    return _encode(value)


def canonical(value: Any) -> bytes:
    """Compact JSON with members sorted by name: what digests of definitions are taken over.

    This is "sorted msgspec" and not RFC 8785: names are sorted by code point and numbers keep msgspec's
    spelling.
    """
    return _encode_sorted(value)


def depth(data: bytes) -> int:
    """How deeply a *valid* JSON text nests: 0 for a scalar, 1 for `[]`. Exact up to MAX_DEPTH, in linear
    time."""
    return _nesting(_structure(data))


def _nesting(structure: bytes) -> int:
    brackets = structure.translate(_AS_SQUARE, _NOT_BRACKETS)
    # Each pass takes the innermost pairs away and therefore one level; real documents are empty after a few.
    for level in range(_SHALLOW_PASSES):
        if not brackets:
            return level
        brackets = brackets.replace(b"[]", b"")
    return _SHALLOW_PASSES + max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def compact(data: bytes) -> Spelled | None:
    """The object that `data` is, when it is strict JSON with not one byte to spare and few brackets.

    None leaves the judgement to `decode`. Never raises.
    """
    try:
        value = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if type(value) is not dict:
        return None
    # Members of a flat object of strings take at least so many bytes, and more when a character is escaped or
    # beyond ASCII. A text of exactly that length has no other member, no second one of a name and no blank.
    length = 1
    for name, member in value.items():
        if type(member) is not str:
            break
        length += len(name) + len(member) + _PUNCTUATION
    else:
        if length == len(data) and (len(value) == 1 or list(value) == sorted(value)):
            return Spelled(value, data, data)
    if _has_many_brackets(data, _SHALLOW):
        return None
    ordered = _encode_sorted(value)
    if ordered == data or _encode(value) == data:  # as in `decode`: nothing was dropped
        return Spelled(value, data, canonical_of(value, ordered))
    return None


def _has_many_brackets(data: bytes, most: int = MAX_DEPTH) -> bool:
    """Whether `data` may nest deeper than `most`. Finding few brackets is ten times as fast as counting them:
    `find` leaps from one to the next, `count` looks at every byte."""
    found = 0
    for bracket in (b"{", b"["):
        at = data.find(bracket)
        while at >= 0:
            found += 1
            if found > _FEW:
                return data.count(b"[") + data.count(b"{") > most
            at = data.find(bracket, at + 1)
    return False


def members(data: bytes) -> int:
    """How many members all objects of a *valid* JSON text have together."""
    return _structure(data).count(b":")


def objects(data: bytes) -> int:
    """How many objects stand in a *valid* JSON text."""
    return _structure(data).count(b"{")


def _structure(data: bytes) -> bytes:
    """A *valid* JSON text without its strings.

    Once pairs of backslashes are gone, a backslash before a quote escapes it; once those are gone too, every
    quote opens or closes a string, and what stands between strings is every second part.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])


def _refuse(message: str) -> NoReturn:
    raise CallerError(Reason.INVALID_REQUEST, message) from None
