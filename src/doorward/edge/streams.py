"""The streams of legacy sessions for what belongs to no call: a GET stream each, or standard output."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from doorward.edge.exchange import Exchange
from doorward.edge.replay import KEEP_S, PRIMED_SINCE, Replays, Stream
from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.wire import sse

FAREWELL: Final = b": the gateway is stopping\nretry: 1000\n\n"
"""No event: a comment for whoever reads along, and the milliseconds after which to come back (MCP 2025-11-25,
transports: a server that ends a stream SHOULD send `retry`)."""


MOST_WAITING: Final = 256
"""Different messages that wait for one slow reader."""


class Outlet(Protocol):
    """Where the messages of one stream go."""

    def push(self, message: bytes) -> bool:
        """False when it cannot be taken now: what is missed can be asked for."""
        ...

    def end(self, *, stopping: bool = False) -> None:
        """`stopping`: the gateway goes, and the session may be taken up again soon."""
        ...


class SseOutlet:
    """A started SSE response."""

    def __init__(self, exchange: Exchange, stream: Stream | None = None) -> None:
        self._exchange = exchange
        self.stream = stream
        """Where it is kept for a client that comes back."""
        self._waiting: dict[bytes, None] = {}
        self._flushing: asyncio.Task[None] | None = None

    def push(self, message: bytes) -> bool:
        """What a slow reader has not taken waits once, however often it is said."""
        if self._exchange.disconnected:
            return False
        if not self._waiting and not self._exchange.congested:
            self._exchange.write_nowait(self._event(message))
            return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting[message] = None
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
        return True

    def end(self, *, stopping: bool = False) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
        if not self._exchange.disconnected:
            self._exchange.on_disconnect = None
            if stopping:
                self._exchange.write_nowait(FAREWELL)
            self._exchange.finish()

    def _event(self, message: bytes) -> bytes:
        return sse.encode_event(message) if self.stream is None else self.stream.keep(message)

    async def _flush(self) -> None:
        await self._exchange.write(b"")
        while self._waiting and not self._exchange.disconnected:
            message = next(iter(self._waiting))
            del self._waiting[message]
            await self._exchange.write(self._event(message))
        self._flushing = None


class Away(NamedTuple):
    """A session whose stream broke off, and who had it; it may come back."""

    session: Session
    principal: Principal
    stream: Stream


class SessionStreams:
    """Implements ports.Streams. The newest stream of a session gets its messages; an older one is ended."""

    def __init__(self, replays: Replays | None = None) -> None:
        """Without `replays` what is missed is lost."""
        self._replays = replays
        self._open: dict[str, tuple[Session, Principal, Outlet]] = {}
        self._away: dict[str, Away] = {}
        self._closed = False
        self._counts: Counter[str | None] = Counter()
        self.changed: Callable[[], None] = _nobody
        """Told when `endpoints` may be others."""

    @property
    def endpoints(self) -> frozenset[str | None]:
        """Where somebody listens."""
        return frozenset(self._counts)

    @property
    def sessions(self) -> set[str]:
        """Ids of those that have a stream open."""
        return set(self._open)

    def open(
        self,
        session: Session,
        principal: Principal,
        exchange: Exchange,
        resumed: tuple[Stream, int] | None = None,
    ) -> None:
        """Adopt a started SSE response, unless its peer is gone already; `resumed`: after which event."""
        if exchange.disconnected:
            return
        if self._closed:
            SseOutlet(exchange).end(stopping=True)
            return
        stream = None
        if resumed is None and self._replays is not None:
            stream = self._replays.begin(session.id, exchange, standalone=True)
        outlet = SseOutlet(exchange, resumed[0] if resumed is not None else stream)
        self.adopt(session, principal, outlet)
        if resumed is not None:
            resumed[0].go_on(resumed[1], exchange)
        elif stream is not None and session.version >= PRIMED_SINCE:
            exchange.write_nowait(stream.prime())
        exchange.on_disconnect = lambda: self._gone(session.id, outlet)

    def adopt(self, session: Session, principal: Principal, outlet: Outlet) -> None:
        """From now on the session's messages go to this outlet."""
        self.close(session.id)
        self._open[session.id] = (session, principal, outlet)
        self._counts[session.endpoint] += 1
        self.changed()

    def listening(self) -> Iterable[tuple[Session, Principal]]:
        """Those included who may come back for what they miss now."""
        away = [(one.session, one.principal) for one in self._away.values()]
        return [*((session, principal) for session, principal, _ in self._open.values()), *away]

    def of(self, key: str) -> Iterable[tuple[Session, Principal]]:
        """See ports.Streams. A server that floods one session costs no look at the others."""
        found = self._open.get(key) or self._away.get(key)
        if found is not None:
            return [(found[0], found[1])]
        return [one for one in self.listening() if one[1].owner == key]

    def listener(self, session_id: str) -> Principal | None:
        found = self._open.get(session_id) or self._away.get(session_id)
        return None if found is None else found[1]

    def push(self, session_id: str, message: bytes) -> bool:
        """What a slow reader misses it can ask for: a notice only says that something changed."""
        found = self._open.get(session_id)
        if found is not None:
            return found[2].push(message)
        away = self._away.get(session_id)
        if away is not None:
            away.stream.keep(message)
        return away is not None

    def close(self, session_id: str) -> None:
        """End the session's stream, if it has one."""
        self._away.pop(session_id, None)
        found = self._open.get(session_id)
        if found is not None:
            self._forget(found[0])
            found[2].end()

    def close_where(self, ended: Callable[[Principal], bool]) -> None:
        """End the streams of everybody of whom `ended` is true: their key was revoked."""
        for session, principal in list(self.listening()):
            if ended(principal):
                self.close(session.id)

    def close_all(self) -> None:
        """The gateway is stopping: streams end, and no other begins."""
        self._closed = True
        self._away.clear()
        for session_id in list(self._open):
            session, _, outlet = self._open[session_id]
            self._forget(session)
            outlet.end(stopping=True)

    def _gone(self, session_id: str, outlet: SseOutlet) -> None:
        found = self._open.get(session_id)
        if found is not None and found[2] is outlet:
            self._forget(found[0])
            if outlet.stream is not None and self._replays is not None:
                self._replays.left(outlet.stream)
                self._away[session_id] = Away(found[0], found[1], outlet.stream)
        outlet.end()

    def sweep(self) -> None:
        """Those who have not come back for long are not waited for any more."""
        now = time.monotonic()
        for session_id in [name for name, one in self._away.items() if now - one.stream.touched > KEEP_S]:
            del self._away[session_id]

    def _forget(self, session: Session) -> None:
        del self._open[session.id]
        self._counts[session.endpoint] -= 1
        if not self._counts[session.endpoint]:
            del self._counts[session.endpoint]
        self.changed()


def _nobody() -> None:
    """Until somebody wants to know."""
