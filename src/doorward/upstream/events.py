"""An event stream of a server, read one event at a time."""

import asyncio
from collections import deque
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection
from doorward.wire.errors import WireError
from doorward.wire.sse import EventTooLarge, SseEvent, SseParser

SHORTEST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 30.0
USUAL_RETRY_S: Final = 1.0
"""Where the server does not say how long to wait before its stream is asked for again."""
LONGEST_ID: Final = 512
"""Characters of an event id that we repeat; a longer one, or one with control characters, resumes nothing."""


PIECE: Final = 8 * 1024
"""Bytes that are parsed at once. Made of line ends alone they take 3 ms."""
_MANY: Final = 128
LARGE: Final = 64 * 1024
"""Bytes of an event that has taken its time: others have their turn before it is read."""
BURST: Final = 64
"""Events of one stream that are taken one after the other; then others have their turn."""


async def feed_slowly(parser: SseParser, data: bytes) -> list[SseEvent]:
    """As `parser.feed`, in pieces: where they hold many lines, others are served in between."""
    events: list[SseEvent] = []
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        events += parser.feed(piece)
        if piece.count(b"\n") + piece.count(b"\r") > _MANY:
            await asyncio.sleep(0)
    return events


def unreadable(error: WireError, server: str, limit: int) -> UpstreamError:
    """What a parser's error means for the calls on the stream. `limit`: bytes of one event."""
    if isinstance(error, EventTooLarge):
        return failure(Reason.UPSTREAM_REPLY_TOO_LARGE, server, f"sent an event of more than {limit} bytes")
    return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"sent what is not an event stream: {error}")


class EventReader:
    """The data of a stream's events; an event without any (MCP 2025-11-25: priming) only sets the id."""

    def __init__(self, server: str, connection: Connection, limit: int) -> None:
        self.connection = connection
        self._server = server
        self._limit = limit
        self._parser = SseParser(limit)
        self._ready: deque[bytes] = deque()
        self._taken = 0

    @property
    def resume_field(self) -> bytes:
        """The header line that asks for what follows the last event; b"" when nothing can be asked for."""
        last = self._parser.last_id
        if not last or len(last) > LONGEST_ID or not last.isprintable():
            return b""
        return b"Last-Event-ID: %b\r\n" % last.encode()

    @property
    def retry_s(self) -> float | None:
        """How long to wait before that, in our bounds; None when the server did not say."""
        retry = self._parser.retry
        return None if retry is None else min(max(retry / 1000, SHORTEST_RETRY_S), LONGEST_RETRY_S)

    async def next(self) -> bytes | None:
        """None at the stream's end. Raises UpstreamError when it breaks off or an event is too large."""
        while not self._ready:
            data = await self.connection.read()
            if not data:
                return None
            try:
                parser = self._parser
                events = parser.feed(data) if len(data) <= PIECE else await feed_slowly(parser, data)
            except WireError as error:
                raise unreadable(error, self._server, self._limit) from error
            self._ready.extend(event.data for event in events if event.data)
        self._taken += 1
        data = self._ready.popleft()
        if not self._taken % BURST or len(data) > LARGE:
            await asyncio.sleep(0)
        return data

    def put_back(self, messages: list[bytes]) -> None:
        """What was one event is several: they come next, in their order."""
        self._ready.extendleft(reversed(messages))

    def close(self) -> None:
        self.connection.close()
