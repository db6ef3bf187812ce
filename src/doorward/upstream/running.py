"""What of a server exists between its start and its close, and whose conversation a call belongs to."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.verdict import Permit
from doorward.upstream import keys
from doorward.upstream.conversation import Conversation
from doorward.upstream.conversations import Conversations
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.dialers import Dialer, HttpDialer, StdioDialer
from doorward.upstream.discovery import Discovery
from doorward.upstream.eras import Older, OneEra
from doorward.upstream.http import HttpLeg
from doorward.upstream.lanes import Lanes, Ways
from doorward.upstream.session import Means
from doorward.upstream.watches import Watches
from doorward.wire import asking

if TYPE_CHECKING:
    from doorward.upstream.server import Server

_MODERN: Final = Era.MODERN  # read on every call: a member of an enum costs 80 ns in CPython 3.11


class Running:
    """What exists between start and close."""

    def __init__(self, server: "Server") -> None:
        settings, relay, spawn = server.settings, server.relay, server.spawn
        self._shared = settings.shared
        self._by_session = settings.url is not None or bool(settings.may_ask)
        """Whether a legacy session has a conversation of its own: over HTTP, and where it may be asked."""
        self._may_ask = settings.may_ask
        self.loop = asyncio.get_running_loop()
        self.deadlines = Deadlines(self.loop)
        self.dialer: Dialer
        leg: HttpLeg | None = None
        if settings.url is not None:
            leg = HttpLeg(settings, self.deadlines, relay)
            means = Means(settings, leg, relay, spawn)
            self.dialer = HttpDialer(means, server.live, self.deadlines, self._stream_lost)
        else:
            self.dialer = StdioDialer(
                settings,
                self.deadlines,
                relay,
                server.live,
                self._crashed,
                warden=server.warden,
                noise=self._remark,
            )
        self.conversations = Conversations(
            settings.name,
            self._open,
            most=settings.max_conversations,
            idle_s=settings.conversation_idle_s,
            stop_s=settings.stop_s,
        )
        self.discovery = Discovery(
            settings.name, self.dialer, lambda: self.conversations.get(None), self.conversations.end_all
        )
        self._older = Older(relay.questions.declared, self.loop.time, lambda: self.dialer.verdict_ttl)
        self.watches = Watches(Watching(server, self))
        self.lanes: Lanes | None = None
        if leg is not None:
            ways = Ways(server.take_long, partial(server.finish, self), server.minted, server.clockwork)
            self.lanes = Lanes(settings, leg, self.conversations, self.discovery, ways)

    def find(self, permit: Permit) -> Conversation | None:
        """The conversation that a call belongs to, if it is open."""
        if self.discovery.era is None:
            return None
        key = self.key(permit)
        if key is not None:
            self.conversations.holders[key] = permit.principal
        return self.conversations.find(key)

    def key(self, permit: Permit) -> str | None:
        """Whose conversation a call belongs to."""
        call = permit.call
        if self._shared:
            return None
        if self.discovery.era is _MODERN:
            return self._older.key(call) if self._may_ask else None
        if self._by_session and call.session is not None:
            return call.session.id
        if self._may_ask and call.era is _MODERN:
            declared = asking.declared(call.capabilities, self._may_ask, call.version)
            return keys.of_caller(permit.principal.owner, declared)
        return permit.principal.owner

    async def conversation(self, permit: Permit) -> Conversation:
        """The one that a call belongs to, opened now if it must be. Raises UpstreamError."""
        key = self.key(permit)
        if key is not None:
            self.conversations.holders[key] = permit.principal
        try:
            return await self.conversations.get(key)
        except OneEra:
            return await self.conversations.get(None)

    def key_of(self, session: str | None, owner: str) -> str | None:
        """The same for whoever listens: a legacy session, if it is one, and its owner."""
        if self._shared or self.discovery.era is _MODERN:
            return None
        return session if self._by_session and session is not None else owner

    async def _open(self, key: str | None) -> Conversation:
        verdict = self.discovery.verdict
        assert verdict is not None
        if key is None or self.discovery.era is not _MODERN:
            return await self.dialer.open(key, verdict)
        try:
            return await self.dialer.open_older(key)
        except UpstreamError as error:
            raise self._older.refused(error) from None

    def _remark(self, note: str) -> None:
        self.discovery.remark(note)

    def _stream_lost(self) -> None:
        self.discovery.doubt_era()

    def _crashed(self, key: str | None, error: UpstreamError) -> None:
        if key is None:
            self.discovery.lost(error)


class Watching:
    """Implements watches.Host."""

    def __init__(self, server: "Server", running: Running) -> None:
        self.name = server.name
        self.relay = server.relay
        self.live = server.live
        self.spawn = server.spawn
        self.key_of = running.key_of
        self.found = running.conversations.find
        self._running = running

    async def ready(self) -> Era:
        """Raises UpstreamError."""
        await self._running.discovery.ready()
        era = self._running.discovery.era
        assert era is not None
        return era

    async def conversation(self, key: str | None) -> Conversation:
        return await self._running.conversations.get(key)
