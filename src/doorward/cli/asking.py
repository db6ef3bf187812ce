"""What `doorward audit query|show|export` ask of the composition root: late imports, as in wiring.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from doorward.app.queries import Place, Wanted
    from doorward.config.load import Loaded

FORMS = ("json", "csv", "ocsf", "fields")
"""Of an export."""


class Answer(Protocol):
    """What was found."""

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def more(self) -> bool: ...
    @property
    def damaged(self) -> int: ...


class Counted(Protocol):
    """How many there are; of requests, roll-ups counting as many as they stand for."""

    @property
    def entries(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def damaged(self) -> int: ...


class Told(Protocol):
    """Everything that is known of one call or record."""

    @property
    def entry(self) -> Mapping[str, Any]: ...
    @property
    def records(self) -> Sequence[tuple[int, Mapping[str, Any]]]: ...
    @property
    def during(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def configured(self) -> Mapping[str, Any] | None: ...


def parsed(text: str, now: float) -> "Wanted":
    """Raises ValueError, which says what may have been meant."""
    from doorward.app import queries as app

    return app.parse(text, now)


def place(loaded: "Loaded") -> "Place":
    """The log of a configuration."""
    from doorward.app.queries import place_of

    return place_of(loaded)


def place_at(directory: "Path") -> "Place":
    """A log elsewhere, which is indexed for one question."""
    from doorward.app.queries import Place

    return Place(directory, None)


def query(where: "Place", wanted: "Wanted", *, limit: int | None, newest: bool) -> Answer:
    """Raises LookupError, OSError, GatewayError."""
    from doorward.app import queries as app

    return app.query(where, wanted, limit=limit, newest=newest)


def count(where: "Place", wanted: "Wanted") -> Counted:
    """Raises as `query`."""
    from doorward.app import queries as app

    return app.count(where, wanted)


def export(
    where: "Place", wanted: "Wanted", form: str, *, limit: int | None = None, newest: bool | None = None
) -> Iterator[str]:
    """Lines. Raises as `query`, and ValueError after the last line of a damaged log."""
    from doorward.app import queries as app

    return app.export(where, wanted, form, limit=limit, newest=newest)


def show(where: "Place", record_id: str) -> Told:
    """Raises as `query`."""
    from doorward.app import show as app

    return app.show(where, record_id)
