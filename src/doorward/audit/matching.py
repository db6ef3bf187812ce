"""Whether entries meet the conditions of a filter: what each of its fields means."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.filters import Filter, Operator, glob

Part = Literal["who", "what", "how"]
PARTS: Final[tuple[Part, ...]] = ("who", "what", "how")


def _one(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _kinds(how: How) -> tuple[str, ...]:
    return (how.kind, "outcome") if how.kind == "decision" and how.outcome else (how.kind,)


def _tools(what: What) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys((what.tool, what.name, what.asked))))


WHO: Final[Mapping[str, Callable[[Who], tuple[str, ...]]]] = {
    "agent": lambda who: _one(who.agent),
    "actor": lambda who: (*_one(who.subject), *who.actors),
    "key": lambda who: _one(who.key),
    "client": lambda who: _one(who.client),
    "gateway": lambda who: _one(who.gateway or None),
    "tenant": lambda who: _one(who.tenant or None),
}
WHAT: Final[Mapping[str, Callable[[What], tuple[str, ...]]]] = {
    "tool": _tools,
    "server": lambda what: _one(what.server),
    "method": lambda what: _one(what.method),
    "class": lambda what: _one(what.op_class),
    "definition": lambda what: _one(what.definition),
    "endpoint": lambda what: _one(what.endpoint),
}
HOW: Final[Mapping[str, Callable[[How], tuple[str, ...]]]] = {
    "kind": _kinds,
    "decision": lambda how: _one(how.decision),
    "reason": lambda how: tuple(filter(None, (how.reason, how.softened, how.failure))),
    "rule": lambda how: how.rules,
    "outcome": lambda how: _one(how.result),
    "status": lambda how: _one(how.status),
    "mode": lambda how: _one(how.mode),
    "action": lambda how: _one(how.action),
}
COMMON: Final[Mapping[Part, Mapping[str, Callable[[Any], tuple[str, ...]]]]] = {
    "who": WHO,
    "what": WHAT,
    "how": HOW,
}
"""What a field of the filter language is of a part; empty where it has none."""
OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "call": ("id",),
    "during": ("during",),
    "trace": ("trace",),
    "session": ("session",),
    "args": ("args", "sent"),
    "result": ("result",),
    "peer": ("peer",),
    "object": ("object",),
}
"""And of an entry itself: its members that hold the texts."""
NUMBERS: Final[Mapping[str, Callable[[Entry], float | None]]] = {
    "latency": lambda entry: entry.latency,
    "number": lambda entry: entry.number,
    "bytes": lambda entry: entry.bytes,
}


_OF_OUTCOMES: Final = frozenset({"outcome", "status", "reason", "result", "latency", "bytes"})


class Condition(NamedTuple):
    """One term about texts, ready for millions of them."""

    field: str
    operator: Operator
    exact: frozenset[str]
    globs: tuple[re.Pattern[str], ...]

    def holds(self, values: Iterable[str]) -> bool:
        """Of all values that an entry has of the field."""
        found = None
        for value in values:
            found = value in self.exact or any(each.fullmatch(value) for each in self.globs)
            if found:
                break
        return found is not None and found is (self.operator == "=")


def conditions(wanted: Filter, fields: Iterable[str]) -> list[Condition]:
    """What a filter says of some fields."""
    known = frozenset(fields)
    return [
        Condition(
            term.field,
            term.operator,
            frozenset(value for value in term.values if "*" not in value),
            tuple(glob(value) for value in term.values if "*" in value),
        )
        for term in wanted.terms
        if term.field in known
    ]


class Matcher:
    """A filter, for entries that are at hand."""

    def __init__(self, wanted: Filter) -> None:
        self.about_outcomes = any(term.field in _OF_OUTCOMES for term in wanted.terms)
        """Whether it cannot be told of a decision alone."""
        self._wanted = wanted
        self._common = [(part, conditions(wanted, COMMON[part])) for part in PARTS]
        self._own = conditions(wanted, OWN)

    def accepts(self, entry: Entry) -> bool:
        """Whether an entry meets every condition."""
        since, until = self._wanted.since, self._wanted.until
        if (since is not None and entry.ts < since) or (until is not None and entry.ts >= until):
            return False
        return (
            all(meets(getattr(entry, part), part, asked) for part, asked in self._common)
            and all(each.holds(_texts(entry, OWN[each.field])) for each in self._own)
            and self._counts(entry)
        )

    def _counts(self, entry: Entry) -> bool:
        return all(
            _compares(term.operator, [float(each) for each in term.values], NUMBERS[term.field](entry))
            for term in self._wanted.terms
            if term.field in NUMBERS
        )


def meets(value: Who | What | How, part: Part, asked: Iterable[Condition]) -> bool:
    """Whether a part of an entry meets the conditions about it."""
    fields = COMMON[part]
    return all(each.holds(fields[each.field](value)) for each in asked)


def _texts(entry: Entry, members: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for member in members if (text := getattr(entry, member)) is not None)


def _compares(operator: Operator, numbers: list[float], value: float | None) -> bool:
    if value is None:
        return False
    if operator == ">=":
        return value >= numbers[0]
    if operator == "<=":
        return value <= numbers[0]
    return (value in numbers) is (operator == "=")
