"""What an endpoint shows and what each name there means: one server under its own names, or all together.

Each kind is made by itself, in steps, and shared with the snapshot before it as long as its definitions stay
the same: a gateway with hundreds of servers hears of one list at a time, and one server may list thousands.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from doorward.model.steps import Steps
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
Listed = Callable[[Definition, str], dict[str, Any]]
"""The object that an endpoint shows for a definition under a name."""
STEP: Final = 32
"""Entries between two pauses, 2 us each."""


class Naming(NamedTuple):
    """How an endpoint calls what servers list."""

    names: Callable[[Sequence[Definition]], Steps[Mapping[str, str]]]
    """By each own name the one that is shown; of one server and one kind."""
    listed: Listed


class Item:
    """Implements ports.Entry. Encoded when it is first shown to somebody: most of what large servers list is
    shown to nobody, and an agent's first list is made in steps (pipeline/lists.py)."""

    __slots__ = ("_legacy", "_listed", "_modern", "exposed", "target")

    def __init__(self, target: Target, exposed: str, listed: Listed) -> None:
        """`listed`: what the endpoint shows for a definition under a name."""
        self.target = target
        self.exposed = exposed
        self._listed = listed
        self._modern: bytes | None = None
        self._legacy: bytes | None = None

    def __eq__(self, other: object) -> bool:
        """Two that show the same under the same name."""
        if not isinstance(other, Item):
            return NotImplemented
        return (self.target, self.exposed, self._listed) == (other.target, other.exposed, other._listed)

    def __hash__(self) -> int:
        return hash((self.target.key, self.exposed))

    def encoded(self, *, modern: bool) -> bytes | None:
        """See ports.Entry."""
        if self._modern is None:
            self._encode()
        return self._modern if modern else self._legacy

    def _encode(self) -> None:
        definition = self.target.definition
        assert definition is not None
        listed = self._listed(definition, self.exposed)
        old = bridge.definition_down(definition.kind, listed, LAST_LEGACY)
        self._modern = encoded = strict.encode(listed)
        self._legacy = encoded if old == listed else None if old is None else strict.encode(old)


class Shown(msgspec.Struct, frozen=True):
    """One kind at one endpoint."""

    entries: tuple[Entry, ...] = ()
    targets: Mapping[str, Target] = {}
    """By the name or URI under which the endpoint shows it."""


class Index(Protocol):
    """One endpoint."""

    def of(self, kind: Kind) -> Shown: ...


NOTHING: Final = Shown()
Pair = tuple[Shown, Shown]
"""Under a server's own names, and under the aggregate's."""


class ServerIndex:
    """One server's definitions under one kind of names."""

    def __init__(self, made: Mapping[Kind, Shown]) -> None:
        self._made = made

    def of(self, kind: Kind) -> Shown:
        return self._made.get(kind, NOTHING)


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


def pair_steps(definitions: Sequence[Definition]) -> Steps[Pair]:
    """One server's definitions of one kind at its own endpoint and at the aggregate, on the same targets."""
    targets: list[Target] = []
    for at, definition in enumerate(definitions, 1):
        targets.append(target_of(definition))
        if not at % STEP:
            yield
    mine = yield from _shown_steps(targets, definitions, OWN)
    shown = yield from _shown_steps(targets, definitions, EXPOSED)
    return mine, shown


def target_of(definition: Definition) -> Target:
    return Target(definition.server, definition.kind, definition.name, definition.op_class, definition)


def _shown_steps(
    targets: Sequence[Target], definitions: Sequence[Definition], naming: Naming
) -> Steps[Shown]:
    if not targets:
        return NOTHING
    names = yield from naming.names(definitions)
    entries: list[Entry] = []
    found: dict[str, Target] = {}
    for at, target in enumerate(targets, 1):
        name = names[target.name]
        entries.append(Item(target, name, naming.listed))
        found[name] = target
        if not at % STEP:
            yield
    return Shown(tuple(entries), found)


def _own_names(definitions: Sequence[Definition]) -> Steps[Mapping[str, str]]:
    yield
    return {one.name: one.name for one in definitions}


def _exposed_names(definitions: Sequence[Definition]) -> Steps[Mapping[str, str]]:
    server, kind = definitions[0].server, definitions[0].kind
    if kind in (Kind.TOOL, Kind.PROMPT):
        return (yield from names.expose_steps(server, (one.name for one in definitions)))
    found: dict[str, str] = {}
    for at, one in enumerate(definitions, 1):
        found[one.name] = uris.expose(server, one.name)
        if not at % STEP:
            yield
    return found


def _as_listed(definition: Definition, name: str) -> dict[str, Any]:  # noqa: ARG001 - one of two ways
    return definition.listed


def _renamed(definition: Definition, name: str) -> dict[str, Any]:
    listed = definition.listed
    changed = {**listed, MEMBER[definition.kind]: name}
    if "_meta" in listed:
        changed["_meta"] = relocate.app_links(definition.server, listed["_meta"])
    return changed


OWN: Final = Naming(_own_names, _as_listed)
"""A server's own endpoint shows what it listed, as it listed it."""
EXPOSED: Final = Naming(_exposed_names, _renamed)
"""The aggregate."""
