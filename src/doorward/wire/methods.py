"""The methods of each revision as data: a missing row is the refusal (research brief 1, official schemas).

Not in the tables, so unknown to callers: the tasks methods (2025-11-25 experimental, 2026-07-28 extension),
see `NOT_OFFERED`; and what 2026-07-28 knows only as an entry of `inputRequests`, see `INPUT_REQUESTS`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from doorward.model.target import Kind


class MessageKind(StrEnum):
    """Whether a message wants an answer."""

    REQUEST = "request"
    NOTIFICATION = "notification"


class Concern(StrEnum):
    """What a message is about, which decides who handles it."""

    LIST = "list"
    """Asks what is on offer; answered from the catalogue, filtered."""
    CALL = "call"
    """Aimed at one target; passes the spine to its server."""
    LOCAL = "local"
    """Answered by whoever receives it."""
    STREAM = "stream"
    """Travels on, opens or cancels somebody's stream."""
    SESSION = "session"
    """Changes what a legacy session is."""


REQUEST, NOTIFICATION = MessageKind.REQUEST, MessageKind.NOTIFICATION
LIST, CALL, LOCAL, STREAM, SESSION = (
    Concern.LIST,
    Concern.CALL,
    Concern.LOCAL,
    Concern.STREAM,
    Concern.SESSION,
)
CLIENT, SERVER, BOTH = "client", "server", "both"


class Method(msgspec.Struct, frozen=True):
    """One row."""

    name: str
    sender: str
    """"client", "server" or "both"."""
    kind: MessageKind
    concern: Concern
    ref: Kind | None = None
    """What it lists or is aimed at; None for completion/complete, whose `ref` says it."""
    name_param: str | None = None
    """The member of params that names the target."""


_ALL_REVISIONS: Final = (
    Method("tools/list", CLIENT, REQUEST, LIST, Kind.TOOL),
    Method("tools/call", CLIENT, REQUEST, CALL, Kind.TOOL, "name"),
    Method("prompts/list", CLIENT, REQUEST, LIST, Kind.PROMPT),
    Method("prompts/get", CLIENT, REQUEST, CALL, Kind.PROMPT, "name"),
    Method("resources/list", CLIENT, REQUEST, LIST, Kind.RESOURCE),
    Method("resources/templates/list", CLIENT, REQUEST, LIST, Kind.TEMPLATE),
    Method("resources/read", CLIENT, REQUEST, CALL, Kind.RESOURCE, "uri"),
    Method("completion/complete", CLIENT, REQUEST, CALL, None, "ref"),
    Method("notifications/cancelled", BOTH, NOTIFICATION, STREAM),
    Method("notifications/message", SERVER, NOTIFICATION, STREAM),
    Method("notifications/tools/list_changed", SERVER, NOTIFICATION, STREAM, Kind.TOOL),
    Method("notifications/prompts/list_changed", SERVER, NOTIFICATION, STREAM, Kind.PROMPT),
    Method("notifications/resources/list_changed", SERVER, NOTIFICATION, STREAM, Kind.RESOURCE),
    Method("notifications/resources/updated", SERVER, NOTIFICATION, STREAM, Kind.RESOURCE, "uri"),
)
_LEGACY: Final = (
    *_ALL_REVISIONS,
    Method("initialize", CLIENT, REQUEST, SESSION),
    Method("notifications/initialized", CLIENT, NOTIFICATION, SESSION),
    Method("ping", BOTH, REQUEST, LOCAL),
    Method("logging/setLevel", CLIENT, REQUEST, SESSION),
    Method("resources/subscribe", CLIENT, REQUEST, CALL, Kind.RESOURCE, "uri"),
    Method("resources/unsubscribe", CLIENT, REQUEST, CALL, Kind.RESOURCE, "uri"),
    Method("roots/list", SERVER, REQUEST, STREAM),
    Method("sampling/createMessage", SERVER, REQUEST, STREAM),
    Method("notifications/progress", BOTH, NOTIFICATION, STREAM),
    Method("notifications/roots/list_changed", CLIENT, NOTIFICATION, SESSION),
)
_ELICITING: Final = (*_LEGACY, Method("elicitation/create", SERVER, REQUEST, STREAM))
_MODERN: Final = (
    *_ALL_REVISIONS,
    Method("server/discover", CLIENT, REQUEST, LOCAL),
    Method("subscriptions/listen", CLIENT, REQUEST, STREAM),
    Method("notifications/progress", SERVER, NOTIFICATION, STREAM),
    Method("notifications/subscriptions/acknowledged", SERVER, NOTIFICATION, STREAM),
)


def _table(methods: Iterable[Method]) -> dict[str, Method]:
    return {method.name: method for method in methods}


TABLES: Final[dict[str, dict[str, Method]]] = {
    "2024-11-05": _table(_LEGACY),
    "2025-03-26": _table(_LEGACY),
    "2025-06-18": _table(_ELICITING),
    "2025-11-25": _table(
        (*_ELICITING, Method("notifications/elicitation/complete", SERVER, NOTIFICATION, STREAM))
    ),
    "2026-07-28": _table(_MODERN),
}

NOT_OFFERED: Final[dict[str, frozenset[str]]] = {
    "2025-11-25": frozenset(
        {"tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "notifications/tasks/status"}
    ),
    "2026-07-28": frozenset({"tasks/get", "tasks/update", "tasks/cancel", "notifications/tasks"}),
}
"""Known to the revision or to an extension of it, but not served: the capability is not declared either."""

INPUT_REQUESTS: Final = frozenset({"roots/list", "sampling/createMessage", "elicitation/create"})
"""In 2026-07-28 a server asks these inside an `input_required` result, never by a request of its own."""


def lookup(version: str, method: str) -> Method | None:
    """None for a method that this revision does not have or that we do not serve, and for an unknown
    revision."""
    table = TABLES.get(version)
    return None if table is None else table.get(method)
