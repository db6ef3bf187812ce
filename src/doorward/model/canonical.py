"""Canonical JSON: one spelling for each value (RFC 8785), so that equal values have equal digests.

Differs from RFC 8785 in one point: an integer that a double cannot hold (beyond 2^53) keeps its digits,
because that is what is judged and sent; as a double it would be another number.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_encode_sorted: Final = msgspec.json.Encoder(order="deterministic").encode
_ALIKE: Final = frozenset({str, int, bool, type(None)})
"""Types of which our encoder spells every value as RFC 8785 does."""
_MOST_INTEGRAL: Final = 21
"""Digits before the point, above which ECMAScript writes an exponent; below `_LEAST` it does so, too."""
_LEAST: Final = -6


def canonical(value: Mapping[str, Any]) -> bytes:
    """An object of JSON: members sorted by UTF-16 code units on all levels, numbers as ECMAScript writes
    them.

    A msgspec.Raw in it is taken as it is spelled. Never raises for what a JSON decoder returns.
    """
    return canonical_of(value, _encode_sorted(value))


def canonical_of(value: Mapping[str, Any], ordered: bytes) -> bytes:
    """`canonical`, where msgspec's own sorted spelling is at hand.

    That one sorts by code points and writes floats its own way. So it is the canonical one when no float is
    among the members, nothing that could hold one, and no name beyond ASCII.
    """
    if _ALIKE.issuperset(map(type, value.values())) and ordered.isascii():
        return ordered
    return b"".join(_members(value))


def any_canonical(value: Any) -> bytes:
    """Of any value of JSON."""
    return b"".join(_spelled(value))


def _spelled(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        plain = _encode_sorted(value) if _ALIKE.issuperset(map(type, value.values())) else b"\xff"
        if plain.isascii():
            yield plain
        else:
            yield from _members(value)
    elif isinstance(value, list):
        yield from _items(value)
    elif isinstance(value, float):
        yield _number(value)
    else:
        yield _encode(value)


def _members(value: Mapping[str, Any]) -> Iterator[bytes]:
    comma = b"{"
    for name in sorted(value, key=_utf16):
        yield comma + _encode(name) + b":"
        yield from _spelled(value[name])
        comma = b","
    yield b"}" if value else b"{}"


def _items(value: list[Any]) -> Iterator[bytes]:
    types = {*map(type, value)}
    if types <= _ALIKE:
        yield _encode(value)
    elif types == {float}:
        yield b"[" + b",".join(map(_number, value)) + b"]"
    else:
        comma = b"["
        for member in value:
            yield comma
            yield from _spelled(member)
            comma = b","
        yield b"]"


def _utf16(name: str) -> bytes:
    """Big-endian, so that bytes sort as code units do."""
    return name.encode("utf-16-be")


def _number(value: float) -> bytes:
    """Number::toString of ECMA-262; the digits are the fewest that stand for this double, as in `repr`."""
    if value == 0:
        return b"0"  # negative zero, too
    usual = repr(value)
    if "e" not in usual:  # those of up to 16 digits before the point and no more than four zeros behind it
        return usual.removesuffix(".0").encode()
    mantissa, _, exponent = usual.removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)  # digits before the decimal point
    digits = digits.rstrip("0")
    if len(digits) <= point <= _MOST_INTEGRAL:
        text = digits.ljust(point, "0")
    elif 0 < point <= _MOST_INTEGRAL:
        text = f"{digits[:point]}.{digits[point:]}"
    elif _LEAST < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{rest}e{point - 1:+d}"
    return (f"-{text}" if value < 0 else text).encode()
