"""Listed objects become Definitions: named, classed, digested. Whatever a server lists is untrusted input."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from doorward.model.globs import matches
from doorward.model.steps import Steps, drained
from doorward.model.target import Definition, Kind, OperationClass, ToolRule
from doorward.wire import strict
from doorward.wire.presentable import can_be_shown, presentable

NAME_MEMBER: Final = {
    Kind.TOOL: "name",
    Kind.PROMPT: "name",
    Kind.RESOURCE: "uri",
    Kind.TEMPLATE: "uriTemplate",
}
LIST_METHOD: Final = {
    Kind.TOOL: "tools/list",
    Kind.PROMPT: "prompts/list",
    Kind.RESOURCE: "resources/list",
    Kind.TEMPLATE: "resources/templates/list",
}
CHANGED: Final = {
    "notifications/tools/list_changed": (Kind.TOOL,),
    "notifications/prompts/list_changed": (Kind.PROMPT,),
    "notifications/resources/list_changed": (Kind.RESOURCE, Kind.TEMPLATE),
}
"""What a server says has changed; templates have no notification of their own."""
MAX_NAME: Final = 2048
"""Longer names and URIs are not offered: nothing real has them, and every index would carry them."""
STEP: Final = 8
"""Items between two pauses."""


def definitions(
    server: str, kind: Kind, listed: Iterable[dict[str, Any]], rules: Sequence[ToolRule]
) -> tuple[Definition, ...]:
    """The usable ones, in the server's order, as they may be shown.

    Nameless objects, names that do not show what they are and repeated names are left out: of two tools with
    one name nobody could say which of them was approved.
    """
    return drained(definition_steps(server, kind, listed, rules))


def definition_steps(
    server: str,
    kind: Kind,
    listed: Iterable[dict[str, Any]],
    rules: Sequence[ToolRule],
    before: Sequence[Definition] = (),
) -> Steps[tuple[Definition, ...]]:
    """`definitions` in steps of some 0.1 ms; a definition that is as it was in `before` is the very same."""
    known = {definition.name: definition for definition in before}
    found: dict[str, Definition] = {}
    repeated: set[str] = set()
    for at, item in enumerate(listed, 1):
        if not at % STEP:
            yield
        name = item.get(NAME_MEMBER[kind])
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not can_be_shown(name):
            continue
        if name in found:
            repeated.add(name)
            continue
        definition = _definition(server, kind, name, item, rules)
        old = known.get(name)
        found[name] = definition if old is None or not _same(old, definition) else old
    return tuple(definition for name, definition in found.items() if name not in repeated)


def _definition(
    server: str, kind: Kind, name: str, item: dict[str, Any], rules: Sequence[ToolRule]
) -> Definition:
    rule = _rule(name, rules) if kind is Kind.TOOL else None
    shown = presentable(item)
    return Definition(
        server=server,
        kind=kind,
        name=name,
        listed=shown,
        digest=hashlib.sha256(strict.canonical(shown)).hexdigest(),
        op_class=_operation_class(kind, item, rule),
        safe=rule.safe if rule else (),
    )


def _same(one: Definition, other: Definition) -> bool:
    """The digest says all of `listed` but the order of its members, which is shown and hides nothing."""
    return one.digest == other.digest and one.op_class is other.op_class and one.safe == other.safe


def said_steps(listed: Iterable[dict[str, Any]]) -> Steps[bytes]:
    """A digest of all that was listed, to tell whether the next answer says anything else."""
    told = hashlib.sha256()
    for at, item in enumerate(listed, 1):
        if not at % STEP:
            yield
        told.update(strict.encode(item))
        told.update(b"\n")  # no encoded object has one
    return told.digest()


def _rule(name: str, rules: Sequence[ToolRule]) -> ToolRule | None:
    """The operator's word on a tool: the first glob that fits, in file order."""
    return next((rule for rule in rules if matches(rule.pattern, name)), None)


def _operation_class(kind: Kind, item: dict[str, Any], rule: ToolRule | None) -> OperationClass:
    """The operator's word, else the annotations, else WRITE (DESIGN section 6). Annotations are hints of an
    untrusted server: READ is believed only when it says so outright."""
    if kind is not Kind.TOOL:
        return OperationClass.READ
    if rule is not None and rule.op_class is not None:
        return rule.op_class
    hints = item.get("annotations")
    if not isinstance(hints, dict):
        return OperationClass.WRITE
    if hints.get("destructiveHint") is True:  # of two hints that contradict each other, the stricter counts
        return OperationClass.DESTRUCTIVE
    if hints.get("readOnlyHint") is True:
        return OperationClass.READ
    return OperationClass.WRITE
