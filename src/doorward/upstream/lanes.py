"""The usual way to an HTTP server, found out once for all calls of one series.

Guarantees: a call takes a lane only where the long way (`server.Server`) would have found the same: the same
target, the conversation that its key has now, the credential that is in force, the arguments that were
decided upon. Everything else, and whatever ends otherwise than usual, is left to the long way and its words.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any, Final

import msgspec

from doorward.model.call import Call, Era, Outcome, Reply, Series
from doorward.model.errors import UpstreamError
from doorward.model.target import Target
from doorward.model.verdict import Permit
from doorward.upstream.across import Reading, reading
from doorward.upstream.conversation import Conversation
from doorward.upstream.conversations import Conversations
from doorward.upstream.discovery import Discovery
from doorward.upstream.frames import Frame
from doorward.upstream.h1 import JSON, Connection
from doorward.upstream.http import HttpLeg, SessionGone
from doorward.upstream.live import Answer, Live
from doorward.upstream.session import FAILURES, HttpConversation
from doorward.upstream.settings import Fields, ServerSettings
from doorward.upstream.timeouts import Clockwork, Due

MAX_LANES: Final = 4096
_OK: Final = Outcome.OK  # a member of an enum costs 80 ns in CPython 3.11


class Lane(msgspec.Struct, eq=False):
    """What calls of one series to one target have in common on their way."""

    target: Target
    key: str | None
    """Of the conversation."""
    conversation: HttpConversation
    authorization: Fields
    """What stands in the frame."""
    frame: Frame
    read: Reading
    """Its answers."""


class Ways(msgspec.Struct, frozen=True):
    """What lanes have from the server that they belong to."""

    long: Callable[[Permit], Awaitable[Reply]]
    """Finds everything anew, and waits for it where it must."""
    finish: Callable[[Permit, Conversation, Answer, float], Awaitable[Reply]]
    """Judges an answer that is not the usual one; given is also `time.perf_counter` of the beginning."""
    ids: "itertools.count[int]"
    clockwork: Clockwork | None


class Lanes:
    """Of one running server."""

    def __init__(
        self,
        settings: ServerSettings,
        leg: HttpLeg,
        conversations: Conversations,
        discovery: Discovery,
        ways: Ways,
    ) -> None:
        """Needs a running loop."""
        self._name = settings.name
        self._may_ask = settings.may_ask
        # Bound once: to find out with every call how an instance is called is dearer than the call.
        self._auth_headers: Callable[[], Fields] = settings.auth_headers.__call__  # type: ignore[operator]
        self._total_s = settings.timeout_s
        self._leg = leg
        self._pool = leg.pool
        self._time = asyncio.get_running_loop().time
        self._open = conversations.open
        self._discovery = discovery
        self._ways = ways
        self._ids = ways.ids
        self._clockwork = ways.clockwork
        self._lanes: dict[tuple[Series | None, int], Lane] = {}
        """By series and the target's id, which nothing else can have while the lane is here."""

    def learn(self, permit: Permit, key: str | None, conversation: Conversation) -> None:
        """`permit` went the long way, in the conversation of that key."""
        call, series = permit.call, permit.call.series
        if type(conversation) is not HttpConversation or series is None or call.log_level is not None:
            return
        read = self._reading(call, conversation.era)
        frame = None if read is None else conversation.frame_for(permit)
        if read is None or frame is None:
            return
        if len(self._lanes) >= MAX_LANES:
            self._lanes.clear()
        known = (series, id(permit.target))
        self._lanes[known] = Lane(permit.target, key, conversation, conversation.authorized_by, frame, read)

    def _reading(self, call: Call, era: Era) -> Reading | None:
        if call.era is Era.MODERN and era is Era.LEGACY and self._may_ask:
            return None  # the conversation has to know the calls that its server may ask about
        return reading(call, era)

    def send(self, permit: Permit) -> Coroutine[Any, Any, Reply] | None:
        """The whole exchange of a call that has a lane and a connection that is ready; else None."""
        call = permit.call
        lane, spelled = self._lanes.get((call.series, id(permit.target))), call.spelled
        if (
            lane is None
            or spelled is None
            or self._open.get(lane.key) is not lane.conversation
            or not lane.conversation.usable
            or self._auth_headers() is not lane.authorization
            or call.params["arguments"] is not spelled.arguments
        ):
            return None
        now = self._time()
        connection = self._pool.take(now)
        if connection is None:
            return None
        number = b"%d" % next(self._ids)
        request = lane.frame.fill(number, spelled.compact)
        clockwork = self._clockwork
        due = now + self._total_s if clockwork is None else clockwork.due(lane.target, now)
        return self._carry(permit, lane.conversation, connection, request, number, due, lane.read)

    async def _carry(  # noqa: PLR0917
        self,
        permit: Permit,
        conversation: HttpConversation,
        connection: Connection,
        request: bytes,
        number: bytes,
        due: float,
        read: Reading,
    ) -> Reply:
        """One coroutine from writing the request to having its reply."""
        began = perf_counter()
        leg = self._leg
        conversation.busy += 1
        usually = False
        try:
            try:
                arrival = leg.go(connection, request, due)
                await arrival
                response = arrival.value or arrival.result()
                if response.status == 200 and response.content_type == JSON:
                    result = read(response.body, number)
                    if result is not None:
                        usually = True
                        if self._discovery.state.level != "up":
                            self._discovery.succeeded()
                        return Reply(result, None, _OK, perf_counter() - began)
                answer = await leg.settle(connection, response, self._live(permit, number, due), conversation)
            except FAILURES as failed:
                answer = conversation.judge(failed, self._live(permit, number, due))
            finally:
                conversation.busy -= 1
                conversation.last_used = now = self._time()
                if usually:
                    self._pool.give_usual(connection, now)
                else:
                    leg.leave(connection)
        except SessionGone:
            # 404 proves that nothing was processed (MCP, transports): the one case of sending again.
            await asyncio.sleep(0)  # the long way needs a task around it (pipeline/drive.py)
            return await self._ways.long(permit)
        except UpstreamError as error:
            self._discovery.failed(error)
            raise
        return await self._ways.finish(permit, conversation, answer, began)

    def _live(self, permit: Permit, number: bytes, due: float) -> Live:
        within = self._total_s if not isinstance(due, Due) else due.timeouts.total_s
        return Live(self._name, int(number), permit.call.method, permit.call, due, within)
