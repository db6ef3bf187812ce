"""Everything on offer at one moment: immutable, rebuilt for one server at a time, read without locks."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from doorward.catalog.indexes import Index, Pair, ServerIndex, Together, pair_steps
from doorward.model.steps import drained
from doorward.model.target import Definition, Kind
from doorward.ports.catalog import Description


class Listing(msgspec.Struct, frozen=True):
    """What one server offers, and what it says of itself."""

    server: str
    definitions: Mapping[Kind, tuple[Definition, ...]]
    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None
    known: bool = True
    """False until the server has answered for the first time."""
    since: float = 0.0
    """Until then: since when it is there to be asked, in `time.time()`."""

    def all(self) -> tuple[Definition, ...]:
        """Of every kind, for the policy engine."""
        return tuple(definition for kind in Kind for definition in self.definitions.get(kind, ()))


def unknown(server: str) -> Listing:
    """Of a server that has not answered yet."""
    return Listing(server, {}, {}, {}, None, known=False, since=time.time())


Pairs = Mapping[Kind, Pair]
"""Of one server, what both its endpoints show."""
Built = tuple[ServerIndex, ServerIndex]
"""Of one server, under its own names and under the aggregate's."""


class Snapshot:
    """The listings of all servers and the indexes of all endpoints (None is the aggregate)."""

    def __init__(self, listings: Mapping[str, Listing], built: Mapping[str, Built] | None = None) -> None:
        """`built`: what is known of these very listings; the rest is made now."""
        self.listings = dict(listings)
        known = built or {}
        self._built = {name: known.get(name) or _build(one) for name, one in self.listings.items()}
        self._aggregate = Together([shown for _, shown in self._built.values()])

    @property
    def built(self) -> Mapping[str, Built]:
        """What the next snapshot can share of this one, by server."""
        return self._built

    def with_listing(self, listing: Listing, made: Pairs | None = None) -> "Snapshot":
        """The same with one server's offer replaced; what is known of the others is shared.

        `made`: of the kinds that differ, where it is there already (`indexes.pair_steps`).
        """
        name = listing.server
        before, (mine, shown) = self.listings[name].definitions, self._built[name]
        same = {
            kind: (mine.of(kind), shown.of(kind))
            for kind, found in listing.definitions.items()
            if before.get(kind) is found
        }
        built = _build(listing, {**same, **(made or {})})
        return Snapshot(self.listings | {name: listing}, {**self._built, name: built})

    def index(self, endpoint: str | None) -> Index:
        """Raises KeyError for a server that is not configured."""
        return self._aggregate if endpoint is None else self._built[endpoint][0]

    def servers(self, endpoint: str | None) -> Sequence[str]:
        """Which servers stand behind an endpoint."""
        return tuple(self.listings) if endpoint is None else (endpoint,)


def _build(listing: Listing, known: Pairs | None = None) -> Built:
    made = known or {}
    pairs = {kind: made.get(kind) or drained(pair_steps(one)) for kind, one in listing.definitions.items()}
    mine = ServerIndex({kind: pair[0] for kind, pair in pairs.items()})
    return mine, ServerIndex({kind: pair[1] for kind, pair in pairs.items()})


def describe(listings: Sequence[Listing], failing: Sequence[str], endpoint: str | None) -> Description:
    """What an endpoint says of itself: one server's own words, or the union of all."""
    known = [listing for listing in listings if listing.known]
    capabilities: dict[str, Any] = {} if known else {"tools": {}}
    for listing in known:
        for name, value in listing.capabilities.items():
            if isinstance(value, dict):  # anything else is no capability, whatever server says it
                capabilities[name] = _together(capabilities.get(name, {}), value)
    if endpoint is not None and known:
        return Description(capabilities, known[0].server_info, known[0].instructions, tuple(failing))
    said = [f"{listing.server}: {listing.instructions}" for listing in known if listing.instructions]
    return Description(capabilities, {}, "\n\n".join(said) or None, tuple(failing))


def _together(known: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """What one of them can, the endpoint can: official SDKs write `"subscribe": false` where they cannot."""
    return {
        **known,
        **{name: value for name, value in said.items() if value is not False or name not in known},
    }
