"""From JSON arguments to the values Cedar compares (docs/adr/0003-cedar-shape.md has the table).

Exact or not at all: a value is turned into its declared Cedar type without rounding, or it is a MISFIT, and a
condition on a misfit does not hold. Nothing here raises for any JSON value.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import msgspec

from doorward.policy.names import UNKNOWN

_LONG: Final = 2**63
_EXACT: Final = 2**53
_SCALE: Final = 10_000


class Scalar(Enum):
    """A type that conditions can compare. The value is its name in a Cedar schema."""

    LONG = "Long"
    DECIMAL = "decimal"
    STRING = "String"
    BOOL = "Bool"


class Opaque(msgspec.Struct, frozen=True):
    """Present, and nothing else is known: compares with nothing that a policy can write."""


class SetOf(msgspec.Struct, frozen=True):
    """A JSON array. Cedar's sets forget order and repetition."""

    element: "CedarType"


class Record(msgspec.Struct, frozen=True):
    """A JSON object; members that are not declared stay out."""

    attributes: dict[str, "CedarType"]


CedarType = Scalar | Opaque | SetOf | Record


class Misfit(Enum):
    """The value has no form in its declared type."""

    MISFIT = "misfit"


MISFIT: Final = Misfit.MISFIT


def encode(value: Any, kind: CedarType) -> Any:
    """The value in Cedar's JSON form, or MISFIT. `null` never has a form: it says as much as absence."""
    if value is None:
        return MISFIT
    match kind:
        case Scalar():
            return _SCALARS[kind](value)
        case Opaque():
            return {"__entity": {"type": UNKNOWN, "id": ""}}
        case SetOf():
            if not isinstance(value, list):
                return MISFIT
            items = [encode(item, kind.element) for item in value]
            return MISFIT if MISFIT in items else items
        case Record():
            return _record(value, kind) if isinstance(value, dict) else MISFIT


def _record(value: dict[str, Any], kind: Record) -> Any:
    encoded = {
        name: encode(value[name], of) for name, of in kind.attributes.items() if value.get(name) is not None
    }
    return MISFIT if any(item is MISFIT for item in encoded.values()) else encoded


def long_of(value: Any) -> int | Misfit:
    """A JSON integer of 64 bits, or a float with an integral value that every JSON reader agrees on (5.0)."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG:
        return value
    return MISFIT


def decimal_of(value: Any) -> str | Misfit:
    """The argument of Cedar's `decimal(...)`: at most four digits after the point, 64 bits in all.

    A float counts as the shortest text that reads back as it, which is what the caller wrote.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISFIT
    if isinstance(value, int) and abs(value) >= _LONG:
        return MISFIT
    exact = Decimal(repr(value))
    if not exact.is_finite() or abs(exact) >= _LONG:
        return MISFIT
    scaled = exact * _SCALE
    if scaled != scaled.to_integral_value() or not -_LONG <= scaled < _LONG:
        return MISFIT
    whole, part = divmod(abs(int(scaled)), _SCALE)
    return f"{'-' if scaled < 0 else ''}{whole}.{part:04d}"


def string_of(value: Any) -> str | Misfit:
    """A string without lone surrogates, which are not text."""
    if not isinstance(value, str):
        return MISFIT
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        return MISFIT
    return value


def bool_of(value: Any) -> bool | Misfit:
    """`true` or `false`; 0 and 1 are integers."""
    return value if isinstance(value, bool) else MISFIT


def _decimal(value: Any) -> Any:
    text = decimal_of(value)
    return text if text is MISFIT else {"__extn": {"fn": "decimal", "arg": text}}


_SCALARS: Final[dict[Scalar, Callable[[Any], Any]]] = {
    Scalar.LONG: long_of,
    Scalar.DECIMAL: _decimal,
    Scalar.STRING: string_of,
    Scalar.BOOL: bool_of,
}
