"""What a server may ask of its client during a call, the same in both eras: a request of its own in the
legacy one, an entry of `inputRequests` in 2026-07-28 (official schemas, ClientCapabilities).

Pure. Whether something may be asked has two answers that must both be yes: the operator's
(`servers.X.may_ask`) and the client's (its declared capabilities); what we declare to a server is what both
allow.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

KINDS: Final[Mapping[str, str]] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
"""Method to kind, which is also the name of the capability."""
ASIDE: Final = frozenset({"roots/list"})
"""What servers ask of a session rather than about a call, often as soon as it is open."""
_PARTS: Final = {
    "elicitation": {"form": "2025-06-18", "url": "2025-11-25"},
    "sampling": {"context": "2025-11-25", "tools": "2025-11-25"},
    "roots": {"listChanged": "2024-11-05"},
}
"""The members of a capability that are passed on, with the first revision that has them."""
_SINCE: Final = {"elicitation": "2025-06-18", "sampling": "2024-11-05", "roots": "2024-11-05"}
_STATELESS: Final = "2026-07-28"


class Objection(StrEnum):
    """Why a question may not be asked."""

    UNKNOWN = "unknown"
    """No revision has it."""
    FORBIDDEN = "forbidden"
    """The operator has not allowed it: `servers.X.may_ask`."""
    UNDECLARED = "undeclared"
    """The client has not declared that it can answer it."""


class Question(msgspec.Struct, frozen=True):
    """What a server asks."""

    method: str
    params: dict[str, Any]

    @property
    def kind(self) -> str | None:
        """None for what no revision has."""
        return KINDS.get(self.method)

    @property
    def needs(self) -> dict[str, Any]:
        """The client capability that it takes, as `requiredCapabilities` says it; empty when unknown."""
        kind = self.kind
        if kind == "elicitation":
            return {kind: {"url" if self.params.get("mode") == "url" else "form": {}}}
        if kind == "sampling":
            return {kind: {"tools": {}} if {"tools", "toolChoice"} & self.params.keys() else {}}
        return {} if kind is None else {kind: {}}


def declared(capabilities: Mapping[str, Any], may_ask: Collection[str], version: str) -> dict[str, Any]:
    """The caller's capabilities as far as the operator lets the server use them.

    `version`: the caller's revision; what it does not have, a client of it cannot answer. Only what the
    official schemas know is passed on.
    """
    found: dict[str, Any] = {}
    for kind in _PARTS:
        said = capabilities.get(kind)
        if kind not in may_ask or not isinstance(said, dict) or version < _SINCE[kind]:
            continue
        parts = {
            name: said[name]
            for name, since in _PARTS[kind].items()
            if isinstance(said.get(name), dict | bool) and version >= since
        }
        if kind == "roots" and version >= _STATELESS:
            parts = {}
        if kind == "elicitation" and said and not parts:
            continue  # empty would mean forms, and that is not what was declared
        found[kind] = parts
    return found


def covers(offered: Mapping[str, Any], needed: Mapping[str, Any]) -> bool:
    """Whether every capability in `needed` is among those `offered`, with the members that are asked for.

    An empty `elicitation` means forms only (MCP 2025-11-25, "Client capabilities").
    """
    for kind, wanted in needed.items():
        said = offered.get(kind)
        if not isinstance(said, dict):
            return False
        members = said.keys() if said or kind != "elicitation" else {"form"}
        if isinstance(wanted, dict) and kind in _PARTS and not wanted.keys() <= members:
            return False
    return True


def judge(
    question: Question, capabilities: Mapping[str, Any], may_ask: Collection[str], version: str
) -> Objection | None:
    """None when it may be asked. The operator's word comes first."""
    kind = question.kind
    if kind is None:
        return Objection.UNKNOWN
    if kind not in may_ask:
        return Objection.FORBIDDEN
    if not covers(declared(capabilities, may_ask, version), question.needs):
        return Objection.UNDECLARED
    return None
