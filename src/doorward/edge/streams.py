"""The streams of legacy sessions for what belongs to no call: a GET stream each, or standard output."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from doorward.edge.exchange import Exchange
from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.wire import sse

KEEP_ALIVE_S: Final = 15.0


class Outlet(Protocol):
    """Where the messages of one stream go."""

    def push(self, message: bytes) -> bool:
        """False when it cannot be taken now: what is missed can be asked for."""
        ...

    def beat(self) -> None:
        """Show that the stream is alive, where silence would be taken for the opposite."""
        ...

    def end(self) -> None: ...


class SseOutlet:
    """A started SSE response."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def push(self, message: bytes) -> bool:
        if self._exchange.disconnected or self._exchange.congested:
            return False
        self._exchange.write_nowait(sse.encode_event(message))
        return True

    def beat(self) -> None:
        """Proxies cut a silent stream."""
        if not self._exchange.disconnected and not self._exchange.congested:
            self._exchange.write_nowait(sse.COMMENT)

    def end(self) -> None:
        if not self._exchange.disconnected:
            self._exchange.on_disconnect = None
            self._exchange.finish()


class SessionStreams:
    """Implements ports.Streams. The newest stream of a session gets its messages; an older one is ended."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Session, Principal, Outlet]] = {}
        self._beat: asyncio.TimerHandle | None = None

    def open(self, session: Session, principal: Principal, exchange: Exchange) -> None:
        """Adopt a started SSE response, unless its peer is gone already."""
        if exchange.disconnected:
            return
        outlet = SseOutlet(exchange)
        self.adopt(session, principal, outlet)
        exchange.on_disconnect = lambda: self._gone(session.id, outlet)

    def adopt(self, session: Session, principal: Principal, outlet: Outlet) -> None:
        """From now on the session's messages go to this outlet."""
        self.close(session.id)
        self._open[session.id] = (session, principal, outlet)
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive)

    def listening(self) -> Iterable[tuple[Session, Principal]]:
        return [(session, principal) for session, principal, _ in self._open.values()]

    def push(self, session_id: str, message: bytes) -> bool:
        """What a slow reader misses it can ask for: a notice only says that something changed."""
        found = self._open.get(session_id)
        return found is not None and found[2].push(message)

    def close(self, session_id: str) -> None:
        """End the session's stream, if it has one."""
        found = self._open.pop(session_id, None)
        if found is not None:
            found[2].end()

    def close_where(self, ended: Callable[[Principal], bool]) -> None:
        """End the streams of everybody of whom `ended` is true: their key was revoked."""
        for session, principal, _ in list(self._open.values()):
            if ended(principal):
                self.close(session.id)

    def close_all(self) -> None:
        """The gateway is stopping."""
        for session_id in list(self._open):
            self.close(session_id)
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _gone(self, session_id: str, outlet: Outlet) -> None:
        found = self._open.get(session_id)
        if found is not None and found[2] is outlet:
            del self._open[session_id]

    def _keep_alive(self) -> None:
        """One timer for all streams."""
        for _, _, outlet in self._open.values():
            outlet.beat()
        again = bool(self._open)
        self._beat = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive) if again else None
