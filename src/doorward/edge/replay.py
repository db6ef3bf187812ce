"""What streams of legacy sessions have carried, for a client that lost its connection (MCP 2025-11-25,
transports, "Resumability and Redelivery").

Only what was streamed has ids: a plain JSON answer has none, and costs nothing here. Everything is bounded;
what was not kept is said to be lost. An id names a stream of one session by chance alone, and is looked for
in that session only: one of another session is as unknown as an invented one.
"""

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from doorward.edge.exchange import Exchange
from doorward.wire import sse

PRIMED_SINCE: Final = "2025-11-25"
"""Clients of earlier revisions take an event without data for a broken message."""
RETRY_MS: Final = 1_000
PER_STREAM: Final = 256
"""Events; the oldest go first."""
BYTES_PER_STREAM: Final = 512 * 1024
"""Without the answer itself."""
PER_SESSION: Final = 8
"""Streams, the open ones included."""
BYTES_IN_TOTAL: Final = 32 * 1024 * 1024
KEEP_S: Final = 300.0
"""After its end, or after its reader has gone."""


class Room:
    """Bytes that all streams together keep."""

    def __init__(self) -> None:
        self.used = 0


class Stream:
    """One stream: what it has carried, and where it goes now."""

    def __init__(self, room: Room, exchange: Exchange, now: float, *, standalone: bool) -> None:
        self.exchange = exchange
        """A disconnected one while nobody reads along."""
        self.standalone = standalone
        """The session's own: it answers no request, and ends with its reader."""
        self.touched = now
        self._room = room
        self.finished = False
        self.size = 0
        self.token = secrets.token_urlsafe(9)
        self._events: deque[tuple[int, bytes]] = deque()
        self._number = 0

    @property
    def id(self) -> str:
        """Of the last event."""
        return f"{self.token}.{self._number}"

    @property
    def connected(self) -> bool:
        return not self.exchange.disconnected

    def prime(self) -> bytes:
        """An event that only gives an id to resume from, and says how long to wait before that."""
        return b"id: %b\nretry: %d\ndata: \n\n" % (self.id.encode(), RETRY_MS)

    def keep(self, message: bytes, *, last: bool = False) -> bytes:
        """The message as an event."""
        self._number += 1
        event = sse.encode_event(message, id=self.id)
        self._events.append((self._number, event))
        self.size += len(event)
        self._room.used += len(event)
        while len(self._events) > 1 and (
            len(self._events) > PER_STREAM or (self.size > BYTES_PER_STREAM and not last)
        ):
            self.drop()
        return event

    def drop(self) -> None:
        """The oldest event."""
        _, event = self._events.popleft()
        self.size -= len(event)
        self._room.used -= len(event)

    def clear(self) -> None:
        """Nothing is kept any more."""
        while self._events:
            self.drop()

    async def emit(self, message: bytes) -> None:
        """Waits while somebody reads along slowly."""
        event = self.keep(message)
        if not self.exchange.disconnected:
            await self.exchange.write(event)

    def end(self, message: bytes, now: float) -> None:
        """The answer, which is always kept."""
        event = self.keep(message, last=True) if message else b""
        self.finished = True
        self.touched = now
        if not self.exchange.disconnected:
            self.exchange.write_nowait(event)
            self.exchange.finish()

    def go_on(self, after: int, exchange: Exchange) -> None:
        """Send what came after event `after` to a started exchange, which is from now on where this goes."""
        if not self.exchange.disconnected and not self.finished:
            self.exchange.finish()  # a message goes to one stream
        self.exchange = exchange
        missed = [(number, event) for number, event in self._events if number > after]
        lost = self._number - after - len(missed)
        if lost:
            exchange.write_nowait(b": %d events were not kept\n\n" % lost)
        for _, event in missed:
            exchange.write_nowait(event)
        if self.finished:
            exchange.finish()

    def after(self, event_id: str) -> int | None:
        """The number of an event of this stream; None for one that it never had."""
        token, _, number = event_id.partition(".")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        if not (number.isascii() and number.isdigit() and len(number) <= 12 and str(int(number)) == number):
            return None
        return int(number) if int(number) <= self._number else None


class Replays:
    """All streams of all sessions. Used from one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._room = Room()
        self._streams: OrderedDict[str, list[Stream]] = OrderedDict()
        """By session; the one that began a stream last comes last."""
        self._primed: dict[int, Stream] = {}
        """By the exchange whose answer began as a stream before there was anything to say."""

    def begin(self, session_id: str, exchange: Exchange, *, standalone: bool = False) -> Stream:
        """A new stream of a session that its caller has proven to be its own."""
        stream = Stream(self._room, exchange, self._clock(), standalone=standalone)
        mine = self._streams.setdefault(session_id, [])
        self._streams.move_to_end(session_id)
        if len(mine) >= PER_SESSION:
            oldest = next((one for one in mine if one.finished), mine[0])
            mine.remove(oldest)
            oldest.clear()
        mine.append(stream)
        self._make_room()
        return stream

    def prime(self, session_id: str, exchange: Exchange) -> bytes:
        """The first event of an answer that takes long."""
        stream = self._primed[id(exchange)] = self.begin(session_id, exchange)
        return stream.prime()

    def primed(self, exchange: Exchange) -> Stream | None:
        """What `prime` began; told once."""
        return self._primed.pop(id(exchange), None)

    def find(self, session_id: str, event_id: str) -> tuple[Stream, int] | None:
        """The stream of this session that an id is of, and its number in it."""
        for stream in self._streams.get(session_id, ()):
            after = stream.after(event_id)
            if after is not None:
                stream.touched = self._clock()
                return stream, after
        return None

    def end(self, stream: Stream, message: bytes) -> None:
        """The answer to its request."""
        stream.end(message, self._clock())
        self._make_room()

    def left(self, stream: Stream) -> None:
        """Its reader has gone."""
        stream.touched = self._clock()

    def forget(self, session_id: str) -> None:
        """The session has ended."""
        for stream in self._streams.pop(session_id, ()):
            stream.clear()

    def sweep(self) -> None:
        """Let go of what nobody has come back for. To be called every minute or so."""
        oldest = self._clock() - KEEP_S
        for session_id, mine in list(self._streams.items()):
            for stream in [one for one in mine if _over(one, oldest)]:
                mine.remove(stream)
                stream.clear()
            if not mine:
                del self._streams[session_id]

    def _make_room(self) -> None:
        """When all together have too much, nothing is kept for those who began a stream longest ago."""
        for mine in list(self._streams.values()) if self._room.used > BYTES_IN_TOTAL else ():
            for stream in mine:
                stream.clear()
            if self._room.used <= BYTES_IN_TOTAL:
                return


def _over(stream: Stream, oldest: float) -> bool:
    owed = not stream.finished and not stream.standalone
    return not (owed or (stream.connected and not stream.finished) or stream.touched >= oldest)
