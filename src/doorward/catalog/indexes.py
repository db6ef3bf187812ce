"""What an endpoint shows and what each name there means: one server under its own names, or all together.

Each kind is made by itself and shared with the snapshot before it as long as its definitions stay the same: a
gateway with hundreds of servers hears of one list at a time, and every entry is encoded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from doorward.model.target import Definition, Kind, Target
from doorward.ports.catalog import Entry
from doorward.wire import bridge, names, relocate, strict, uris

MEMBER: Final = {
    Kind.TOOL: "name",
    Kind.PROMPT: "name",
    Kind.RESOURCE: "uri",
    Kind.TEMPLATE: "uriTemplate",
}
LAST_LEGACY: Final = "2025-11-25"
Naming = Callable[[Sequence[Definition]], Sequence[tuple[str, dict[str, Any]]]]
"""Under which name each of them is shown, and as which object."""


class Shown(msgspec.Struct, frozen=True):
    """One kind at one endpoint."""

    entries: tuple[Entry, ...] = ()
    targets: Mapping[str, Target] = {}
    """By the name or URI under which the endpoint shows it."""


class Index(Protocol):
    """One endpoint."""

    def of(self, kind: Kind) -> Shown: ...


NOTHING: Final = Shown()


class ServerIndex:
    """One server's definitions under one kind of names; made when they are first asked for."""

    def __init__(
        self,
        definitions: Mapping[Kind, tuple[Definition, ...]],
        naming: Naming,
        made: Mapping[Kind, Shown] | None = None,
    ) -> None:
        """`made`: what of it is known already."""
        self._definitions = definitions
        self._naming = naming
        self._made = dict(made or {})

    def after(self, definitions: Mapping[Kind, tuple[Definition, ...]]) -> "ServerIndex":
        """The same server's next; what is the very same is not made again."""
        made = {
            kind: one
            for kind, one in self._made.items()
            if definitions.get(kind) is self._definitions.get(kind)
        }
        return ServerIndex(definitions, self._naming, made)

    def of(self, kind: Kind) -> Shown:
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = _shown(self._definitions.get(kind, ()), self._naming)
        return made


class Together:
    """All servers' indexes as one. Their names never meet (wire/names.py, wire/uris.py)."""

    def __init__(self, parts: Sequence[ServerIndex]) -> None:
        self._parts = parts
        self._made: dict[Kind, Shown] = {}

    def of(self, kind: Kind) -> Shown:
        made = self._made.get(kind)
        if made is None:
            parts = [part.of(kind) for part in self._parts]
            entries = tuple(entry for part in parts for entry in part.entries)
            targets: dict[str, Target] = {}
            for part in parts:
                targets.update(part.targets)
            made = self._made[kind] = Shown(entries, targets)
        return made


def own(definitions: Sequence[Definition]) -> Sequence[tuple[str, dict[str, Any]]]:
    """A server's own endpoint shows what it listed, as it listed it."""
    return [(one.name, one.listed) for one in definitions]


def exposed(definitions: Sequence[Definition]) -> Sequence[tuple[str, dict[str, Any]]]:
    """The aggregate: of one server and one kind."""
    if not definitions:
        return ()
    server, kind = definitions[0].server, definitions[0].kind
    if kind in (Kind.TOOL, Kind.PROMPT):
        shown = names.expose(server, (one.name for one in definitions))
    else:
        shown = {one.name: uris.expose(server, one.name) for one in definitions}
    return [(shown[one.name], _renamed(one, shown[one.name])) for one in definitions]


def _renamed(definition: Definition, name: str) -> dict[str, Any]:
    listed = definition.listed
    changed = {**listed, MEMBER[definition.kind]: name}
    if "_meta" in listed:
        changed["_meta"] = relocate.app_links(definition.server, listed["_meta"])
    return changed


def _shown(definitions: Sequence[Definition], naming: Naming) -> Shown:
    entries = tuple(
        _entry(definition, name, listed)
        for definition, (name, listed) in zip(definitions, naming(definitions), strict=True)
    )
    return Shown(entries, {entry.exposed: entry.target for entry in entries}) if entries else NOTHING


def _entry(definition: Definition, exposed_as: str, listed: dict[str, Any]) -> Entry:
    target = Target(definition.server, definition.kind, definition.name, definition.op_class, definition)
    old = bridge.definition_down(definition.kind, listed, LAST_LEGACY)
    modern = strict.encode(listed)
    legacy = modern if old == listed else None if old is None else strict.encode(old)
    return Entry(target, exposed_as, legacy, modern)
