"""What callers want to hear of from one server, and what we keep open there for them.

Nobody waits for the work here but a legacy `resources/subscribe`: wishes are noted, and one task makes the
server fit them. It opens what is missing, ends what nobody wants any more, and begins again after a loss,
waiting ever longer. Between a loss and its repair updates may be missed, so everything watched there is then
said to have changed: that asks for nothing but a read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from doorward.model.call import Era
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.ports.watched import Wish
from doorward.upstream.conversation import Conversation
from doorward.upstream.failure import failure
from doorward.upstream.http import SessionGone
from doorward.upstream.listening import LISTEN, Listening
from doorward.upstream.live import Answer, Live
from doorward.upstream.relay import Relay
from doorward.upstream.timeouts import limit
from doorward.upstream.wished import Wished
from doorward.wire import jsonrpc

SUBSCRIBE: Final = "resources/subscribe"
METHODS: Final = frozenset({SUBSCRIBE, "resources/unsubscribe"})
UPDATED: Final = "notifications/resources/updated"
LOOK_S: Final = 2.0
"""How often conversations that are kept are looked after."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
SETTLE_S: Final = 3.0
"""How long the acknowledgement of a caller's listen waits for a server."""
MOST_URIS: Final = 1_000
"""Subscriptions of one legacy session at one server."""
MOST_TEXT: Final = 4 * 1024 * 1024
"""Characters of all that one owner has subscribed to at one server: it may have a thousand sessions."""
_LISTS: Final = (
    ("tools", "toolsListChanged"),
    ("prompts", "promptsListChanged"),
    ("resources", "resourcesListChanged"),
)
_DONE: Final = b"{}"


class Host(Protocol):
    """The server, as far as watching needs it."""

    name: str
    relay: Relay

    async def ready(self) -> Era: ...
    async def conversation(self, key: str | None) -> Conversation: ...
    def found(self, key: str | None) -> Conversation | None: ...
    def key_of(self, session: str | None, owner: str) -> str | None: ...
    def live(self, method: str) -> Live: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class _Kept:
    """A legacy conversation and what it is subscribed to."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.uris: set[str] = set()
        self.refused: set[str] = set()
        """Those among them that the server does not take: it is not asked again."""
        self.lists = False


class Watches:
    """One per server, while it runs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._wished = Wished(host.key_of)
        self._kept: dict[str | None, _Kept] = {}
        self._listening: Listening | None = None
        self._era: Era | None = None
        """As last found out; None until then."""
        self._wait: dict[str | None, tuple[float, float]] = {}
        """After a failure, by conversation key: not before, and how long that was."""
        self._lost: set[str | None] = set()
        """Keys whose conversation has ended since it was last put right."""
        self._changed = asyncio.Event()
        self._tried = asyncio.Event()
        self._running = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        host.relay.on_deafness = self._deafness

    # what is wanted

    @property
    def wishes(self) -> Mapping[str, Wish]:
        """By holder."""
        return self._wished.by_holder

    def want(self, holder: str, wish: Wish | None) -> None:
        """See ports.Watched."""
        if self._wished.change(holder, wish):
            self._rouse()

    def holders(self, key: str | None, uri: str) -> list[tuple[str, str]]:
        """See Wished.holders."""
        return self._wished.holders(key, uri)

    async def settled(self, holder: str) -> frozenset[str]:
        """See ports.Watched."""
        wish = self.wishes.get(holder)
        if wish is None:
            return frozenset()
        key = self._wished.key(wish)
        try:
            async with asyncio.timeout(SETTLE_S):
                while not self._settled(wish):
                    self._tried.clear()
                    await self._tried.wait()
        except TimeoutError:
            self._lost.add(key)  # once it is there, what happened meanwhile is asked for
            return frozenset(wish.uris)
        return frozenset(uri for uri in wish.uris if not self._refuses(wish, uri))

    def _settled(self, wish: Wish) -> bool:
        if self._era is Era.MODERN:
            return self._fits() and (self._listening is None or not self._listening.over)
        kept = self._kept.get(self._wished.key(wish))
        return kept is not None and kept.conversation.usable and wish.uris.keys() <= kept.uris

    def _refuses(self, wish: Wish, uri: str) -> bool:
        if self._era is Era.MODERN:
            return not self._honours(uri)
        kept = self._kept.get(self._wished.key(wish))
        return kept is None or uri in kept.refused

    def keep(self, now: float) -> None:
        """Conversations that are only listened to are in use all the same."""
        for kept in self._kept.values():
            if kept.uris:
                kept.conversation.last_used = now

    async def close(self) -> None:
        self._closed = True
        self._changed.set()
        if self._listening is not None:
            await self._listening.end()

    # a legacy caller's own request

    async def pass_on(
        self, permit: Permit, conversation: Conversation, live: Live, params: dict[str, Any]
    ) -> Answer:
        """The answer to a `resources/subscribe` or `unsubscribe`.

        Raises UpstreamError, SessionGone, and CallerError(INVALID_PARAMS) for one subscription too many.
        """
        call, uri = permit.call, permit.target.name
        subscribes = call.method == SUBSCRIBE
        wished = self.wishes.get(_session(permit))
        if subscribes and (wished is None or uri not in wished.uris):
            if wished is not None and len(wished.uris) >= MOST_URIS:
                raise CallerError(
                    Reason.INVALID_PARAMS, f"{call.method}: more than {MOST_URIS} in one session"
                )
            if self._wished.text(permit.principal.owner) + len(uri) > MOST_TEXT:
                text = f"{call.method}: more than {MOST_TEXT} characters in all sessions"
                raise CallerError(Reason.INVALID_PARAMS, text)
        if conversation.era is Era.MODERN:
            self._wish(permit, add=subscribes)
            return await self._honoured(permit, live) if subscribes else _done(live)
        if not subscribes:
            self._note(conversation, uri, subscribed=False)
            self._wish(permit, add=False)
            if any(uri in uris for uris in self._wished.needed(conversation.key)):
                self._note(conversation, uri, subscribed=True)
                return _done(live)  # others share this conversation
        if subscribes:
            await _open_stream(conversation, live.deadline)
        answer = await conversation.request(live, params)
        if subscribes and isinstance(answer, jsonrpc.UpstreamResult):
            self._note(conversation, uri, subscribed=True)
            self._wish(permit, add=True)
        return answer

    def _wish(self, permit: Permit, *, add: bool) -> None:
        holder = _session(permit)
        before = self.wishes.get(holder)
        uris = dict(before.uris) if before is not None else {}
        if add:
            uris[permit.target.name] = str(permit.call.params.get("uri"))
        else:
            uris.pop(permit.target.name, None)
        self.want(holder, Wish(holder, permit.principal.owner, uris))

    async def _honoured(self, permit: Permit, live: Live) -> Answer:
        """At a modern server it is a matter of the filter; what that does not honour is refused."""
        uri = permit.target.name
        try:
            async with asyncio.timeout_at(live.deadline):
                while not self._honours(uri):
                    self._tried.clear()
                    await self._tried.wait()
                    if None in self._wait:
                        text = "does not let us listen now"
                        raise failure(Reason.UPSTREAM_UNREACHABLE, self._host.name, text)
                    if not self._honours(uri) and self._fits():
                        self._wish(permit, add=False)
                        text = "this resource cannot be subscribed to"
                        return jsonrpc.UpstreamError(live.id, -32602, text, {"uri": uri})
        except TimeoutError:
            self._wish(permit, add=False)
            text = f"did not answer within {limit(live.within)}"
            raise failure(Reason.UPSTREAM_TIMEOUT, self._host.name, text) from None
        except UpstreamError:
            self._wish(permit, add=False)
            raise
        return _done(live)

    def _honours(self, uri: str) -> bool:
        listening = self._listening
        if listening is None or listening.over:
            return False
        honoured = listening.honoured.get("resourceSubscriptions")
        return isinstance(honoured, list) and uri in honoured

    def _fits(self) -> bool:
        """Whether what we listen to is what is wanted by now."""
        conversation = self._host.found(None)
        if conversation is None:
            return False
        wanted = self._filter(conversation)
        return wanted == (self._listening.wanted if self._listening is not None else {})

    def _note(self, conversation: Conversation, uri: str, *, subscribed: bool) -> None:
        kept = self._kept.get(conversation.key)
        if kept is None or kept.conversation is not conversation:
            kept = self._kept[conversation.key] = _Kept(conversation)
        kept.refused.discard(uri)
        if subscribed:
            kept.uris.add(uri)
        else:
            kept.uris.discard(uri)

    # making it so

    def _rouse(self) -> None:
        self._changed.set()
        if not self._running and not self._closed:
            self._running = True
            self._host.spawn(self._run())

    async def _run(self) -> None:
        """While anybody wants anything."""
        try:
            while not self._closed:
                self._changed.clear()
                await self._put_right()
                self._tried.set()
                if not self.wishes and not self._kept and self._listening is None:
                    return
                try:
                    async with asyncio.timeout(LOOK_S if not self._wait else FIRST_WAIT_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._running = False

    async def _put_right(self) -> None:
        try:
            era = await self._host.ready()
        except UpstreamError:
            self._failed(None)
            return
        self._era = era
        if era is Era.MODERN:
            self._kept.clear()
            await self._guarded(None, self._listen)
            return
        if self._listening is not None:
            await self._listening.end()
            self._listening = None
        # At the same time: one whose conversation hangs holds up nobody else's.
        await asyncio.gather(*(self._guarded(key, partial(self._subscribe, key)) for key in self._keys()))

    def _keys(self) -> list[str | None]:
        keys: dict[str | None, None] = dict.fromkeys(self._kept)
        for wish in self.wishes.values():
            if wish.uris:
                keys[self._wished.key(wish)] = None
            if wish.lists:
                keys[None] = None
        return list(keys)

    async def _guarded(self, key: str | None, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Not while it has to wait; a failure makes it wait."""
        due, _ = self._wait.get(key, (0.0, 0.0))
        if self._loop.time() < due:
            return
        try:
            await work()
        except (UpstreamError, SessionGone):
            self._failed(key)
        else:
            self._wait.pop(key, None)

    def _failed(self, key: str | None) -> None:
        _, waited = self._wait.get(key, (0.0, 0.0))
        wait = min(max(waited * 2, FIRST_WAIT_S), LONGEST_WAIT_S)
        self._wait[key] = (self._loop.time() + wait, wait)

    async def _subscribe(self, key: str | None) -> None:
        """Make one legacy conversation fit. Raises UpstreamError, SessionGone."""
        needed = {uri for uris in self._wished.needed(key) for uri in uris}
        lists = key is None and self._wished.lists
        kept = self._kept.get(key)
        if kept is not None and not kept.conversation.usable:
            if kept.uris:
                self._lost.add(key)
            del self._kept[key]
            kept = None
        if not needed and not lists and kept is None:
            return
        conversation = kept.conversation if kept is not None else await self._host.conversation(key)
        if kept is None:
            kept = self._kept[key] = _Kept(conversation)
        if needed or lists:
            await _open_stream(conversation, self._loop.time() + SETTLE_S)
        for uri in sorted(needed - kept.uris):
            if not await self._say(conversation, SUBSCRIBE, uri):
                kept.refused.add(uri)
            kept.uris.add(uri)
        for uri in sorted(kept.uris - needed):
            if uri not in kept.refused:
                await self._say(conversation, "resources/unsubscribe", uri)
            kept.uris.discard(uri)
            kept.refused.discard(uri)
        if not needed and not lists:
            self._kept.pop(key, None)
        if key in self._lost:
            self._lost.discard(key)
            self._missed(key, needed)
        if lists and not kept.lists:
            self._lists_missed()
        kept.lists = lists

    async def _say(self, conversation: Conversation, method: str, uri: str) -> bool:
        """Whether the server has taken it."""
        answer = await conversation.request(self._host.live(method), {"uri": uri})
        return not isinstance(answer, jsonrpc.UpstreamError)

    async def _listen(self) -> None:
        """Keep a modern server's one listen as wide as it has to be. Raises UpstreamError, SessionGone."""
        old = self._listening
        conversation = await self._host.conversation(None)
        wanted = self._filter(conversation)
        if old is not None and old.over:
            self._listening, old = None, None
            self._lost.add(None)
        if old is not None and old.wanted == wanted:
            return
        if wanted:
            new = Listening(self._host.live(LISTEN), wanted, self._host.relay)
            await new.begin(conversation)  # type: ignore[arg-type]  # a modern conversation can do that
            self._listening = new
        else:
            self._listening = None
        if old is not None:  # not before: nothing that happens in between may be missed
            await old.end()
        if None in self._lost:
            self._lost.discard(None)
            self._missed(None, wanted.get("resourceSubscriptions", ()))
        if any(flag in wanted and (old is None or flag not in old.wanted) for _, flag in _LISTS):
            self._lists_missed()

    def _filter(self, conversation: Conversation) -> dict[str, Any]:
        """The union of what all want, as far as the server says that it can."""
        can = conversation.introduction.capabilities
        found: dict[str, Any] = {}
        if self._wished.lists:
            found = {flag: True for name, flag in _LISTS if _offers(can, name, "listChanged")}
        uris = sorted({uri for wish in self.wishes.values() for uri in wish.uris})
        if uris and _offers(can, "resources", "subscribe"):
            found["resourceSubscriptions"] = uris
        return found

    def _missed(self, key: str | None, uris: Iterable[str]) -> None:
        for uri in sorted(uris):
            self._host.relay.on_notification(key, UPDATED, {"uri": uri})

    def _deafness(self, key: str | None) -> None:
        """A legacy stream is there again, or for the first time after it was waited for in vain."""
        if not self._closed:
            self._missed(key, {uri for uris in self._wished.needed(key) for uri in uris})
            if self._wished.lists:
                self._lists_missed()

    def _lists_missed(self) -> None:
        """Nobody has told us of changes until now: all lists are asked for once."""
        for name, _ in _LISTS:
            self._host.relay.on_notification(None, f"notifications/{name}/list_changed", {})


def _offers(capabilities: Mapping[str, Any], name: str, what: str) -> bool:
    offered = capabilities.get(name)
    return isinstance(offered, dict) and offered.get(what) is True


async def _open_stream(conversation: Conversation, due: float) -> None:
    """Over HTTP what a legacy server says of its own accord comes on a stream that has to be asked for.

    Servers without an event store forget what they say before it is there, so it is waited for, for a while.
    """
    listens = getattr(conversation, "listens", None)
    if listens is not None:
        await listens(due)


def _session(permit: Permit) -> str:
    """Only legacy callers have these methods, and those have a session."""
    session = permit.call.session
    assert session is not None
    return session.id


def _done(live: Live) -> Answer:
    return jsonrpc.UpstreamResult(live.id, _DONE)
