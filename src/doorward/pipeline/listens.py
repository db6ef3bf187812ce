"""`subscriptions/listen` of modern callers (MCP 2026-07-28, "Subscriptions"): one open request each.

Every URI of a filter, and every notification that is fanned out, is decided as a read by that principal. The
first decision stands for as long as the rules do; the record is that of the listen itself, so that a chatty
server cannot fill the log.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from doorward.model.call import Call, Outcome, Reply, RequestId
from doorward.model.errors import CallerError, GatewayError, UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, Target
from doorward.model.verdict import Allow
from doorward.policy.engine import Engine
from doorward.ports.catalog import Catalog
from doorward.ports.router import Router
from doorward.ports.watched import Watched, Wish
from doorward.wire import jsonrpc, meta

ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
FLAGS: Final = {
    "toolsListChanged": ("tools", frozenset({Kind.TOOL})),
    "promptsListChanged": ("prompts", frozenset({Kind.PROMPT})),
    "resourcesListChanged": ("resources", frozenset({Kind.RESOURCE, Kind.TEMPLATE})),
}
URIS: Final = "resourceSubscriptions"
MOST_URIS: Final = 1_000
"""In one filter: each of them is routed, decided and kept as long as the listen lasts."""
MOST_TEXT: Final = 256 * 1024
"""Characters of all of them."""
PER_OWNER: Final = 64
"""Listens that one owner may have open at the same time."""
AT_ONCE: Final = 25
"""URIs that are looked at before others have their turn: the first decision of each takes some 50 us."""
ON_STDIO: Final = 16
"""The same on standard input, where each takes one of the places for running messages."""


class Outlook(Protocol):
    """The world in force."""

    @property
    def policy(self) -> Engine: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def router(self) -> Router: ...


class Listener:
    """One open listen. What it has not taken yet is kept once per thing that changed, however often it did:
    that is bounded by its filter, and a slow reader loses nothing but repetitions."""

    def __init__(self, holder: str, call: Call, principal: Principal, kinds: frozenset[Kind]) -> None:
        self.holder = holder
        self.principal = principal
        self.endpoint = call.endpoint
        self.kinds = kinds
        """Whose list changes it wants to hear of."""
        self.uris: dict[str, dict[str, str]] = {}
        """Per server: the server's own URI, and how this caller calls it."""
        self.on_stdio = call.scope is not None
        self._id: RequestId = call.id
        self._waiting: dict[bytes, None] = {}
        self._wake: asyncio.Future[None] | None = None
        self._over = False

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Never waits."""
        stamped = {**params, "_meta": {meta.SUBSCRIPTION_ID: self._id}}
        message = jsonrpc.encode_notification(method, stamped)
        self._waiting[message] = None
        self._rouse()

    def end(self) -> None:
        """From our side: its caller gets the empty result."""
        self._over = True
        self._rouse()

    async def next(self) -> bytes | None:
        """What to send, in the order in which it first happened; None at the end."""
        while not self._waiting and not self._over:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if self._over:
            return None
        message = next(iter(self._waiting))
        del self._waiting[message]
        return message

    def result(self) -> bytes:
        """Of a listen that has ended gracefully."""
        return msgspec.json.encode({"resultType": "complete", "_meta": {meta.SUBSCRIPTION_ID: self._id}})

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Listens:
    """All open listens of a process. Used from one event loop."""

    def __init__(self, outlook: Callable[[], Outlook], watched: Watched, changed: Callable[[], None]) -> None:
        """`changed` is told when a listen has begun or ended."""
        self._outlook = outlook
        self._watched = watched
        self._changed = changed
        self._open: dict[str, Listener] = {}
        self._minted = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    def listening(self) -> Iterable[Listener]:
        return list(self._open.values())

    def find(self, holder: str) -> Listener | None:
        return self._open.get(holder)

    async def serve(self, call: Call, principal: Principal) -> Reply:
        """Acknowledge, then notify until the caller has gone (cancellation) or we end it.

        Raises CallerError(INVALID_PARAMS | NOT_ACCEPTABLE), GatewayError(OVERLOADED | SHUTTING_DOWN).
        """
        wanted, uris = read_filter(call.params)
        events = call.events
        if events is None:
            raise CallerError(Reason.NOT_ACCEPTABLE, "subscriptions/listen is answered by a stream")
        self._admit(principal, on_stdio=call.scope is not None)
        self._minted += 1
        listener = Listener(f"listen:{self._minted}", call, principal, frozenset())
        self._open[listener.holder] = listener
        try:
            honoured = await self._honour(listener, call, wanted, uris)
            self._changed()
            await self._settle(listener, honoured)
            stamped = {"notifications": honoured, "_meta": {meta.SUBSCRIPTION_ID: call.id}}
            await events.emit(jsonrpc.encode_notification(ACKNOWLEDGED, stamped))
            while (message := await listener.next()) is not None:
                await events.emit(message)
        finally:
            del self._open[listener.holder]
            for server in listener.uris:
                self._watched.want(server, listener.holder, None)
            self._changed()
        return Reply(listener.result(), None, Outcome.OK)

    async def _settle(self, listener: Listener, honoured: dict[str, Any]) -> None:
        """Have the servers take what is wanted of them; what they refuse is not honoured."""
        self.renew(listener)
        servers = list(listener.uris)
        settling = [self._watched.settled(server, listener.holder) for server in servers]
        for server, taken in zip(servers, await asyncio.gather(*settling), strict=True):
            refused = {uri: name for uri, name in listener.uris[server].items() if uri not in taken}
            for uri, name in refused.items():
                del listener.uris[server][uri]
                honoured[URIS].remove(name)
            if refused:
                uris = dict(listener.uris[server])
                self._watched.want(server, listener.holder, Wish(None, listener.principal.owner, uris))
        if not honoured.get(URIS, True):
            del honoured[URIS]

    def renew(self, listener: Listener) -> None:
        """Say (again) at the servers what it wants there: they may be new ones after a reload."""
        for server, uris in listener.uris.items():
            self._watched.want(server, listener.holder, Wish(None, listener.principal.owner, dict(uris)))

    def close_where(self, ended: Callable[[Principal], bool]) -> None:
        """End those of everybody of whom `ended` is true: their key was revoked."""
        for listener in self.listening():
            if ended(listener.principal):
                listener.end()

    def close_all(self) -> None:
        """The gateway is stopping: listens end, and no other begins."""
        self._closed = True
        for listener in self.listening():
            listener.end()

    def _admit(self, principal: Principal, *, on_stdio: bool) -> None:
        if self._closed:
            raise GatewayError(Reason.SHUTTING_DOWN, "the gateway is stopping")
        owner = principal.owner
        mine = sum(one.principal.owner == owner for one in self._open.values())
        if mine >= (ON_STDIO if on_stdio else PER_OWNER):
            raise GatewayError(Reason.OVERLOADED, "too many listens of this caller are open")

    async def _honour(
        self, listener: Listener, call: Call, wanted: frozenset[str], uris: list[str]
    ) -> dict[str, Any]:
        """What of the filter is honoured. A resource that is unknown and one that is not for this principal
        are left out alike."""
        outlook = self._outlook()
        offered = outlook.catalog.describe(call.endpoint, listener.principal).capabilities
        flags = {flag: True for flag in wanted if FLAGS[flag][0] in offered}
        listener.kinds = frozenset(kind for flag in flags for kind in FLAGS[flag][1])
        honoured: dict[str, Any] = dict(sorted(flags.items()))
        taken: list[str] = []
        subscribable: dict[str, bool] = {}
        for number, uri in enumerate(uris, 1):
            if self._take(listener, call, uri, outlook, subscribable):
                taken.append(uri)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        if taken:
            honoured[URIS] = taken
        return honoured

    @staticmethod
    def _take(
        listener: Listener, call: Call, uri: str, outlook: Outlook, subscribable: dict[str, bool]
    ) -> bool:
        read = msgspec.structs.replace(call, method="resources/read", params={"uri": uri})
        try:
            target = outlook.router.route(read, listener.principal)
        except (CallerError, UpstreamError):
            return False
        server = target.server
        if server not in subscribable:
            can = outlook.catalog.describe(server, listener.principal).capabilities.get("resources", {})
            subscribable[server] = can.get("subscribe") is True
        if not subscribable[server] or not may_read(outlook.policy, listener.principal, target):
            return False
        listener.uris.setdefault(server, {})[target.name] = uri
        return True


def may_read(policy: Engine, principal: Principal, target: Target) -> bool:
    """The decision that a read of it would get."""
    return isinstance(policy.decide(principal, target, {}), Allow)


def read_filter(params: Mapping[str, Any]) -> tuple[frozenset[str], list[str]]:
    """The list flags that are set, and the URIs, each once. What we do not know is not honoured.

    Raises CallerError(INVALID_PARAMS).
    """
    given = params.get("notifications")
    if not isinstance(given, dict):
        raise CallerError(Reason.INVALID_PARAMS, "subscriptions/listen: notifications must be an object")
    for flag in FLAGS:
        if not isinstance(given.get(flag, False), bool):
            raise CallerError(Reason.INVALID_PARAMS, f"subscriptions/listen: {flag} must be true or false")
    uris = given.get(URIS, [])
    if not isinstance(uris, list) or len(uris) > MOST_URIS:
        text = f"subscriptions/listen: {URIS} must be an array of at most {MOST_URIS} URIs"
        raise CallerError(Reason.INVALID_PARAMS, text)
    if not all(isinstance(uri, str) for uri in uris):
        raise CallerError(Reason.INVALID_PARAMS, f"subscriptions/listen: {URIS} must hold strings")
    if sum(map(len, uris)) > MOST_TEXT:
        text = f"subscriptions/listen: {URIS} has more than {MOST_TEXT} characters"
        raise CallerError(Reason.INVALID_PARAMS, text)
    return frozenset(flag for flag in FLAGS if given.get(flag, False)), list(dict.fromkeys(uris))
