"""Streamable HTTP towards one server: one POST per message, answered by one JSON body or by a stream.

Sources: MCP 2025-11-25 and 2026-07-28, basic/transports. No redirect is followed, nothing is sent twice.
"""

import asyncio
import contextlib
from typing import Protocol

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.ports.waits import Arrival
from doorward.upstream.address import Address, parse_url
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.dial import Dial
from doorward.upstream.events import EventReader
from doorward.upstream.failure import failure
from doorward.upstream.h1 import JSON, Connection, Response, media_type
from doorward.upstream.live import Answer, Live
from doorward.upstream.names import Names
from doorward.upstream.patience import Patience
from doorward.upstream.pool import Pool
from doorward.upstream.proxy import Proxy
from doorward.upstream.relay import CANCELLED, Relay
from doorward.upstream.settings import Fields, ServerSettings
from doorward.upstream.statuses import meaning
from doorward.upstream.waiting import Timed
from doorward.wire import jsonrpc
from doorward.wire.errors import WireError

LINGER_S = 1.0
"""How long a stream may take to end after its answer, before its connection is given up."""
METHOD_NOT_FOUND = -32601
ANSWERS = (jsonrpc.UpstreamResult, jsonrpc.UpstreamError)
"""A tuple, because `A | B` would be built on every call."""


class SessionGone(Exception):
    """404 for a session: the server does not know it any more and has processed nothing (MCP, transports)."""

    def __init__(self, said: jsonrpc.UpstreamError | None = None) -> None:
        super().__init__()
        self.said = said
        """The JSON-RPC error that answers our request; it counts where there was no session."""


class Refused(UpstreamError):
    """An HTTP status without a usable JSON-RPC body; `status` is what only the way of discovery asks for."""

    def __init__(self, meant: UpstreamError, status: int) -> None:
        super().__init__(meant.reason, meant.server, meant.message, data=meant.data)
        for note in getattr(meant, "__notes__", ()):
            self.add_note(note)
        self.status = status


class Talk(Protocol):
    """The conversation that an exchange belongs to."""

    key: str | None

    @property
    def batches(self) -> bool:
        """Whether the server may send batches."""
        ...

    def asked(
        self, request: jsonrpc.UpstreamRequest, live: Live | None = None, timed: Timed | None = None
    ) -> None:
        """The server asks something of its client, about the call `live` whose deadline `timed` has.

        Raises CallerError, UpstreamError where this is the end of the call.
        """

    async def rest_of(self, broken: EventReader, live: Live) -> Answer | None:
        """The answer that a stream did not bring to its end; None where streams cannot be continued."""
        ...


class _Probing:
    """Implements Talk before there is a conversation: nobody is there to be asked anything."""

    key: str | None = None
    batches = False

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def asked(
        self, request: jsonrpc.UpstreamRequest, live: Live | None = None, timed: Timed | None = None
    ) -> None:
        self._relay.dropped["request that may not be made"] += 1

    async def rest_of(self, broken: EventReader, live: Live) -> Answer | None:
        return None


class HttpLeg:
    """Everything that the conversations with one server share."""

    def __init__(self, settings: ServerSettings, deadlines: Deadlines, relay: Relay) -> None:
        """Needs a running loop. Raises ValueError for a URL that names no HTTP endpoint."""
        assert settings.url is not None
        self._settings = settings
        self._server = settings.name
        self._limit = settings.max_reply_bytes
        self._address = parse_url(settings.url)
        self._deadlines = deadlines
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        dial = Dial(
            settings.name,
            self._address,
            timeouts=settings.timeouts,
            keep_alive_s=settings.keep_alive_s,
            context=settings.ssl,
            hostname=settings.server_hostname,
            names=Names(settings.dns_ttl_s, settings.dns_prefer),
            proxy=settings.proxy,
        )
        self._form, self._proxy_fields = _proxied(settings.proxy, self._address)
        self.pool = Pool(dial, size=settings.pool_size, keep_alive_s=settings.keep_alive_s)
        self._patience = Patience(settings.name, lambda: self.pool.connections, settings.timeouts)
        self._patience.start(settings.tool_timeouts)
        deadlines.oversee(lambda: self.pool.connections)

    def head(
        self, verb: bytes, fields: Fields, auth: Fields, accept: bytes, target: bytes | None = None
    ) -> bytes:
        """Request line and fields, no empty line. `target`: path and query, when not those of the URL.

        Raises ValueError for a line break in a value.
        """
        line = verb + b" " + self._form + (target or self._address.target) + b" HTTP/1.1"
        head = [line, b"Host: " + self._address.authority]
        head += [b"Accept: " + accept, b"User-Agent: doorward"]
        for name, value in [*self._proxy_fields, *auth, *fields]:
            if b"\r" in value or b"\n" in value or b"\0" in value:
                raise ValueError(f"the value of header {name.decode('latin-1')} has a line break")
            head.append(name + b": " + value)
        return b"\r\n".join(head) + b"\r\n"

    async def exchange(self, head: bytes, body: bytes, live: Live, talk: Talk) -> tuple[Answer, Response]:
        """POST one request; what else arrives on its stream goes to the relay.

        Raises UpstreamError, or SessionGone for a 404 (the caller of this knows whether there was a session).
        """
        connection = self.pool.take(self._loop.time()) or await self.pool.open(live.deadline)
        try:
            response = await self.begin(connection, framed(head, body), live.deadline)
            return await self.settle(connection, response, live, talk), response
        finally:
            self.leave(connection)

    def begin(self, connection: Connection, request: bytes, due: float) -> asyncio.Future[Response]:
        """Write a whole request on a connection that was taken; `leave` has to be called in the end."""
        waiter: asyncio.Future[Response] = self._loop.create_future()
        connection.deadline = due
        connection.send(request, self._limit, waiter)
        if self._deadlines.timer is None:
            self._deadlines.rouse()
        return waiter

    def go(self, connection: Connection, request: bytes, due: float) -> Arrival:
        """As `begin`; a usual answer wakes whoever waits for it at once."""
        arrival = Arrival(self._loop, asyncio.CancelledError)
        connection.deadline = due
        connection.send(request, self._limit, arrival)
        if self._deadlines.timer is None:
            self._deadlines.rouse()
        return arrival

    async def settle(self, connection: Connection, response: Response, live: Live, talk: Talk) -> Answer:
        """The answer that a response holds, or brings as a stream. Raises as `exchange`."""
        if response.streams:
            return await self._follow(connection, live, talk)
        return self._read(response, live, talk)

    async def probe(
        self, head: bytes, body: bytes, live: Live, deadline: float
    ) -> tuple[Response, Answer | None]:
        """POST a question to a server of unknown era: the response, and what its event stream answered.

        A stream that ends, breaks off or stays silent gave no answer. Raises UpstreamError when no response
        came at all.
        """
        connection = self.pool.take(self._loop.time()) or await self.pool.open(deadline)
        try:
            response = await self.begin(connection, framed(head, body), deadline)
            if not response.streams:
                return response, None
            with contextlib.suppress(UpstreamError):
                return response, await self._follow(connection, live, _Probing(self._relay))
            return response, None
        finally:
            self.leave(connection)

    async def post(self, head: bytes, body: bytes, deadline: float) -> Response:
        """POST and take what comes, whatever it is: notifications, answers. Raises UpstreamError.

        The body of an answer that streams is left unread.
        """
        return await self.request(framed(head, body), deadline)

    async def request(self, request: bytes, deadline: float) -> Response:
        """Any request, already framed."""
        connection = self.pool.take(self._loop.time()) or await self.pool.open(deadline)
        try:
            return await self.begin(connection, request, deadline)
        finally:
            self.leave(connection)

    async def listen(self, head: bytes, due: float | None = None) -> EventReader | None:
        """GET a stream of its own connection; None when the server offers none (405). As `stream`."""
        return await self.stream(head + b"\r\n", due)

    async def stream(self, request: bytes, due: float | None = None) -> EventReader | None:
        """Send a whole request that is answered by a stream, on a connection of its own; None for a 405.

        The caller of this closes the reader, or hangs up where the stream is `due` to be over some time.
        Raises UpstreamError, SessionGone.
        """
        connection = await self.pool.dedicated()
        waiter: asyncio.Future[Response] = self._loop.create_future()
        connection.deadline = due or self._loop.time() + self._settings.timeout_s
        self._deadlines.watch(connection)
        kept = False
        try:
            connection.send(request, self._limit, waiter)
            response = await waiter
            kept = response.streams
        finally:
            if due is None or not kept:
                self._deadlines.forget(connection)
            if not kept:
                connection.close()
        if kept:
            return EventReader(self._server, connection, self._limit)
        if response.status == 404:
            raise SessionGone
        if response.status == 405:
            return None
        raise refused(self._server, response)

    def hang_up(self, stream: EventReader) -> None:
        """Of a stream that was due."""
        self._deadlines.forget(stream.connection)
        stream.close()

    def close(self) -> None:
        self._patience.close()
        self.pool.close()

    def leave(self, connection: Connection) -> None:
        """An exchange is over, whatever became of it.

        A stream whose answer has come needs a moment to end; its connection is worth the wait.
        """
        if connection.linger(self.pool.give):
            connection.deadline = self._loop.time() + LINGER_S
        else:
            self.pool.give(connection)

    def _read(self, response: Response, live: Live, talk: Talk) -> Answer:
        if not 200 <= response.status < 300:
            return self._refusal(response, live)
        if response.content_type != JSON:
            raise refused(self._server, response)
        try:
            message = jsonrpc.parse_upstream(response.body)
        except WireError as error:
            parts = jsonrpc.batched(response.body) if talk.batches else []
            answer = self._among(parts, live)
            if answer is not None:
                return answer
            raise self._nonsense(error) from error
        if isinstance(message, ANSWERS) and _is_for(message, live):
            return message
        if media_type(response.headers) != JSON:  # it was a stream: see `answer_in`
            self._relay.dropped["answer to nothing we asked"] += 1
            raise self._unanswered()
        raise failure(
            Reason.UPSTREAM_PROTOCOL_ERROR, self._server, "answered something else than the request"
        )

    def _among(self, parts: list[bytes], live: Live) -> Answer | None:
        """The answer in a batch that is no stream; what else is in it belongs to nothing."""
        found: Answer | None = None
        for part in parts:
            try:
                message = jsonrpc.parse_upstream(part)
            except WireError as error:
                raise self._nonsense(error) from error
            if found is None and isinstance(message, ANSWERS) and _is_for(message, live):
                found = message
            else:
                self._relay.dropped["answer to nothing we asked"] += 1
        return found

    def _refusal(self, response: Response, live: Live) -> Answer:
        """A JSON-RPC error in a 4xx is the server's own word; without an id it means the only message."""
        error = _error_in(response)
        if response.status == 404 and (error is None or error.code != METHOD_NOT_FOUND):
            raise SessionGone(error if error is not None and _is_for(error, live) else None)
        own_word = 400 <= response.status < 500 and response.status not in (401, 403, 429)
        if own_word and error is not None and (error.id is None or _is_for(error, live)):
            return error
        raise refused(self._server, response)

    async def _follow(self, connection: Connection, live: Live, talk: Talk) -> Answer:
        events = EventReader(self._server, connection, self._limit)
        try:
            return await self.answer_in(events, live, talk)
        except asyncio.CancelledError:
            connection.close()  # at once: to a modern server this is the cancellation (brief 2.5)
            raise
        except UpstreamError as error:
            if error.reason is not Reason.UPSTREAM_CONNECTION_LOST or not events.resume_field:
                raise
            answer = await talk.rest_of(events, live)
            if answer is None:
                raise
            return answer
        finally:
            if live.questions is not None:  # they outlive a stream that goes on elsewhere
                await live.questions.close()

    async def answer_in(self, events: EventReader, live: Live, talk: Talk) -> Answer:
        """What answers `live` on a stream; what else is on it goes where it belongs. Raises UpstreamError."""
        while (data := await events.next()) is not None:
            try:
                message = jsonrpc.parse_upstream(data)
            except WireError as error:
                parts = jsonrpc.batched(data) if talk.batches else []
                if not parts:
                    raise self._nonsense(error) from error
                events.put_back(parts)
                continue
            match message:
                case jsonrpc.UpstreamNotification():
                    await self._heard(message, live, talk)
                case jsonrpc.UpstreamRequest():
                    talk.asked(message, live, events.connection)
                case _ if _is_for(message, live):
                    return message
                case _:
                    self._relay.dropped["answer to nothing we asked"] += 1
        raise self._unanswered()

    def _unanswered(self) -> UpstreamError:
        return failure(Reason.UPSTREAM_CONNECTION_LOST, self._server, "ended its stream without an answer")

    async def _heard(self, message: jsonrpc.UpstreamNotification, live: Live, talk: Talk) -> None:
        relay = self._relay
        if message.method != CANCELLED or not relay.questions.withdrawn(talk.key, live, message.params):
            await relay.note(message, live, talk.key)

    def _nonsense(self, error: WireError) -> UpstreamError:
        return failure(Reason.UPSTREAM_PROTOCOL_ERROR, self._server, f"sent what is not JSON-RPC: {error}")


def _proxied(proxy: Proxy | None, address: Address) -> tuple[bytes, Fields]:
    """What a proxy wants before the path and among the fields; nothing when it only opens a tunnel."""
    if proxy is None or address.tls:
        return b"", []
    fields = [(b"Proxy-Authorization", proxy.authorization)] if proxy.authorization else []
    return b"http://" + address.authority, fields


def framed(head: bytes, body: bytes) -> bytes:
    """One request, whole."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def _is_for(message: Answer, live: Live) -> bool:
    return type(message.id) is int and message.id == live.id


def _error_in(response: Response) -> jsonrpc.UpstreamError | None:
    if response.content_type != JSON:
        return None
    try:
        message = jsonrpc.parse_upstream(response.body)
    except WireError:
        return None
    return message if isinstance(message, jsonrpc.UpstreamError) else None


def refused(server: str, response: Response) -> Refused:
    """What an HTTP answer without a usable JSON-RPC body means."""
    return Refused(meaning(server, response), response.status)
