"""What an operation of the API is: one row of a table, whoever carries it out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from doorward.control.plane import Plane
from doorward.control.roles import Operator

PREFIX: Final = "/api/v1"
MAX_LIMIT: Final = 1000


class Call(msgspec.Struct, frozen=True):
    """One request, its parts of the types that its route asks for."""

    path: Mapping[str, str]
    query: Any = None
    body: Any = None


Handler = Callable[[Plane, Operator, Call], Any]
"""Gives what is answered. Raises Refused, ValueError, DoorwardError."""


class Route(msgspec.Struct, frozen=True):
    """One operation."""

    method: str
    path: str
    """Behind `/api/v1`; `{name}` stands for one segment."""
    run: Handler
    summary: str
    answer: Any
    """Type of what is answered."""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    status: int = 200
    changes: bool = False
    """Whether it changes state, which then has to be in force before it is answered."""


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a route that takes none."""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of a list."""

    limit: int = 100
    """At most 1000."""
    cursor: str | None = None
    """As the page before gave it."""
