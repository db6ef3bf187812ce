"""Conversations over HTTP: a legacy session, or the stateless use of a modern server."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from doorward.model.call import Era
from doorward.model.errors import DoorwardError, UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.upstream.bridging import CANCEL_AFTER_S, UNASKED
from doorward.upstream.conversation import LATEST_MODERN, initialize_params, own_params, result_of
from doorward.upstream.events import EventReader
from doorward.upstream.failure import failure
from doorward.upstream.frames import Frame, frame_of
from doorward.upstream.h1 import Connection
from doorward.upstream.http import HttpLeg, Refused, SessionGone, framed, refused
from doorward.upstream.introduction import Introduction, read_initialize
from doorward.upstream.live import Answer, Live
from doorward.upstream.outgoing import input_schema, outgoing
from doorward.upstream.own_stream import Manners, OwnStream
from doorward.upstream.relay import Relay
from doorward.upstream.resume import rest
from doorward.upstream.settings import Fields, ServerSettings
from doorward.upstream.timeouts import Ours
from doorward.upstream.waiting import Timed
from doorward.wire import asking, headers, jsonrpc, versions
from doorward.wire.errors import WireError
from doorward.wire.input_required import METHODS

BOTH: Final = b"application/json, text/event-stream"
TYPE: Final = (b"Content-Type", b"application/json")
NOTICE_S: Final = 5.0
"""For what nobody waits for: notifications, answers to the server, DELETE."""
FAILURES: Final = (SessionGone, asyncio.CancelledError, UpstreamError)
MAX_HEADS: Final = 1024
_SESSION_ID: Final = re.compile(rb"[\x21-\x7e]{1,512}").fullmatch

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Means(msgspec.Struct, frozen=True):
    """What every conversation with one server uses."""

    settings: ServerSettings
    leg: HttpLeg
    relay: Relay
    spawn: Spawn
    manners: Manners = msgspec.field(default_factory=Manners)


class NoSession(Exception):
    """`initialize` was refused as by a server that knows no Streamable HTTP (MCP 2025-11-25, transports,
    "Backwards Compatibility"). `error` is what a caller gets when nothing else is spoken there either."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__()
        self.error = error


class HttpConversation:
    """Implements conversation.Conversation."""

    def __init__(
        self,
        means: Means,
        key: str | None,
        era: Era,
        introduction: Introduction,
        session_id: bytes | None = None,
    ) -> None:
        self._settings = means.settings
        self._server = means.settings.name
        self._leg = means.leg
        self._relay = means.relay
        self._spawn = means.spawn
        self._session_id = session_id
        self._auth: Fields = []
        self._head = b""
        self._modern_heads: dict[tuple[str, Any, int], tuple[object, bytes]] = {}
        """The schema is kept with the head, so that its id cannot become another one's."""
        self._gone = False
        self._answers = 0
        self._manners = means.manners
        self._own: OwnStream | None = None
        self._attentive = False
        """Whether calls wait until the server has somebody to ask."""
        self._foreign: dict[int, tuple[Live, Connection]] = {}
        """Calls under way about which the server may ask, and whose callers are of the other era."""
        self._loop = asyncio.get_running_loop()
        self.key = key
        self.era = era
        self.introduction = introduction
        self.busy = 0
        self.last_used = self._loop.time()
        self.log_level: str | None = None

    @property
    def batches(self) -> bool:
        """See http.Talk."""
        return self.introduction.version == versions.BATCH_VERSION

    @property
    def usable(self) -> bool:
        return not self._gone

    async def request(
        self, live: Live, params: dict[str, Any], schema: dict[str, Any] | None = None
    ) -> Answer:
        body = jsonrpc.encode_request(live.id, live.method, params)
        head = self._post_head()
        if self.era is Era.MODERN:
            head += self._modern_fields(live.method, params, schema)
        leg = self._leg
        self.busy += 1
        try:
            if self._attentive and live.call is not None:
                await self._heard_of(live.deadline)
            connection = leg.pool.take(self._loop.time()) or await leg.pool.open(live.deadline)
            if live.call is not None and live.call.era is not self.era and live.method in METHODS:
                self._foreign[live.id] = live, connection
            try:
                response = await leg.begin(connection, framed(head, body), live.deadline)
                return await leg.settle(connection, response, live, self)
            except FAILURES as failed:
                return self.judge(failed, live)
            finally:
                self._foreign.pop(live.id, None)
                leg.leave(connection)
        finally:
            self.busy -= 1
            self.last_used = self._loop.time()

    def frame_for(self, permit: Permit) -> Frame | None:
        """The request of a call that is nothing but a tool's name and its arguments, but for these.

        None for any other: `request` knows how to make that. It holds for calls of one series to one target,
        as long as `authorized_by` is what it was.
        """
        if self._settings.auth_headers() is not self._auth:
            self._post_head()
        series = permit.call.series
        if permit.call.spelled is None or series is None or not series.plain:
            return None
        frame = self._frame(permit)
        return frame if frame.head else None

    @property
    def authorized_by(self) -> Fields:
        """The credential that stands in its frames."""
        return self._auth

    def judge(self, failed: BaseException, live: Live) -> Answer:
        """What it means that a request has ended so: an answer of the server's, or what is raised."""
        if isinstance(failed, SessionGone):
            if self._session_id is not None:
                self._gone = True
                raise failed
            if failed.said is not None:
                return failed.said
            raise failure(Reason.UPSTREAM_HTTP_ERROR, self._server, "answered HTTP 404") from None
        if isinstance(failed, asyncio.CancelledError):
            self._cancel(live, "cancelled by the caller")
        elif isinstance(failed, UpstreamError) and failed.reason is Reason.UPSTREAM_TIMEOUT:
            self._cancel(live, "timed out")
        raise failed

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        await self._post(jsonrpc.encode_notification(method, params), method, params or {})

    async def close(self, within: float) -> None:
        """DELETE ends a session (MCP 2025-11-25); a server that does not allow it is left to expire it."""
        gone, self._gone = self._gone, True
        if self._own is not None:
            self._own.close()
        if self._session_id is None or gone:
            return
        head = self._leg.head(b"DELETE", self._fields(), self._settings.auth_headers(), BOTH)
        with contextlib.suppress(UpstreamError):
            await self._leg.request(head + b"\r\n", self._loop.time() + min(within, NOTICE_S))

    def asked(
        self, request: jsonrpc.UpstreamRequest, live: Live | None = None, timed: Timed | None = None
    ) -> None:
        """Answer in the background; a modern server may not ask, and a flood is not answered at all."""
        if self.era is Era.MODERN or self._answers >= 16:
            self._relay.dropped["request that may not be made"] += 1
            return
        if request.method not in asking.KINDS:
            self._say(self._relay.answer(request))
            return
        if live is None and len(self._foreign) == 1 and request.method not in asking.ASIDE:
            self._asked_aside(request)
            return
        try:
            self._relay.questions.put(request, self.key, live, timed, self._say)
        except DoorwardError:
            if live is not None:
                self._spawn(self._cancel_later(live))
            raise

    def _asked_aside(self, request: jsonrpc.UpstreamRequest) -> None:
        """On a stream of its own, while one call of the other era is under way: no other can be meant."""
        [(live, connection)] = self._foreign.values()
        try:
            self._relay.questions.put(request, self.key, live, connection, self._say)
        except DoorwardError as error:
            self._spawn(self._cancel_later(live))
            connection.fail(error)

    def _say(self, message: bytes) -> None:
        self._answers += 1
        self._spawn(self._answer(message))

    async def rest_of(self, broken: EventReader, live: Live) -> Answer | None:
        """A modern server's stream is the call itself: what ended it ended the call (brief 2.5)."""
        if self.era is Era.MODERN:
            return None
        return await rest(self._leg, self._listen_head(), broken, live, self)

    async def listen_on(self, live: Live, params: dict[str, Any]) -> None:
        """See listening.Listens: the stream is the call, so it has a connection of its own."""
        body = jsonrpc.encode_request(live.id, live.method, params)
        head = self._post_head() + self._modern_fields(live.method, params, None)
        stream = await self._leg.stream(framed(head, body))
        if stream is None:
            raise SessionGone
        try:
            while (data := await stream.next()) is not None:
                if not self._listened(data, live):
                    return
        finally:
            stream.close()

    def _listened(self, data: bytes, live: Live) -> bool:
        """One message of a listen stream; False for its last one."""
        try:
            message = jsonrpc.parse_upstream(data)
        except WireError:
            self._relay.dropped["not JSON-RPC"] += 1
            return True
        if not isinstance(message, jsonrpc.UpstreamNotification):
            # The empty result ends it (2026-07-28); nothing may be asked here.
            return isinstance(message, jsonrpc.UpstreamRequest) or message.id != live.id
        self._relay.unrelated(message, self.key)
        # The spec's two pages differ in how a server says that it ends (brief 2.2): both are taken.
        return message.method != "notifications/cancelled"

    def listen(self) -> None:
        """Open the session's GET stream, if it is not open: what subscriptions bring comes on it."""
        if self._own is None and self.era is Era.LEGACY:
            self._own = OwnStream(
                self._leg,
                self._listen_head,
                self._heard,
                self._lost,
                missed=self._deaf,
                manners=self._manners,
            )
            self._spawn(self._own.run())

    async def listened(self, due: float) -> None:
        """`listen`, and wait until the server has heard of it, now and before each call: some forget what
        they say before (the official SDKs, unless they were given an event store)."""
        self._attentive = True
        await self.listens(due)

    async def listens(self, due: float) -> None:
        """`listen`, and wait until the server has heard of it, or a while, or until `due`."""
        self.listen()
        await self._heard_of(due)

    async def _heard_of(self, due: float) -> None:
        if self._own is not None and not self._own.certain:
            await self._own.ready(due, patient=bool(self._settings.may_ask))

    def _lost(self) -> None:
        self._gone = True

    def _deaf(self) -> None:
        self._relay.on_deafness(self.key)

    async def _answer(self, message: bytes) -> None:
        try:
            with contextlib.suppress(UpstreamError):
                await self._post(message, "", {})
        finally:
            self._answers -= 1

    def _listen_head(self) -> bytes:
        return self._leg.head(b"GET", self._fields(), self._settings.auth_headers(), b"text/event-stream")

    def _heard(self, data: bytes) -> None:
        try:
            message = jsonrpc.parse_upstream(data)
        except WireError:
            parts = jsonrpc.batched(data) if self.batches else []
            if not parts:
                self._relay.dropped["not JSON-RPC"] += 1
            for part in parts:
                self._heard(part)
            return
        match message:
            case jsonrpc.UpstreamNotification():
                self._relay.unrelated(message, self.key)
            case jsonrpc.UpstreamRequest():
                self.asked(message)
            case _:
                self._relay.dropped["answer to nothing we asked"] += 1

    def _cancel(self, live: Live, why: str) -> None:
        """A modern server knows by its closed stream; a legacy one needs to be told (brief 2.5)."""
        if self.era is Era.LEGACY and live.method != "initialize":
            params = {"requestId": live.id, "reason": why}
            self._spawn(self._answer_nobody("notifications/cancelled", params))

    async def _cancel_later(self, live: Live) -> None:
        await asyncio.sleep(CANCEL_AFTER_S)
        self._cancel(live, UNASKED)

    async def _answer_nobody(self, method: str, params: dict[str, Any]) -> None:
        with contextlib.suppress(UpstreamError):
            await self.notify(method, params)

    async def _post(self, message: bytes, method: str, params: dict[str, Any]) -> None:
        head = self._post_head()
        if self.era is Era.MODERN and method:
            head += self._modern_fields(method, params, None)
        response = await self._leg.post(head, message, self._soon())
        if response.status >= 300:
            raise refused(self._server, response)

    def _soon(self) -> float:
        """When what is said in passing must have been taken."""
        return Ours.within(NOTICE_S, self._settings.timeouts, self._loop.time())

    def _post_head(self) -> bytes:
        auth = self._settings.auth_headers()
        if auth is not self._auth or not self._head:
            self._head = self._leg.head(b"POST", [TYPE, *self._fields()], auth, BOTH)
            self._auth = auth
        return self._head

    def _frame(self, permit: Permit) -> Frame:
        target, era = permit.target, self.era
        params = outgoing(permit, era, self.introduction.version, 0, self._settings.may_ask)
        head = self._post_head()
        if era is Era.LEGACY:
            return frame_of(head, target.name, params.get("_meta"))
        schema = input_schema(permit)
        fields = self._modern_fields(permit.call.method, params, schema)
        if _has_annotations(schema):
            return Frame(b"")
        return frame_of(head + fields, target.name, params.get("_meta"))

    def _fields(self) -> Fields:
        """What is the same in every request of a legacy session; a modern request has fields of its own."""
        if self.era is Era.MODERN:
            return []
        session_id = self._session_id.decode() if self._session_id is not None else None
        return headers.upstream_headers(self.era, self.introduction.version, "", None, session_id=session_id)

    def _modern_fields(self, method: str, params: dict[str, Any], schema: dict[str, Any] | None) -> bytes:
        """Computed from the very params that are sent (MCP 2026-07-28, transports).

        They depend on method and name only, unless the schema has annotated arguments.
        """
        key = (method, params.get(headers.NAME_PARAM.get(method, "")), id(schema))
        known = self._modern_heads.get(key)
        if known is not None and known[0] is schema:
            return known[1]
        fields = headers.upstream_headers(
            self.era, self.introduction.version, method, params, input_schema=schema
        )
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        if not _has_annotations(schema):
            if len(self._modern_heads) >= MAX_HEADS:
                self._modern_heads.clear()
            self._modern_heads[key] = (schema, head)
        return head


def _has_annotations(schema: dict[str, Any] | None) -> bool:
    """Whether arguments may have to stand in header fields (2026-07-28)."""
    return schema is not None and b"x-mcp-header" in msgspec.json.encode(schema)


async def open_session(means: Means, key: str | None, live: Live) -> HttpConversation:
    """`initialize` (that is `live`) and `notifications/initialized`. Raises UpstreamError, NoSession."""
    settings, leg = means.settings, means.leg
    opening = HttpConversation(means, key, Era.LEGACY, Introduction(versions.ASSUMED, {}, {}, None))
    head = leg.head(b"POST", [TYPE], settings.auth_headers(), BOTH)
    questions = means.relay.questions
    body = jsonrpc.encode_request(live.id, live.method, initialize_params(questions.introduced(key)))
    try:
        answer, response = await leg.exchange(head, body, live, opening)
    except SessionGone:
        text = "answered initialize with HTTP 404"
        raise NoSession(failure(Reason.UPSTREAM_HTTP_ERROR, settings.name, text)) from None
    except Refused as error:
        if error.status in (400, 405):
            raise NoSession(error) from None
        raise
    introduction = read_initialize(settings.name, result_of(settings.name, "initialize", answer))
    session_id = response.headers.get(headers.SESSION_ID)
    if session_id is not None and _SESSION_ID(session_id) is None:
        text = "gave a session id that is not visible ASCII"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, settings.name, text)
    conversation = HttpConversation(means, key, Era.LEGACY, introduction, session_id)
    await conversation.notify("notifications/initialized", None)
    if questions.declared(key) or questions.apart(key):
        await conversation.listened(live.deadline)  # what it asks may come on no call's stream
    return conversation


def probe_request(leg: HttpLeg, settings: ServerSettings, live: Live) -> tuple[bytes, bytes]:
    """Head and body of `server/discover` as a modern client sends it."""
    params = own_params({}, Era.MODERN, LATEST_MODERN)
    fields = [TYPE, *headers.upstream_headers(Era.MODERN, LATEST_MODERN, live.method, params)]
    head = leg.head(b"POST", fields, settings.auth_headers(), BOTH)
    return head, jsonrpc.encode_request(live.id, live.method, params)
