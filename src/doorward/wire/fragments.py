"""One JSON text judged fragment by fragment; `slices` says how it is cut, and why that proves the whole."""

import re
from collections.abc import Set as AbstractSet
from os import urandom
from typing import Any, Final, NoReturn

import msgspec

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import strict

MAX_NAMES: Final = 50_000
"""Members of one object."""
MAX_OUTER_NAMES: Final = 4096
"""Members of a message, of its params, of its arguments: those are taken apart in one step."""
MAX_EXTREMES: Final = 256
"""Numbers with an exponent of 250 or more: the decoder takes 18 us for each, five hundred times the usual."""
MAX_STRETCH: Final = 32 * 1024
"""Bytes without strings, blanks and commas: more is no JSON, or one number."""
BLANK: Final = b" \t\n\r"

_OUTER: Final = 3
_REENCODED: Final = 32 * 1024
_IN_NUMBERS: Final = b"0123456789+-.eE[]{}:"
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_AS_CLOSING: Final = bytes.maketrans(b"[{", b"]}")
_OBJECT: Final = ord("{")
_EXTREME: Final = re.compile(rb"[eE][+-]?0*(?:2[5-9][0-9]|[3-9][0-9][0-9]|[1-9][0-9]{3})")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def bound_stretch(structure: bytes) -> None:
    """Refuse what no text without commas can be: there is no way but down in it, or one number is endless.

    `structure` is without strings and blanks. Raises CallerError.
    """
    if structure.count(b"[") + structure.count(b"{") > strict.MAX_DEPTH:
        _refuse_depth()
    if len(structure) > MAX_STRETCH:
        if structure.translate(None, _IN_NUMBERS):
            _refuse_text()
        _refuse_number()


class Judge:
    """What is known of the text up to the end of a fragment."""

    def __init__(self) -> None:
        self._open = b""
        """Brackets that are open, outermost first."""
        self._names: list[set[str]] = []
        """Of each open object; an array has an empty set."""
        self._extremes = 0
        self._filler = urandom(8).hex()
        """A name that the text cannot have, for what is put before a fragment."""
        self._began = self._ended = False

    def fragment(self, text: bytes, structure: bytes, *, last: bool) -> None:
        """`structure`: the fragment without strings and blanks. Raises CallerError."""
        self._bound_numbers(structure)
        before, kept = self._open, self._turn(structure)
        after = self._open
        unfinished = not last and text.rstrip(BLANK)[-1:] in (b"", b"[", b"{")
        stray = self._began and not before
        if unfinished or stray or (last and after):
            _refuse_text()
        _bound_depth(before, structure, after)
        value = self._read((self._lead(before), text, _closing(after)), structure, before)
        strict.check_numbers(structure)
        self._merge(value, before, after, kept)
        self._began, self._ended = True, last

    def end(self) -> None:
        """After the last fragment: a text that ends with a comma has none."""
        if not self._ended:
            _refuse_text()

    def _bound_numbers(self, structure: bytes) -> None:
        exponents = structure.count(b"e") - structure.count(b"true") - structure.count(b"false")
        if exponents > 0 or b"E" in structure:
            self._extremes += len(_EXTREME.findall(structure))
            if self._extremes > MAX_EXTREMES:
                _refuse(f"more than {MAX_EXTREMES} numbers with an exponent of 250 or more")

    def _turn(self, structure: bytes) -> int:
        """Closes and opens what the fragment does; how many brackets stay open all along."""
        brackets = structure.translate(None, _NOT_BRACKETS)
        for _ in range(strict.MAX_DEPTH):
            if b"[]" not in brackets and b"{}" not in brackets:
                break
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        opened = brackets.lstrip(b"]}")
        closed = brackets[: len(brackets) - len(opened)]
        kept = len(self._open) - len(closed)
        if b"[]" in opened or b"{}" in opened or kept + len(opened) > strict.MAX_DEPTH:
            _refuse_depth()
        if b"]" in opened or b"}" in opened or kept < 0 or closed != _closing(self._open[kept:]):
            _refuse_text()
        self._open = self._open[:kept] + opened
        return kept

    def _lead(self, before: bytes) -> bytes:
        """What brings a parser to where the fragment begins: behind a comma in the innermost open bracket."""
        if not self._began:
            return b""
        member = b'{"%b":' % self._filler.encode()
        return b"".join([member if bracket == _OBJECT else b"[" for bracket in before]) + b"0,"

    def _read(self, pieces: tuple[bytes, bytes, bytes], structure: bytes, before: bytes) -> Any:
        whole = b"".join(pieces)
        try:
            value = _decode(whole)
        except msgspec.ValidationError:  # untyped decoding has one: a number out of range
            _refuse_number()
        except (msgspec.DecodeError, UnicodeDecodeError):
            _refuse_text()
        except RecursionError:
            _refuse_depth()
        members = structure.count(b":") + (before.count(b"{") if self._began else 0)
        if members > 1 and not _kept_all(value, whole, members):
            _refuse_repeated()
        return value

    def _merge(self, value: Any, before: bytes, after: bytes, kept: int) -> None:
        """Compares names with those of fragments before, and keeps those of objects that stay open."""
        nodes, node = [], value
        for level, bracket in enumerate(before if self._began else b""):
            nodes.append(node)
            if bracket == _OBJECT:
                self._add(level, node.keys() - {self._filler})
                node = node[self._filler]
            else:
                node = node[0]
        del nodes[kept:], self._names[kept:]
        for level in range(kept, len(after)):
            node = value if level == 0 else _newest(nodes[-1])
            nodes.append(node)
            self._names.append(set())
            if after[level] == _OBJECT:
                self._add(level, node.keys())

    def _add(self, level: int, names: AbstractSet[str]) -> None:
        known = self._names[level]
        if not known.isdisjoint(names):
            _refuse_repeated()
        known.update(names)
        most = MAX_OUTER_NAMES if level < _OUTER else MAX_NAMES
        if len(known) > most:
            _refuse(f"an object has more than {most} members")


def _closing(opened: bytes) -> bytes:
    return opened[::-1].translate(_AS_CLOSING)


def _bound_depth(before: bytes, structure: bytes, after: bytes) -> None:
    if len(before) + structure.count(b"[") + structure.count(b"{") <= strict.MAX_DEPTH:
        return
    brackets = (before + structure + _closing(after)).translate(_AS_SQUARE, _NOT_BRACKETS)
    for _ in range(strict.MAX_DEPTH):  # each pass takes one level away
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        _refuse_depth()


def _kept_all(value: Any, text: bytes, members: int) -> bool:
    """Whether the decoder kept every member: of two that have one name it keeps one."""
    if len(text) <= _REENCODED:
        again = _encode(value)
        return again == text or strict.members(again) == members
    # A string of megabytes lies in it, and little else: counting is cheaper than writing that again.
    kept, waiting = 0, [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            kept += len(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return kept == members


def _newest(node: Any) -> Any:
    return node[-1] if isinstance(node, list) else node[next(reversed(node))]


def _refuse_text() -> NoReturn:
    raise CallerError(Reason.PARSE_ERROR, "not a JSON text in UTF-8") from None


def _refuse_depth() -> NoReturn:
    _refuse(f"nested deeper than {strict.MAX_DEPTH} levels")


def _refuse_number() -> NoReturn:
    _refuse("a number is too large to be kept exactly")


def _refuse_repeated() -> NoReturn:
    _refuse("an object has two members of one name")


def _refuse(message: str) -> NoReturn:
    raise CallerError(Reason.INVALID_REQUEST, message) from None
