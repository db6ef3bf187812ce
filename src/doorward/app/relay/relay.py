"""Relays one stdio client to a gateway: a line in, a POST out, and whatever comes back as lines again.

It promises: ids pass unchanged; every request gets exactly one answer, if need be an error that says what is
wrong with the gateway; nothing is sent twice; what the client cancelled is cancelled at the gateway.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from doorward.app.relay import answers
from doorward.app.relay.flight import Flight, Flights
from doorward.app.relay.leg import Leg, Reply
from doorward.app.relay.listening import listen
from doorward.app.relay.peer import Peer
from doorward.edge.stdio import ByteReader, ByteWriter, StdioEdge
from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.wire import jsonrpc
from doorward.wire.errors import WireError
from doorward.wire.headers import SESSION_ID

CONCURRENCY: Final = 256
NOTICE_S: Final = 10.0
"""For what has no answer. Requests have no limit here: the gateway has one per server, the client its own."""
GOODBYE_S: Final = 1.5
"""For the DELETE at the end: clients wait about 2 s for their server's process to end."""


class Relay:
    """One client. `report` gets a line for the operator when the way to the gateway breaks, once."""

    def __init__(
        self,
        leg: Leg,
        reader: ByteReader,
        writer: ByteWriter,
        report: Callable[[str], None],
        *,
        has_key: bool,
    ) -> None:
        self._leg = leg
        self._report = report
        self._has_key = has_key
        self._peer = Peer()
        self._flights = Flights()
        self._edge = StdioEdge(
            self.handle,
            _Ending(reader, self._input_ended),
            writer,
            concurrency=CONCURRENCY,
            handshake_first=False,  # `_opening` holds back what needs it, and nothing else
        )
        self._opening: asyncio.Event | None = None
        """Set once the handshake message before the next one was dealt with."""
        self._listening: asyncio.Task[None] | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._trouble: str | None = None

    async def run(self) -> None:
        """Until the input ends or nobody reads the output. Raises OSError when the input fails."""
        await self._edge.run()

    async def close(self) -> None:
        """End the session, in at most GOODBYE_S."""
        self._leave_session()
        if self._goodbyes:
            await asyncio.wait(self._goodbyes, timeout=GOODBYE_S)
        left = list(self._goodbyes)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def handle(self, line: bytes) -> bytes | None:
        """The last line that answers `line`; the ones before it are written on the way."""
        flight = self._peer.read(line)
        if flight.method == "notifications/cancelled" and self._cancelled(flight):
            return None
        before = self._opening if flight.era is Era.LEGACY else None
        done = None
        if flight.method in ("initialize", "notifications/initialized") and flight.era is Era.LEGACY:
            self._opening = done = asyncio.Event()
        self._flights.enter(flight)
        flight.task = asyncio.create_task(self._carry(flight, before))
        try:
            return await flight.task
        except asyncio.CancelledError:
            if flight.abandoned:
                return None
            raise
        finally:
            self._flights.leave(flight)
            if done is not None:
                done.set()

    async def _carry(self, flight: Flight, before: asyncio.Event | None) -> bytes | None:
        if before is not None:
            # stdio keeps its order and POSTs do not: what follows a handshake message needs its session.
            await before.wait()
        fields = self._peer.fields(flight)
        if fields is None:
            return flight.join(flight.fail(Reason.METHOD_NOT_FOUND, "no revision has a method of this name"))
        try:
            async with (
                asyncio.timeout(None if flight.wants_answer else NOTICE_S),
                self._leg.exchange(b"POST", fields, flight.line, sent=flight.left) as reply,
            ):
                parts = await self._receive(flight, reply)
        except TimeoutError:
            self._say("the gateway does not answer")
            return None
        except UpstreamError as error:
            text = answers.describe(error)
            self._say(text)
            parts = flight.fail(error.reason, text)
        return flight.join(parts)

    async def _receive(self, flight: Flight, reply: Reply) -> list[bytes]:
        """The lines that end it; those of a stream are written as they come. Raises UpstreamError."""
        if reply.status >= 300:
            return self._refused(flight, reply)
        self._trouble = None
        if flight.method == "notifications/initialized" and flight.era is Era.LEGACY:
            self._listen()
        parts: list[bytes] = []
        if reply.streams:
            while (data := await reply.next()) is not None:
                for line in self._relayed(flight, reply, data):
                    await self._edge.emit(line)
        elif reply.body:
            parts = self._relayed(flight, reply, reply.body)
        if flight.waiting and reply.streams:
            raise self._failure(Reason.UPSTREAM_CONNECTION_LOST, "ended its stream without an answer")
        if flight.waiting and not parts:
            raise self._failure(Reason.UPSTREAM_PROTOCOL_ERROR, "sent no answer to this request")
        if flight.waiting:
            text = "the gateway left this request of the batch unanswered"
            parts += flight.fail(Reason.UPSTREAM_PROTOCOL_ERROR, text)
        return parts

    def _relayed(self, flight: Flight, reply: Reply, data: bytes) -> list[bytes]:
        """What of one body or event goes to the client. Raises UpstreamError."""
        try:
            found = answers.split(data)
        except WireError as error:
            raise self._failure(
                Reason.UPSTREAM_PROTOCOL_ERROR, f"sent what is not JSON-RPC: {error}"
            ) from error
        lines: list[bytes] = []
        for message, raw in found:
            if isinstance(message, jsonrpc.UpstreamNotification | jsonrpc.UpstreamRequest):
                lines.append(raw)
                continue
            taken = flight.take(message, raw)
            if taken and isinstance(message, jsonrpc.UpstreamResult):
                self._learn(flight, message.result, reply.headers.get(SESSION_ID))
            lines += taken
        return lines

    def _learn(self, flight: Flight, result: bytes, session_id: bytes | None) -> None:
        if flight.method == "initialize":
            self._leave_session()  # a client that begins anew has done with the old one
        self._peer.learn(flight, result, session_id)

    def _refused(self, flight: Flight, reply: Reply) -> list[bytes]:
        if reply.status == 404:
            self._peer.forget_session(flight.session_id)
        if reply.status == 401:
            self._say(answers.REFUSED_KEY if self._has_key else answers.NO_KEY)
        return answers.read_refusal(flight, reply, has_key=self._has_key)

    def _cancelled(self, note: Flight) -> bool:
        """Whether the cancellation is done here: the request has not left yet, or closing its stream says it.

        A legacy gateway has to be told (2025-11-25: disconnection is no cancellation), a modern one must not.
        """
        assert isinstance(note.message, jsonrpc.Notification)
        flight = self._flights.find((note.message.params or {}).get("requestId"))
        if flight is None:
            return note.era is Era.MODERN
        if flight.era is Era.LEGACY and flight.sent:
            return False
        flight.abandon()
        return True

    def _failure(self, reason: Reason, text: str) -> UpstreamError:
        return failure(reason, self._leg.name, text)

    def _listen(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        fields = self._peer.session_fields()
        self._listening = asyncio.create_task(listen(self._leg, fields, self._edge.emit))

    def _leave_session(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._spawn(_ended(self._listening))
            self._listening = None
        if self._peer.session_id is not None:
            self._spawn(self._goodbye(self._peer.session_fields()))
            self._peer.session_id = None

    async def _goodbye(self, fields: list[tuple[bytes, bytes]]) -> None:
        """DELETE; a gateway that cannot be told lets the session expire."""
        try:
            async with asyncio.timeout(NOTICE_S), self._leg.exchange(b"DELETE", fields):
                pass
        except (UpstreamError, TimeoutError):
            pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    def _input_ended(self) -> None:
        """Nobody will end a subscription any more; calls get a moment to finish."""
        for flight in self._flights.calling("subscriptions/listen"):
            flight.abandon()

    def _say(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._report(text)


class _Ending:
    """A reader that tells of its end before it returns it."""

    def __init__(self, reader: ByteReader, ended: Callable[[], None]) -> None:
        self._reader = reader
        self._ended = ended

    async def read(self, n: int, /) -> bytes:
        data = await self._reader.read(n)
        if not data:
            self._ended()
        return data


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
