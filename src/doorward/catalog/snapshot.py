"""Everything on offer at one moment: immutable, rebuilt for one server at a time, read without locks."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from doorward.catalog.indexes import Index, ServerIndex, Together, exposed, own
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


Built = Mapping[str, tuple[ServerIndex, ServerIndex]]
"""By server: under its own names, and under the aggregate's."""


class Snapshot:
    """The listings of all servers and the indexes of all endpoints (None is the aggregate)."""

    def __init__(self, listings: Mapping[str, Listing], built: Built | None = None) -> None:
        """`built`: the indexes of these very listings, where they are known."""
        self.listings = dict(listings)
        self._built = built or {
            name: (ServerIndex(listing.definitions, own), ServerIndex(listing.definitions, exposed))
            for name, listing in self.listings.items()
        }
        self._aggregate = Together([exposed_index for _, exposed_index in self._built.values()])

    def with_listing(self, listing: Listing) -> "Snapshot":
        """The same with one server's offer replaced; what is known of the others is shared."""
        name, found = listing.server, listing.definitions
        mine, shown = self._built[name]
        shown = shown.after(found)
        for kind in found:  # now, and not for all servers at once when a client asks for all
            shown.of(kind)
        return Snapshot(self.listings | {name: listing}, {**self._built, name: (mine.after(found), shown)})

    def index(self, endpoint: str | None) -> Index:
        """Raises KeyError for a server that is not configured."""
        return self._aggregate if endpoint is None else self._built[endpoint][0]

    def servers(self, endpoint: str | None) -> Sequence[str]:
        """Which servers stand behind an endpoint."""
        return tuple(self.listings) if endpoint is None else (endpoint,)


def describe(listings: Sequence[Listing], failing: Sequence[str], endpoint: str | None) -> Description:
    """What an endpoint says of itself: one server's own words, or the union of all."""
    known = [listing for listing in listings if listing.known]
    capabilities: dict[str, Any] = {} if known else {"tools": {}}
    for listing in known:
        for name, value in listing.capabilities.items():
            if isinstance(value, dict):  # anything else is no capability, whatever server says it
                capabilities[name] = {**capabilities.get(name, {}), **value}
    if endpoint is not None and known:
        return Description(capabilities, known[0].server_info, known[0].instructions, tuple(failing))
    said = [f"{listing.server}: {listing.instructions}" for listing in known if listing.instructions]
    return Description(capabilities, {}, "\n\n".join(said) or None, tuple(failing))
