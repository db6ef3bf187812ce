"""One configured server: the only door through which a permitted call leaves the building."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Collection, Coroutine
from typing import Any, Final

import msgspec

from doorward.model.call import Era, Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.ports.asks import Asks
from doorward.ports.secrets import SecretRing
from doorward.ports.watched import Wish
from doorward.upstream import bridging, mirrored, pages, watches
from doorward.upstream.bridging import Unfinished
from doorward.upstream.conversation import Conversation, own_params, result_of
from doorward.upstream.conversations import Over
from doorward.upstream.deadlines import SWEEP_S
from doorward.upstream.events import LARGE
from doorward.upstream.failure import again, failure
from doorward.upstream.http import SessionGone
from doorward.upstream.incoming import incoming
from doorward.upstream.live import Answer, Live
from doorward.upstream.outgoing import input_schema, outgoing
from doorward.upstream.relay import OnNotification, Relay
from doorward.upstream.rounds import OwnKey, Rounds
from doorward.upstream.running import Running
from doorward.upstream.settings import ServerSettings, ServerState
from doorward.upstream.timeouts import Clockwork, limit
from doorward.upstream.tls import ReloadingContext
from doorward.upstream.warden import Warden
from doorward.wire import bridge, jsonrpc
from doorward.wire.errors import BridgeUnsupported

Items = list[dict[str, Any]]

_IDLE_CHECK_S: Final = 15.0
LATE_S: Final = 2 * SWEEP_S
"""By how much deadlines may be missed."""
# Read on every call: a member of an enum costs 80 ns in CPython 3.11.
_MODERN: Final = Era.MODERN


class Server:
    """Implements ports.Upstream for its own targets, and ports.Lister. Belongs to the loop of `start`."""

    def __init__(
        self,
        settings: ServerSettings,
        warden: Warden | None = None,
        ring: SecretRing | None = None,
        asks: Asks | None = None,
    ) -> None:
        """`warden` sees to it that its processes do not outlive us; without one, only we do."""
        self.settings = settings
        self.warden = warden
        self.name = settings.name
        self.minted = itertools.count(1)
        self._rounds = Rounds(settings, OwnKey() if ring is None else ring, asks=asks)
        self._total_s = settings.timeout_s
        self.clockwork = (
            Clockwork(settings.timeouts, settings.tool_timeouts) if settings.tool_timeouts else None
        )
        self.relay = Relay(settings.name, settings.may_ask, asks)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Running | None = None
        self._left_out: str | None = None
        """What an operator should know of the tools that this server last listed."""
        self._last_state = ServerState(settings.name, "starting", None, None, None, time.time())

    # what is known of it

    @property
    def on_notification(self) -> OnNotification:
        """Told what belongs to no call: conversation key (None: nobody's own), method, params."""
        return self.relay.on_notification

    @on_notification.setter
    def on_notification(self, told: OnNotification) -> None:
        self.relay.on_notification = told

    @property
    def state(self) -> ServerState:
        state = self._running.discovery.state if self._running is not None else self._last_state
        context = self.settings.ssl
        tls = context.problem if isinstance(context, ReloadingContext) else None
        if tls is None and self._left_out is None:
            return state
        files = None if tls is None else f"changed TLS files are not in use: {tls}"
        notes = (state.note, files, self._left_out)
        return msgspec.structs.replace(state, note="; ".join(note for note in notes if note))

    @property
    def up(self) -> bool:
        return self.state.level == "up"

    @property
    def starting(self) -> bool:
        """See ports.Lister."""
        return self.settings.url is None and self.state.level == "starting"

    @property
    def era(self) -> Era | None:
        """None until discovered."""
        return self._running.discovery.era if self._running is not None else None

    @property
    def version(self) -> str | None:
        return self.state.version

    @property
    def capabilities(self) -> dict[str, Any]:
        """Empty until discovered."""
        known = self._running.discovery.introduction if self._running is not None else None
        return known.capabilities if known is not None else {}

    @property
    def server_info(self) -> dict[str, Any]:
        known = self._running.discovery.introduction if self._running is not None else None
        return known.server_info if known is not None else {}

    @property
    def instructions(self) -> str | None:
        known = self._running.discovery.introduction if self._running is not None else None
        return known.instructions if known is not None else None

    @property
    def dropped(self) -> dict[str, int]:
        """What the server sent and nobody got: counts by cause."""
        return dict(self.relay.dropped)

    # its life

    async def start(self) -> None:
        """Begin discovery in the background; a dead server is no error. ValueError: an impossible URL."""
        if self._running is None:
            self._running = running = Running(self)
            self.spawn(running.discovery.run())
            self.spawn(self._end_idle(running))

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 - it bounds what is closed, not the wait
        """End conversations and processes properly, within `timeout` seconds and what a SIGKILL takes."""
        running, self._running = self._running, None
        if running is None:
            return
        self._last_state = running.discovery.state
        end = asyncio.get_running_loop().time() + timeout
        await running.discovery.close()
        await running.watches.close()
        await self.relay.questions.close()
        await running.conversations.drain(timeout / 2)  # a reload lets calls end where they began
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        left = max(end - asyncio.get_running_loop().time(), timeout / 4)
        await running.conversations.close(min(left, self.settings.stop_s))
        await running.dialer.close()
        running.deadlines.close()

    def close_conversation(self, key: str, *, gently: bool = False) -> None:
        """A caller's session has ended: so does what it had here. `gently`: when its calls have."""
        if self._running is not None:
            self._running.conversations.end(key, gently=gently)

    def end_where(self, over: Over, owners: Collection[str] = ()) -> None:
        """End what those callers have here with whom it is over: sessions, processes. Their calls end first.
        What all callers share goes on. `owners`: of streams and listens that were ended."""
        if self._running is not None:
            self._running.conversations.end_where(over, owners, self._running.loop.time())

    def tell(self, key: str, kind: str, method: str) -> None:
        """Pass a client's notification on, in its own conversation if that is open, to a server that may ask
        for things of that kind."""
        running = self._running
        found = (
            None if running is None or kind not in self.settings.may_ask else running.conversations.find(key)
        )
        if found is not None:
            self.spawn(_quietly(found.notify(method, None)))

    def want(self, holder: str, wish: Wish | None) -> None:
        """Who listens to this server, and to what. See ports.Watched."""
        if self._running is not None:
            self._running.watches.want(holder, wish)

    async def settled(self, holder: str) -> frozenset[str]:
        """See ports.Watched."""
        return await self._running.watches.settled(holder) if self._running is not None else frozenset()

    def holders(self, key: str | None, uri: str) -> list[tuple[str, str]]:
        """Who is to be told of a change of `uri` heard in conversation `key`, and how they call it."""
        return self._running.watches.holders(key, uri) if self._running is not None else []

    @property
    def wishes(self) -> dict[str, Wish]:
        """Of everybody who listens, by holder."""
        return dict(self._running.watches.wishes) if self._running is not None else {}

    # what it is for

    def send(self, permit: Permit) -> Coroutine[Any, Any, Reply]:
        """See ports.Upstream. A plain function on purpose: the usual call is one coroutine (`Lanes`)."""
        running = self._running
        if running is not None and running.lanes is not None:
            under_way = running.lanes.send(permit)
            if under_way is not None:
                return under_way
        return self.take_long(permit)

    async def take_long(self, permit: Permit) -> Reply:
        """The long way: it can wait for discovery, a session, a connection."""
        running = self._require()
        began = time.perf_counter()
        conversation = running.find(permit)
        try:
            if conversation is None or permit.call.log_level is not None:
                conversation = await self._prepare(permit, running)
            try:
                answer = await self._call(permit, running, conversation)
            except SessionGone:
                # 404 proves that nothing was processed (MCP, transports): the one case of sending again.
                conversation = await self._prepare(permit, running)
                answer = await self._call(permit, running, conversation)
        except SessionGone:
            raise failure(
                Reason.UPSTREAM_HTTP_ERROR, self.name, "does not know the session it just opened"
            ) from None
        except UpstreamError as error:
            running.discovery.failed(error)
            raise
        if running.lanes is not None:
            running.lanes.learn(permit, running.key(permit), conversation)
        return await self.finish(running, permit, conversation, answer, began)

    async def finish(
        self, running: Running, permit: Permit, conversation: Conversation, answer: Answer, began: float
    ) -> Reply:
        """What a server's answer is to the caller. `began`: of `time.perf_counter`."""
        if running.discovery.state.level != "up":
            running.discovery.succeeded()
        if isinstance(answer, jsonrpc.UpstreamError) and answer.code == -32022:
            running.discovery.doubt_era()
        if isinstance(answer, jsonrpc.UpstreamResult) and len(answer.result) > LARGE:
            await asyncio.sleep(0)  # reading it has taken its time, and what follows reads it once more
        try:
            return incoming(permit, conversation.era, answer, time.perf_counter() - began, self._rounds)
        except Unfinished as unfinished:
            return await self._go_on(running, permit, conversation, unfinished, began)

    async def _go_on(
        self,
        running: Running,
        permit: Permit,
        conversation: Conversation,
        unfinished: Unfinished,
        began: float,
    ) -> Reply:
        """The rounds that a modern server wants of a legacy caller's call."""
        for _ in range(bridging.MAX_ROUNDS):
            more = bridging.further(self.name, unfinished.asked)
            answer = await self._call(permit, running, conversation, more)
            try:
                return incoming(permit, conversation.era, answer, time.perf_counter() - began, self._rounds)
            except Unfinished as again_:
                unfinished = again_
        raise bridging.endless(self.name)

    async def list(self, method: str) -> list[dict[str, Any]]:
        """See ports.Lister. All pages must arrive within one call's time."""
        running = self._require()
        within = self.settings.timeout_s
        end = running.loop.time() + within
        try:
            async with asyncio.timeout_at(end + LATE_S):  # a request ends by its own deadline, and says so
                await running.discovery.ready()
                return await self._list(method, running, end)
        except TimeoutError:
            text = f"did not finish {method} within {limit(within)}"
            raise failure(Reason.UPSTREAM_TIMEOUT, self.name, text) from None
        except UpstreamError as error:
            running.discovery.failed(error)
            raise

    async def _list(self, method: str, running: Running, end: float) -> Items:
        async def fetch(params: dict[str, Any]) -> bytes:
            answer = await self._ask(running, method, params, end)
            if isinstance(answer, jsonrpc.UpstreamError) and pages.has_no_templates(method, answer.code):
                return pages.NO_TEMPLATES
            return result_of(self.name, method, answer)

        await running.conversations.get(None)
        if pages.CAPABILITY[method] not in self.capabilities:
            return []
        items = await pages.walk(self.name, method, fetch, self.settings.max_pages)
        if method == "tools/list" and self.era is Era.MODERN and self.settings.url:
            items, self._left_out = await mirrored.offered(items)
        return items

    async def _ask(self, running: Running, method: str, params: dict[str, Any], end: float) -> Answer:
        """A request of our own through discovery's conversation; reading again after a 404 harms nobody."""
        for _ in range(2):
            conversation = await running.conversations.get(None)
            own = own_params(params, conversation.era, conversation.introduction.version)
            try:
                return await conversation.request(self.live(method, end), own)
            except SessionGone:
                continue
        raise failure(Reason.UPSTREAM_HTTP_ERROR, self.name, "does not know the session it just opened")

    def _call(
        self,
        permit: Permit,
        running: Running,
        conversation: Conversation,
        more: dict[str, Any] | None = None,
    ) -> Coroutine[Any, Any, Answer]:
        """`more`: what a further round says, that we make for a legacy caller."""
        call, era = permit.call, conversation.era
        now = running.loop.time()
        deadline = now + self._total_s if self.clockwork is None else self.clockwork.due(permit.target, now)
        version = conversation.introduction.version
        live = Live(self.name, next(self.minted), call.method, call, deadline, deadline - now)
        params = outgoing(permit, era, version, live.id, self.settings.may_ask)
        self._rounds.outgoing(permit, params, era)
        if more is not None:
            params |= more
        if call.method in watches.METHODS:
            return self._require().watches.pass_on(permit, conversation, live, params)
        if call.era is not era:
            self._check_method(call.method, version)
        return conversation.request(live, params, input_schema(permit) if era is _MODERN else None)

    async def _prepare(self, permit: Permit, running: Running) -> Conversation:
        """The slow way in: discovery, a new session or process, a log level. The call is not sent yet."""
        clockwork = self.clockwork
        within = self._total_s if clockwork is None else clockwork.of(permit.target).total_s
        try:
            async with asyncio.timeout(within):
                await running.discovery.ready()
                conversation = await running.conversation(permit)
                await self._set_level(permit.call.log_level, conversation)
                return conversation
        except TimeoutError:
            text = f"was not ready within {limit(within)}"
            raise failure(Reason.UPSTREAM_UNREACHABLE, self.name, text) from None
        except UpstreamError as error:
            if error.reason not in (Reason.UPSTREAM_CONNECTION_LOST, Reason.UPSTREAM_TIMEOUT):
                raise
            # Those two say that the call may have run, and it was not even sent.
            raise again(error, Reason.UPSTREAM_UNREACHABLE) from error

    def _check_method(self, method: str, version: str) -> None:
        try:
            bridge.method_up(method, upstream_version=version)
        except BridgeUnsupported as error:
            text = f"cannot be asked for {method}: {error}"
            raise failure(Reason.BRIDGE_UNSUPPORTED, self.name, text) from error

    async def _set_level(self, level: str | None, conversation: Conversation) -> None:
        """A legacy server has one level per session; what a caller did not ask for is filtered out again."""
        if level is None or level == conversation.log_level or conversation.era is Era.MODERN:
            return
        if "logging" in conversation.introduction.capabilities:
            conversation.log_level = level
            await conversation.request(self.live("logging/setLevel"), {"level": level})

    def live(self, method: str, end: float | None = None) -> Live:
        """A request of our own. `end`: when it must be over, where others come before and after it."""
        within = self.settings.timeout_s
        deadline = asyncio.get_running_loop().time() + within if end is None else end
        return Live(self.name, next(self.minted), method, None, deadline, within)

    def _require(self) -> Running:
        if self._running is None:
            raise failure(Reason.UPSTREAM_UNREACHABLE, self.name, "is not running")
        return self._running

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_idle(self, running: Running) -> None:
        while True:
            await asyncio.sleep(min(_IDLE_CHECK_S, self.settings.conversation_idle_s / 2))
            now = running.loop.time()
            running.watches.keep(now)
            running.conversations.end_idle(now)


async def _quietly(telling: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(UpstreamError):
        await telling
