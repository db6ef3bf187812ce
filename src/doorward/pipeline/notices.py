"""Notifications that belong to no call: each is decided, as a read, for each principal that would see it."""

from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Allow
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


class Notices:
    """Knows who listens; asks the policy in force."""

    def __init__(self, streams: Streams, policy: Callable[[], Engine]) -> None:
        self._streams = streams
        self._policy = policy

    def list_changed(self, server: str, kind: Kind) -> None:
        """Tell the sessions that this server stands behind and whose agent may know of it. What changed is
        asked for, and filtered, by a list."""
        message = jsonrpc.encode_notification(CHANGED[kind], None)
        for session, principal in list(self._streams.listening()):
            if session.endpoint in (None, server) and self._policy().reaches(principal, server):
                self._streams.push(session.id, message)

    def resource_updated(self, server: str, key: str | None, params: dict[str, Any]) -> None:
        """Pass a server's notice on to the session, or to the sessions of the owner, whose conversation it
        came on."""
        uri = params.get("uri")
        if not isinstance(uri, str) or key is None:
            return
        target = Target(server, Kind.RESOURCE, uri, OperationClass.READ)
        message = jsonrpc.encode_notification("notifications/resources/updated", {"uri": uri})
        for session, principal in list(self._streams.listening()):
            if _concerns(session, principal, server, key) and self._may_read(principal, target):
                self._streams.push(session.id, message)

    def logged(self, server: str, key: str | None, params: dict[str, Any]) -> None:
        """Pass on a log message that belongs to no call, likewise, where its level was asked for."""
        if key is None or params.get("level") not in LOG_LEVELS:
            return
        rank = LOG_LEVELS.index(str(params["level"]))
        message = jsonrpc.encode_notification("notifications/message", params)
        for session, principal in list(self._streams.listening()):
            asked = session.log_level
            if asked is None or rank < LOG_LEVELS.index(asked):
                continue
            if _concerns(session, principal, server, key) and self._policy().reaches(principal, server):
                self._streams.push(session.id, message)

    def _may_read(self, principal: Principal, target: Target) -> bool:
        return isinstance(self._policy().decide(principal, target, {}), Allow)


def _concerns(session: Session, principal: Principal, server: str, key: str) -> bool:
    return session.endpoint in (None, server) and key in (session.id, principal.owner)
