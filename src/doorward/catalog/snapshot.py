"""Everything on offer at one moment: immutable, rebuilt for one server at a time, read without locks."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from doorward.model.target import Definition, Kind, Target
from doorward.ports.catalog import Description, Entry
from doorward.wire import bridge, names, strict


class Listing(msgspec.Struct, frozen=True):
    """What one server offers, and what it says of itself."""

    server: str
    definitions: Mapping[Kind, tuple[Definition, ...]]
    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None
    known: bool = True
    """False until the server has answered for the first time."""

    def all(self) -> tuple[Definition, ...]:
        """Of every kind, for the policy engine."""
        return tuple(definition for kind in Kind for definition in self.definitions.get(kind, ()))


def unknown(server: str) -> Listing:
    """Of a server that has not answered yet."""
    return Listing(server, {}, {}, {}, None, known=False)


class Index(msgspec.Struct, frozen=True):
    """One endpoint's names: what is shown, and what a name means."""

    entries: Mapping[Kind, tuple[Entry, ...]]
    by_name: Mapping[tuple[Kind, str], Target]


class Snapshot:
    """The listings of all servers and the indexes of all endpoints (None is the aggregate)."""

    def __init__(self, listings: Mapping[str, Listing], built: Mapping[str, Index] | None = None) -> None:
        """`built`: indexes of listings that are known to be the same as before."""
        self.listings = dict(listings)
        known = built or {}
        self._own = {
            name: known[name] if name in known else _own_index(listing)
            for name, listing in self.listings.items()
        }
        self._aggregate = _aggregate_index(self.listings, self._own)

    def with_listing(self, listing: Listing) -> "Snapshot":
        """The same with one server's offer replaced; the other servers' indexes are shared."""
        others = {name: index for name, index in self._own.items() if name != listing.server}
        return Snapshot(self.listings | {listing.server: listing}, others)

    def index(self, endpoint: str | None) -> Index:
        """Raises KeyError for a server that is not configured."""
        return self._aggregate if endpoint is None else self._own[endpoint]

    def servers(self, endpoint: str | None) -> Sequence[str]:
        """Which servers stand behind an endpoint."""
        return tuple(self.listings) if endpoint is None else (endpoint,)


def _entry(definition: Definition, exposed: str) -> Entry:
    listed = definition.listed
    member = "name" if definition.kind in (Kind.TOOL, Kind.PROMPT) else None
    if member is not None and listed[member] != exposed:
        listed = listed | {member: exposed}
    old = bridge.definition_down(definition.kind, listed, "2025-11-25")
    target = Target(definition.server, definition.kind, definition.name, definition.op_class, definition)
    return Entry(target, exposed, strict.encode(old) if old is not None else None, strict.encode(listed))


def _own_index(listing: Listing) -> Index:
    entries = {
        kind: tuple(_entry(definition, definition.name) for definition in found)
        for kind, found in listing.definitions.items()
    }
    return _indexed(entries)


def _aggregate_index(listings: Mapping[str, Listing], own: Mapping[str, Index]) -> Index:
    """Tools and prompts as `server__name`. A URI that two servers list would be ambiguous: neither is shown
    here, both are reachable at /mcp/{server}."""
    entries: dict[Kind, list[Entry]] = {kind: [] for kind in Kind if kind is not Kind.GATEWAY}
    for kind in (Kind.TOOL, Kind.PROMPT):
        taken: set[str] = set()
        for name, listing in listings.items():
            for definition in listing.definitions.get(kind, ()):
                exposed = names.expose(name, definition.name, taken)
                taken.add(exposed.lower())
                entries[kind].append(_entry(definition, exposed))
    for kind in (Kind.RESOURCE, Kind.TEMPLATE):
        seen: dict[str, int] = {}
        for index in own.values():
            for entry in index.entries.get(kind, ()):
                seen[entry.exposed] = seen.get(entry.exposed, 0) + 1
        for index in own.values():
            entries[kind].extend(e for e in index.entries.get(kind, ()) if seen[e.exposed] == 1)
    return _indexed({kind: tuple(found) for kind, found in entries.items()})


def _indexed(entries: Mapping[Kind, tuple[Entry, ...]]) -> Index:
    return Index(entries, {(kind, e.exposed): e.target for kind, found in entries.items() for e in found})


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
