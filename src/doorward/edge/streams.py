"""The streams of legacy sessions for what belongs to no call: a GET stream each, or standard output."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from doorward.edge.exchange import Exchange
from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.wire import sse

FAREWELL: Final = b": the gateway is stopping\nretry: 1000\n\n"
"""No event: a comment for whoever reads along, and the milliseconds after which to come back (MCP 2025-11-25,
transports: a server that ends a stream SHOULD send `retry`)."""


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

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def push(self, message: bytes) -> bool:
        if self._exchange.disconnected or self._exchange.congested:
            return False
        self._exchange.write_nowait(sse.encode_event(message))
        return True

    def end(self, *, stopping: bool = False) -> None:
        if not self._exchange.disconnected:
            self._exchange.on_disconnect = None
            if stopping:
                self._exchange.write_nowait(FAREWELL)
            self._exchange.finish()


class SessionStreams:
    """Implements ports.Streams. The newest stream of a session gets its messages; an older one is ended."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Session, Principal, Outlet]] = {}
        self._closed = False
        self._counts: Counter[str | None] = Counter()
        self.changed: Callable[[], None] = _nobody
        """Told when `endpoints` may be others."""

    @property
    def endpoints(self) -> frozenset[str | None]:
        """Where somebody listens."""
        return frozenset(self._counts)

    def open(self, session: Session, principal: Principal, exchange: Exchange) -> None:
        """Adopt a started SSE response, unless its peer is gone already."""
        if exchange.disconnected:
            return
        outlet = SseOutlet(exchange)
        if self._closed:
            outlet.end(stopping=True)
            return
        self.adopt(session, principal, outlet)
        exchange.on_disconnect = lambda: self._gone(session.id, outlet)

    def adopt(self, session: Session, principal: Principal, outlet: Outlet) -> None:
        """From now on the session's messages go to this outlet."""
        self.close(session.id)
        self._open[session.id] = (session, principal, outlet)
        self._counts[session.endpoint] += 1
        self.changed()

    def listening(self) -> Iterable[tuple[Session, Principal]]:
        return [(session, principal) for session, principal, _ in self._open.values()]

    def listener(self, session_id: str) -> Principal | None:
        found = self._open.get(session_id)
        return None if found is None else found[1]

    def push(self, session_id: str, message: bytes) -> bool:
        """What a slow reader misses it can ask for: a notice only says that something changed."""
        found = self._open.get(session_id)
        return found is not None and found[2].push(message)

    def close(self, session_id: str) -> None:
        """End the session's stream, if it has one."""
        found = self._open.get(session_id)
        if found is not None:
            self._forget(found[0])
            found[2].end()

    def close_where(self, ended: Callable[[Principal], bool]) -> None:
        """End the streams of everybody of whom `ended` is true: their key was revoked."""
        for session, principal, _ in list(self._open.values()):
            if ended(principal):
                self.close(session.id)

    def close_all(self) -> None:
        """The gateway is stopping: streams end, and no other begins."""
        self._closed = True
        for session_id in list(self._open):
            session, _, outlet = self._open[session_id]
            self._forget(session)
            outlet.end(stopping=True)

    def _gone(self, session_id: str, outlet: Outlet) -> None:
        found = self._open.get(session_id)
        if found is not None and found[2] is outlet:
            self._forget(found[0])
        outlet.end()

    def _forget(self, session: Session) -> None:
        del self._open[session.id]
        self._counts[session.endpoint] -= 1
        if not self._counts[session.endpoint]:
            del self._counts[session.endpoint]
        self.changed()


def _nobody() -> None:
    """Until somebody wants to know."""
