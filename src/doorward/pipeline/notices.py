"""Notifications that belong to no call: each is decided, as a read, for each principal that would see it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import Allow
from doorward.pipeline.listens import Listens, may_read
from doorward.policy.engine import Engine
from doorward.ports.streams import Streams
from doorward.wire import jsonrpc
from doorward.wire.meta import LOG_LEVELS

CHANGED: Final = {
    Kind.TOOL: "notifications/tools/list_changed",
    Kind.PROMPT: "notifications/prompts/list_changed",
    Kind.RESOURCE: "notifications/resources/list_changed",
    Kind.TEMPLATE: "notifications/resources/list_changed",
}
UPDATED: Final = "notifications/resources/updated"
MESSAGE: Final = "notifications/message"


class View(NamedTuple):
    """What there was of one kind at one server, and the rules over it."""

    policy: Engine
    definitions: Sequence[Definition]

    def of(self, principal: Principal) -> frozenset[tuple[str, str]]:
        """What this principal sees of it: names with their digests."""
        return frozenset(
            (one.name, one.digest)
            for one in self.definitions
            if isinstance(self.policy.decide(principal, _target(one), None), Allow)
        )


class Notices:
    """Knows who listens; asks the policy in force."""

    def __init__(self, streams: Streams, listens: Listens, policy: Callable[[], Engine]) -> None:
        self._streams = streams
        self._listens = listens
        self._policy = policy

    def list_changed(self, server: str, kind: Kind, before: View, after: View) -> None:
        """Tell everybody behind whose endpoint this server stands, and who sees something else than before.
        What changed is asked for, and filtered, by a list."""
        known: dict[str, bool] = {}

        def concerns(endpoint: str | None, principal: Principal) -> bool:
            if endpoint not in (None, server):
                return False
            agent = principal.agent  # what is seen without arguments depends on nothing else
            if agent not in known:
                known[agent] = before.of(principal) != after.of(principal)
            return known[agent]

        message = jsonrpc.encode_notification(CHANGED[kind], None)
        for session, principal in list(self._streams.listening()):
            if concerns(session.endpoint, principal):
                self._streams.push(session.id, message)
        for listener in self._listens.listening():
            if kind in listener.kinds and concerns(listener.endpoint, listener.principal):
                listener.tell(CHANGED[kind], {})

    def resource_updated(self, server: str, uri: object, holders: Iterable[tuple[str, str]]) -> None:
        """Pass a server's notice on to those who subscribed to it, in whose names it is called `uri`.

        `holders`: session or listen, and its own name of the resource.
        """
        if not isinstance(uri, str):
            return
        target = Target(server, Kind.RESOURCE, uri, OperationClass.READ)
        policy = self._policy()
        for holder, known_as in holders:
            listener = self._listens.find(holder)
            if listener is not None:
                if may_read(policy, listener.principal, target):
                    listener.tell(UPDATED, {"uri": known_as})
                continue
            principal = self._streams.listener(holder)
            if principal is not None and may_read(policy, principal, target):
                self._streams.push(holder, jsonrpc.encode_notification(UPDATED, {"uri": known_as}))

    def logged(self, server: str, key: str | None, params: dict[str, Any]) -> None:
        """Pass on a log message that belongs to no call, to the session or the sessions of the owner whose
        conversation it came on, where its level was asked for."""
        if key is None or params.get("level") not in LOG_LEVELS:
            return
        rank = LOG_LEVELS.index(str(params["level"]))
        message = jsonrpc.encode_notification(MESSAGE, params)
        for session, principal in list(self._streams.listening()):
            asked = session.log_level
            if asked is None or rank < LOG_LEVELS.index(asked):
                continue
            if _concerns(session, principal, server, key) and self._policy().reaches(principal, server):
                self._streams.push(session.id, message)


def _target(definition: Definition) -> Target:
    return Target(definition.server, definition.kind, definition.name, definition.op_class, definition)


def _concerns(session: Session, principal: Principal, server: str, key: str) -> bool:
    return session.endpoint in (None, server) and key in (session.id, principal.owner)
