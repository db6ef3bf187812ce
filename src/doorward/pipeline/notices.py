"""Notifications that belong to no call: each is decided, as a read, for each principal that would see it."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from doorward.model.bounds import Bounds
from doorward.model.principal import Principal
from doorward.model.target import Kind, OperationClass, Target
from doorward.pipeline.listens import Listens, may_read
from doorward.pipeline.shares import Shares
from doorward.pipeline.views import View, differ, narrowed
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


class Notices:
    """Knows who listens; asks the policy in force."""

    def __init__(self, streams: Streams, listens: Listens, policy: Callable[[], Engine]) -> None:
        self._streams = streams
        self._listens = listens
        self._policy = policy
        self._shares = Shares()

    async def list_changed(self, server: str, kind: Kind, before: View, after: View) -> None:
        """Tell everybody behind whose endpoint this server stands, and who sees something else than before.
        What changed is asked for, and filtered, by a list."""
        parties = {
            _party(principal): principal
            for endpoint, principal in self._listeners(kind)
            if endpoint in (None, server)
        }
        if not parties:
            return
        before, after = await self._shares.run(narrowed(before, after))
        # What is seen without arguments depends on nothing but the agent and its bounds.
        concerned = {
            party
            for party, principal in parties.items()
            if await self._shares.run(differ(before, after, principal))
        }
        message = jsonrpc.encode_notification(CHANGED[kind], None)
        for session, principal in list(self._streams.listening()):
            if session.endpoint in (None, server) and _party(principal) in concerned:
                self._streams.push(session.id, message)
        for listener in list(self._listens.listening()):
            wanted = kind in listener.kinds and listener.endpoint in (None, server)
            if wanted and _party(listener.principal) in concerned:
                listener.tell(CHANGED[kind], {})

    def _listeners(self, kind: Kind) -> Iterable[tuple[str | None, Principal]]:
        """Endpoint and principal of all who would hear of it."""
        for session, principal in self._streams.listening():
            yield session.endpoint, principal
        for listener in self._listens.listening():
            if kind in listener.kinds:
                yield listener.endpoint, listener.principal

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
        for session, principal in self._streams.of(key):
            asked = session.log_level
            if asked is None or rank < LOG_LEVELS.index(asked) or session.endpoint not in (None, server):
                continue
            if self._policy().reaches(principal, server):
                self._streams.push(session.id, message)


def _party(principal: Principal) -> tuple[str, Bounds | None]:
    return principal.agent, principal.bounds
