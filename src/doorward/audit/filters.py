"""The small language of `doorward audit query`: `tool=crm.* actor=alice since=90d decision!=permit`.

Words are joined by "and". `name=value` holds for any of several values (`agent=a,b`), `name!=value` for none
of them; `*` in a value stands for any text; `name>=number` compares. A value with spaces stands in quotes.
What a record does not have is neither equal nor unequal to anything: docs/reference/audit-cli.md.
"""

import math
import re
import shlex
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

Operator = Literal["=", "!=", ">=", "<="]
TEXTS: Final = (
    "kind", "tool", "server", "agent", "actor", "key", "client", "method", "decision", "reason", "rule",
    "outcome", "status", "mode", "class", "definition", "endpoint", "gateway", "tenant", "action", "session",
    "call", "during", "trace", "args", "result", "peer", "object",
)  # fmt: skip
"""Fields that are compared as texts. `tool` is `server.name`, or the name alone."""
NUMBERS: Final = ("latency", "number", "bytes")
"""Milliseconds, the record's place in the log, bytes of the result."""
TIMES: Final = ("since", "until")
ALIASES: Final = {"subject": "actor", "user": "actor", "id": "call", "event": "action"}
BOUNDS: Final[dict[str, tuple[str, Operator]]] = {
    "min_latency": ("latency", ">="),
    "max_latency": ("latency", "<="),
}
FIELDS: Final = (*TEXTS, *NUMBERS, *TIMES, *ALIASES, *BOUNDS)
_WORD: Final = re.compile(r"([A-Za-z_-]+)(!=|>=|<=|=)(.*)", re.DOTALL)
_SPAN: Final = re.compile(r"(\d{1,6})([smhdwy])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


class Term(NamedTuple):
    """One condition."""

    field: str
    operator: Operator
    values: tuple[str, ...]


class FilterError(ValueError):
    """This is no filter; the text says why, and what may have been meant."""


class Filter(NamedTuple):
    """All of these hold."""

    terms: tuple[Term, ...] = ()
    since: int | None = None
    """Milliseconds since 1970; the first moment that belongs to it."""
    until: int | None = None
    """The first that does not."""


def parse(text: str, now: float) -> Filter:
    """`now`: seconds since 1970, for spans of time. Raises FilterError."""
    try:
        words = shlex.split(text)
    except ValueError:
        raise FilterError("a quote or a backslash at the end has nothing that it belongs to") from None
    terms: list[Term] = []
    times: dict[str, int] = {}
    for word in words:
        name, operator, value = _cut(word)
        if name in TIMES:
            if operator != "=" or name in times:
                raise FilterError(f"write {name}=TIME, once")
            times[name] = moment(value, now)
        else:
            terms.append(_term(name, operator, value))
    return Filter(tuple(terms), times.get("since"), times.get("until"))


def _cut(word: str) -> tuple[str, Operator, str]:
    found = _WORD.fullmatch(word)
    if found is None:
        raise FilterError(f"{word!r} is no condition: write name=value, as in tool=crm.*")
    name, operator, value = found[1].lower().replace("-", "_"), found[2], found[3]
    name = ALIASES.get(name, name)
    if name not in FIELDS:
        close = get_close_matches(name, FIELDS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(FIELDS)}"
        raise FilterError(f"there is nothing called {name!r}: {hint}")
    if not value:
        raise FilterError(f"{name}{operator} has no value")
    if name in BOUNDS:
        if operator != "=":
            raise FilterError(f"write {name}=MILLISECONDS")
        return *BOUNDS[name], value
    return name, "!=" if operator == "!=" else "=" if operator == "=" else _bound(operator), value


def _bound(operator: str) -> Operator:
    return ">=" if operator == ">=" else "<="


def _term(name: str, operator: Operator, value: str) -> Term:
    if operator in {">=", "<="}:
        if name not in NUMBERS:
            raise FilterError(f"{name} is no number: write {name}=value")
        return Term(name, operator, (_number(name, value),))
    values = tuple(each for each in value.split(",") if each)
    if name in NUMBERS:
        values = tuple(_number(name, each) for each in values)
    if not values:
        raise FilterError(f"{name}{operator} has no value")
    return Term(name, operator, values)


def _number(name: str, text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FilterError(f"{name} is a number, and {text!r} is none")
    return repr(number)


def moment(text: str, now: float) -> int:
    """A span back from now (90d, 12h), a date or a time (RFC 3339; UTC unless it says otherwise).

    In milliseconds since 1970. Raises FilterError.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        return int((now - int(span[1]) * _SECONDS[span[2]]) * 1000)
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise FilterError(f"{text!r} is no time: write 90d, 2026-07-01 or 2026-07-01T12:00:00Z") from None


def glob(pattern: str) -> re.Pattern[str]:
    """Only `*` is special."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
