"""The data plane's HTTP face: paths, headers and streams around the one door.

Everything that is decided here is decided from the head of the request alone; the body is not looked at
before the caller is known. Rules: MCP transports of 2025-11-25 and 2026-07-28 (research brief 2.1-2.3),
DESIGN section 4.
"""

import asyncio
import hmac
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from doorward.edge.discovery import METHODS, Discovery, preflight
from doorward.edge.exchange import Exchange
from doorward.edge.forwarded import Proxies
from doorward.edge.guard import Guard
from doorward.edge.peers import Networks
from doorward.edge.replay import PRIMED_SINCE, Replays, Stream
from doorward.edge.streams import SessionStreams
from doorward.model.call import Credential, Inbound, Session
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.pipeline import rescue
from doorward.pipeline.door import Door
from doorward.pipeline.read import bearing
from doorward.pipeline.rescue import Answer
from doorward.pipeline.whoami import described
from doorward.wire import headers, sse, versions

SSE_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
SERVER_PATH: Final = re.compile("/mcp/([a-z0-9-]{1,16})")
MODERN: Final = frozenset(version.encode() for version in versions.MODERN_VERSIONS)
Fields = tuple[tuple[bytes, bytes], ...]
NO_PROXIES: Final = Proxies(Networks())
LAST_EVENT_ID: Final = b"last-event-id"
EMPTY: Final = Answer(200, b"")
OPERATOR: Final = b"x-doorward-operator"
ELSEWHERE: Final = "/"
"""No server has this name."""
ALLOW: Final[Fields] = ((b"allow", b"POST, GET, DELETE"),)
NOT_STORED: Final = (b"cache-control", b"no-store")
WHOAMI_PATH: Final = re.compile("/whoami(?:/([a-z0-9-]{1,16}))?")


class PlaneSettings(msgspec.Struct, frozen=True):
    """What a reload may change of the HTTP face."""

    endpoints: dict[str, str | None]
    """Path to server name; "/mcp" to None."""
    guard: Guard
    proxies: Proxies = NO_PROXIES
    discovery: Discovery | None = None
    """Without issuers there is nothing to discover."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """What the head of a POST alone decides: it is derived once for all requests that repeat the head."""

    settings: PlaneSettings
    """Those that it was derived under: a reload makes it void."""
    endpoint: str | None
    cors: Fields
    modern: bool
    credential: Credential
    """Presented, not yet identified: who it is and whether it still holds is asked on every call."""
    replays: Replays | None = None
    """Where streamed answers are kept; None for a caller without a session."""
    bearing: tuple[object, ...] | None = None
    """What calls under this head have of it."""


class ReplyStream(msgspec.Struct, eq=False):
    """The answer of one POST: plain JSON, unless a notification has to go first; then it is SSE."""

    _exchange: Exchange
    _cors: Fields
    _stream: Stream | None = None
    """Where it is kept for a legacy client that loses its connection."""

    async def emit(self, message: bytes) -> None:
        exchange, stream = self._exchange, self._stream
        if stream is not None:
            await stream.emit(message)
            return
        if exchange.disconnected:
            return
        if not exchange.started:
            exchange.start(200, SSE_HEADERS + self._cors)
        stream = self._keep()
        if stream is None:
            await exchange.write(sse.encode_event(message))
        else:
            await stream.emit(message)

    def end(self, answer: Answer) -> None:
        """Send the answer as the stream's last event, or as the whole reply."""
        exchange = self._exchange
        if exchange.on_disconnect is not None:
            exchange.on_disconnect = None
        if exchange.disconnected:
            self._ended(answer)
            return
        if not exchange.started:
            headers = answer.headers + self._cors if self._cors else answer.headers
            exchange.respond(answer.status, headers, answer.body)
            return
        if self._ended(answer):
            return
        if answer.body:
            exchange.write_nowait(sse.encode_event(answer.body))
        exchange.finish()

    def _keep(self) -> Stream | None:
        """Only a session's streams can be found again; that it is the caller's own was seen by then."""
        admission = self._exchange.request.memo.value
        if isinstance(admission, Admission) and admission.replays is not None:
            session_id = self._exchange.request.headers[headers.SESSION_ID].decode("latin-1")
            primed = admission.replays.primed(self._exchange)
            self._stream = primed or admission.replays.begin(session_id, self._exchange)
        return self._stream

    def _ended(self, answer: Answer) -> bool:
        """Keep the answer of a stream, and send it where the stream goes by now; False where none is kept."""
        admission = self._exchange.request.memo.value
        if not isinstance(admission, Admission) or admission.replays is None:
            return False
        stream = self._stream or admission.replays.primed(self._exchange)
        if stream is not None:
            admission.replays.end(stream, answer.body)
        return stream is not None

    def lost(self, bug: Exception | asyncio.CancelledError) -> None:
        """The message met a bug that left it without an answer."""
        self._ended(EMPTY)
        excuse(self._exchange, bug)


class DataPlane:
    """Hands each request to the door; what is no POST has a task of its own, a connection has none."""

    def __init__(
        self,
        door: Door,
        streams: SessionStreams,
        settings: PlaneSettings,
        readiness: Callable[[bool], dict[str, Any]],
        operator: str = "",
        *,
        replays: Replays | None = None,
    ) -> None:
        """`readiness` is asked with True for an operator: who presents `operator`, which no agent knows."""
        self._door = door
        self._streams = streams
        self.settings = settings
        self._readiness = readiness
        self._operator = operator.encode()
        self._replays = replays
        self._running: dict[asyncio.Task[None], Exchange] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle(self, exchange: Exchange) -> None:
        """Called by the HTTP server for one request at a time per connection."""
        known = exchange.request.head.memo.value
        if type(known) is Admission and known.settings is self.settings:
            self._call(exchange, known)
            return
        cors: Fields = ()
        try:
            self._find_client(exchange)
            cors = self.settings.guard.check(exchange.request)
            endpoint = self._endpoint(exchange.request.path)
            if endpoint is not ELSEWHERE:
                self._dispatch(exchange, endpoint, cors)
            else:
                self._other(exchange, cors)
        except DoorwardError as error:
            self._run(exchange, self._refuse(exchange, None, cors, error))

    def screen(self, exchange: Exchange) -> bool:
        """Called for a request whose body is not here yet: refuse it now if its head is enough for that.

        Everything that `handle` decides from a head, and who is asking: nobody whom we do not know gets us to
        take in a body.
        """
        known = exchange.request.memo.value
        cors: Fields = ()
        endpoint = None
        try:
            if isinstance(known, Admission) and known.settings is self.settings:
                endpoint, cors, credential = known.endpoint, known.cors, known.credential
            else:
                self._find_client(exchange)
                cors = self.settings.guard.check(exchange.request)
                if exchange.request.method != b"POST":
                    return False  # a body means nothing there; `handle` answers when it is here
                endpoint = self._endpoint(exchange.request.path)
                if endpoint is ELSEWHERE:
                    raise CallerError(Reason.PATH_NOT_FOUND, "nothing is served at this path")
                self.settings.guard.check_post(exchange.request)
                credential = self._credential(exchange)
            self._door.admit(credential, endpoint)
        except DoorwardError as error:
            self._run(exchange, self._refuse(exchange, endpoint, cors, error))
            return True
        return False

    def quiet(self, exchange: Exchange) -> None:
        """Nothing was sent for long: a comment keeps proxies and impatient clients from giving up.

        An answer that has not begun becomes a stream, if its caller takes one and no header depends on it.
        """
        known = exchange.request.memo.value
        if not exchange.started:
            fields = exchange.request.headers
            if not isinstance(known, Admission) or b"text/event-stream" not in fields.get(b"accept", b""):
                return
            if not known.modern and headers.SESSION_ID not in fields:
                return  # `initialize` is answered with a header of its own
            exchange.start(200, SSE_HEADERS + known.cors)
            self._prime(exchange, known)
        if not exchange.congested:
            exchange.write_nowait(sse.COMMENT)

    def _prime(self, exchange: Exchange, admission: Admission) -> None:
        """An id to come back with, before there is anything to say (MCP 2025-11-25)."""
        if admission.replays is None:
            return
        session_id = exchange.request.headers[headers.SESSION_ID].decode("latin-1")
        session = self._door.own_session(admission.credential, session_id, admission.endpoint)
        if session is not None and session.version >= PRIMED_SINCE:
            exchange.write_nowait(admission.replays.prime(session_id, exchange))

    def _find_client(self, exchange: Exchange) -> None:
        """Who a request behind a trusted proxy counts for. Raises CallerError, GatewayError(OVERLOADED)."""
        proxies = self.settings.proxies
        if exchange.origin in proxies.trusted:
            client = proxies.client(exchange.origin, exchange.request.headers)
            if exchange.attribute(client) is not None:
                raise GatewayError(Reason.OVERLOADED, "too much is going on for this client")

    def _endpoint(self, path: str) -> str | None:
        """The server that a path names; None for all of them, ELSEWHERE for a path that is no endpoint."""
        if path in self.settings.endpoints:
            return self.settings.endpoints[path]
        # An unknown server is answered behind the door, like one that this caller may not know of.
        named = SERVER_PATH.fullmatch(path)
        return ELSEWHERE if named is None else named[1]

    def _credential(self, exchange: Exchange) -> Credential:
        """Raises CallerError(CREDENTIAL_INVALID | CREDENTIAL_AMBIGUOUS)."""
        return self.settings.guard.credential(
            exchange.request, exchange.peer, exchange.certificate, relayed=exchange.relayed
        )

    def _dispatch(self, exchange: Exchange, endpoint: str | None, cors: Fields) -> None:
        """Raises CallerError for what the head alone forbids."""
        request = exchange.request
        fields = request.headers
        modern = fields.get(headers.PROTOCOL_VERSION) in MODERN
        if request.method == b"POST":
            self.settings.guard.check_post(request)
            self._admit(exchange, endpoint, cors, modern)
        elif request.method == b"GET":
            if headers.SESSION_ID not in fields or modern:
                raise CallerError(
                    Reason.HTTP_METHOD_NOT_ALLOWED, "GET opens the stream of a legacy session only"
                )
            if b"text/event-stream" not in fields.get(b"accept", b""):
                raise CallerError(Reason.NOT_ACCEPTABLE, "GET needs Accept: text/event-stream")
            self._run(exchange, self._get(exchange, endpoint, cors))
        elif request.method == b"DELETE":
            if headers.SESSION_ID not in fields or modern:
                raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "DELETE ends a legacy session only")
            self._run(exchange, self._delete(exchange, endpoint, cors))
        elif request.method == b"OPTIONS" and cors:
            exchange.respond(204, cors + self.settings.guard.preflight(request))
        else:
            raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "use POST, GET or DELETE")

    def _admit(self, exchange: Exchange, endpoint: str | None, cors: Fields, modern: bool) -> None:
        try:
            credential = self._credential(exchange)
        except CallerError as error:
            self._run(exchange, self._refuse(exchange, endpoint, cors, error))
            return
        resumes = not modern and headers.SESSION_ID in exchange.request.headers
        replays = self._replays if resumes else None
        said = bearing(exchange.request.headers, endpoint)
        admission = Admission(self.settings, endpoint, cors, modern, credential, replays, said)
        exchange.request.memo.value = admission
        self._call(exchange, admission)

    def _call(self, exchange: Exchange, admission: Admission) -> None:
        stream = ReplyStream(exchange, admission.cors)
        head = exchange.request.head
        errand = self._door.begin(
            Inbound(
                "http",
                admission.endpoint,
                admission.credential,
                head.headers,
                exchange.request.body,
                stream,
                admission.bearing,
            ),
            stream,
        )
        if admission.modern and not errand.over:
            # Modern: closing the response stream is the cancellation. Legacy: it is none (brief 2.5).
            exchange.on_disconnect = errand.stop

    async def _get(self, exchange: Exchange, endpoint: str | None, cors: Fields) -> None:
        found = await self._session(exchange, endpoint, cors)
        if found is None or exchange.disconnected:
            return
        last = exchange.request.headers.get(LAST_EVENT_ID)
        known = None
        if last is not None and self._replays is not None:
            known = self._replays.find(found[0].id, last.decode("latin-1"))
        if last is not None and known is None:
            error = CallerError(
                Reason.INVALID_REQUEST, "Last-Event-ID: no event of this session, or not kept"
            )
            await self._refuse(exchange, endpoint, cors, error)
            return
        exchange.start(200, SSE_HEADERS + cors)
        if known is None or known[0].standalone:
            self._streams.open(*found, exchange, known)
        else:
            known[0].go_on(known[1], exchange)

    async def _delete(self, exchange: Exchange, endpoint: str | None, cors: Fields) -> None:
        found = await self._session(exchange, endpoint, cors)
        if found is not None:
            self._door.end_session(found[0])
            exchange.respond(200, cors)

    async def _session(
        self, exchange: Exchange, endpoint: str | None, cors: Fields
    ) -> tuple[Session, Principal] | None:
        """None once the request has been refused."""
        try:
            found = await self._door.session(self._inbound(exchange, endpoint))
        except CallerError as error:
            await self._refuse(exchange, endpoint, cors, error)
            return None
        if isinstance(found, Answer):
            exchange.respond(found.status, found.headers + cors, found.body)
            return None
        return found

    async def _refuse(
        self, exchange: Exchange, endpoint: str | None, cors: Fields, error: DoorwardError
    ) -> None:
        """Answer what never gets to the door; the door keeps the record all the same."""
        nobody = Credential(None, exchange.peer, local=False, proxied=False)
        answer = await self._door.refuse(self._message(exchange, endpoint, nobody, None), error)
        allow: Fields = ()
        if error.reason is Reason.HTTP_METHOD_NOT_ALLOWED:
            allow = (
                ALLOW if self._endpoint(exchange.request.path) is not ELSEWHERE else ((b"allow", METHODS),)
            )
        exchange.respond(answer.status, answer.headers + allow + cors, answer.body)

    def _inbound(self, exchange: Exchange, endpoint: str | None) -> Inbound:
        """Raises CallerError(CREDENTIAL_INVALID | CREDENTIAL_AMBIGUOUS)."""
        return self._message(exchange, endpoint, self._credential(exchange), None)

    @staticmethod
    def _message(
        exchange: Exchange, endpoint: str | None, credential: Credential, stream: ReplyStream | None
    ) -> Inbound:
        return Inbound(
            transport="http",
            endpoint=endpoint,
            credential=credential,
            headers=exchange.request.headers,
            body=exchange.request.body,
            events=stream,
        )

    def _other(self, exchange: Exchange, cors: Fields) -> None:
        request = exchange.request
        named = WHOAMI_PATH.fullmatch(request.path)
        if named is not None:
            if request.method in (b"GET", b"HEAD"):
                self._run(exchange, self._whoami(exchange, named[1], cors))
            else:
                preflight(exchange, cors, self.settings.guard)
            return
        if self.settings.discovery and self.settings.discovery.answer(exchange, cors, self.settings.guard):
            return
        if request.method not in (b"GET", b"HEAD") or request.path not in ("/healthz", "/readyz"):
            raise CallerError(Reason.PATH_NOT_FOUND, "nothing is served at this path")
        if request.path == "/healthz":
            exchange.respond(200, (rescue.JSON,), b'{"status":"ok"}')
            return
        given = request.headers.get(OPERATOR, b"")
        operator = self._operator != b"" and hmac.compare_digest(given, self._operator)
        state = self._readiness(operator)
        if not operator:
            credential = self._credential(exchange)
            if not credential.local or credential.proxied:
                state = {"status": state["status"]}
        status = 200 if state["status"] != "not_ready" else 503
        exchange.respond(status, (rescue.JSON,), msgspec.json.encode(state))

    async def _whoami(self, exchange: Exchange, endpoint: str | None, cors: Fields) -> None:
        """For the endpoint that a token is made for: it is none anywhere else."""
        try:
            who = await self._door.who(self._inbound(exchange, endpoint))
        except CallerError as error:
            await self._refuse(exchange, endpoint, cors, error)
            return
        if isinstance(who, Answer):
            exchange.respond(who.status, who.headers + cors, who.body)
            return
        said = described(who, self._door.gateway.policy)
        exchange.respond(200, (rescue.JSON, NOT_STORED, *cors), msgspec.json.encode(said))

    def _run(self, exchange: Exchange, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        loop = self._loop
        if loop is None:  # asked for once: before Python 3.12 asking costs a system call
            loop = self._loop = asyncio.get_running_loop()
        task = loop.create_task(doing)
        self._running[task] = exchange
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        exchange = self._running.pop(task)
        excuse(exchange, asyncio.CancelledError() if task.cancelled() else task.exception())

    @property
    def running(self) -> int:
        """Requests being worked on, whether or not their caller is still connected."""
        return len(self._running) + len(self._door.running)

    async def drain(self, grace: float) -> int:
        """Wait `grace` seconds for running calls, then cancel what is left. Returns how many were cut."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        while self.running and loop.time() < until:  # some may begin meanwhile
            await self._ends(until - loop.time())
        self._door.stopping = True
        tasks, errands = list(self._running), list(self._door.running)
        for task in tasks:
            task.cancel()
        for errand in errands:
            errand.stop()
        await self._ends(5.0)
        return len(tasks) + len(errands)

    async def _ends(self, seconds: float) -> None:
        """Wait for what is running now."""
        ends = [*self._running, *(errand.end() for errand in self._door.running)]
        if ends:
            await asyncio.wait(ends, timeout=seconds)


def excuse(exchange: Exchange, failure: BaseException | None) -> None:
    """No request is left without an answer, whatever became of the work on it."""
    cut = isinstance(failure, asyncio.CancelledError)
    if failure is not None and not cut:
        context = {"message": "the HTTP face met a bug", "exception": failure}
        asyncio.get_running_loop().call_exception_handler(context)
    if exchange.started or exchange.disconnected:
        return
    reason = Reason.SHUTTING_DOWN if cut else Reason.INTERNAL_ERROR
    error = GatewayError(reason, "the gateway could not answer this request")
    answer = rescue.failed(error, request_id=None, era=None, call=None, decision_id=None)
    exchange.respond(answer.status, answer.headers, answer.body)
