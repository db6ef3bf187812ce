"""A filter as SQL over the index: what `audit/matching.py` says in Python, for millions of rows."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from doorward.audit.filters import Filter, Term
from doorward.audit.matching import NUMBERS, OWN, PARTS, Part
from doorward.backends.files.index_rows import DIGESTS, IDS, packed, packed_id

_LEAST: Final = "00000000-0000-0000-0000-000000000000"
_MOST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_LAST: Final = chr(0x10FFFF)
_SHORTEST: Final = 8
"""Characters, star included, of a pattern that few calls meet: the first eight digits are a minute."""
_COMPARISONS: Final = {">=": ">=", "<=": "<="}


class Where(NamedTuple):
    """A condition with its values."""

    text: str
    values: tuple[Any, ...]


def joined(*parts: Where | None) -> Where:
    """All of them, for behind SELECT ... FROM entry."""
    given = [part for part in parts if part is not None]
    if not given:
        return Where("", ())
    text = " AND ".join(f"({part.text})" for part in given)
    return Where(f" WHERE {text}", tuple(chain.from_iterable(part.values for part in given)))


def of_parts(chosen: Mapping[Part, Sequence[int]], *, led: bool) -> Where | None:
    """None for all shapes. `chosen`: numbers of parts. `led`: whether the index over shapes leads to rows."""
    if not chosen:
        return None
    column = "shape" if led else "+shape"
    given = [part for part in PARTS if part in chosen]
    of_each = " AND ".join(f"{part} IN (SELECT value FROM json_each(?))" for part in given)  # noqa: S608
    lists = tuple(f"[{','.join(map(str, chosen[part]))}]" for part in given)
    return Where(f"{column} IN (SELECT id FROM shape WHERE {of_each})", lists)  # noqa: S608 - our own words


def of_time(wanted: Filter, *, led: bool) -> Where | None:
    """None for all times."""
    column = "ts" if led else "+ts"
    bounds = ((f"{column} >= ?", wanted.since), (f"{column} < ?", wanted.until))
    given = [(text, _int64(value)) for text, value in bounds if value is not None]
    if not given:
        return None
    return Where(" AND ".join(text for text, _ in given), tuple(value for _, value in given))


def of_own(wanted: Filter) -> Where | None:
    """What is asked of entries beyond their shape; None for nothing."""
    given = [_condition(term) for term in wanted.terms if term.field in OWN or term.field in NUMBERS]
    if not given:
        return None
    text = " AND ".join(f"({each.text})" for each in given)
    return Where(text, tuple(chain.from_iterable(each.values for each in given)))


def points(wanted: Filter) -> bool:
    """Whether a text that few entries have leads to them by an index."""
    return any(
        term.operator == "=" and all(_points(term.field, value) for value in term.values)
        for term in wanted.terms
    )


def _points(field: str, value: str) -> bool:
    if field == "call" and _uuids(value) is not None:
        return len(value) > _SHORTEST
    return field in {"call", "during", "trace", "session", "object"} and "*" not in value


def _condition(term: Term) -> Where:
    if term.field in NUMBERS:
        return _numeric(term)
    columns = OWN[term.field]
    found = [_among(column, term.values) for column in columns]
    values = tuple(chain.from_iterable(each.values for each in found))
    if term.operator == "=":
        return Where(" OR ".join(each.text for each in found), values)
    present = " OR ".join(f"{column} IS NOT NULL" for column in columns)
    absent = " AND ".join(f"COALESCE({each.text}, 0) = 0" for each in found)
    return Where(f"({present}) AND {absent}", values)


def _numeric(term: Term) -> Where:
    numbers = tuple(float(value) for value in term.values)
    if term.operator in _COMPARISONS:
        return Where(f"{term.field} {_COMPARISONS[term.operator]} ?", numbers)
    places = ", ".join("?" * len(numbers))
    return Where(f"{term.field} {'IN' if term.operator == '=' else 'NOT IN'} ({places})", numbers)


def _among(column: str, values: Sequence[str]) -> Where:
    exact = [packed(column, value) for value in values if "*" not in value]
    texts = [f"{column} IN ({', '.join('?' * len(exact))})"] if exact else []
    given: list[Any] = [*exact]
    for value in values:
        span = _uuids(value) if column in IDS else None
        if span is not None:
            texts.append(f"{column} BETWEEN ? AND ? OR {column} BETWEEN ? AND ?")
            given += [*map(packed_id, span), value[:-1], value[:-1] + _LAST]
        elif "*" in value:
            texts.append(f"{_spelled(column)} GLOB ?")
            given.append(_glob(value))
    return Where(f"({' OR '.join(texts)})", tuple(given))


def _uuids(pattern: str) -> tuple[str, str] | None:
    """The first and the last UUID that begin as a pattern says which ends with its only star."""
    if not pattern.endswith("*"):
        return None
    start = pattern[:-1]
    ends = start + _LEAST[len(start) :], start + _MOST[len(start) :]
    return ends if all(isinstance(packed_id(each), bytes) for each in ends) else None


def _spelled(column: str) -> str:
    """SQL for a value as people write it."""
    digits = f"lower(hex({column}))"
    if column in IDS:
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        digits = "||'-'||".join(f"substr({digits},{start},{count})" for start, count in parts)
    elif column not in DIGESTS:
        return column
    return f"(CASE typeof({column}) WHEN 'blob' THEN {digits} ELSE {column} END)"


def _glob(pattern: str) -> str:
    """SQLite's GLOB knows more than `*`."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _int64(value: int) -> int:
    return max(-(1 << 63), min(value, (1 << 63) - 1))
