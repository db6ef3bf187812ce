"""The GET streams of legacy sessions."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from doorward.edge.exchange import Exchange
from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.wire import sse

KEEP_ALIVE_S: Final = 15.0


class SseStreams:
    """Implements ports.Streams. The newest stream of a session gets its messages; an older one is ended."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Session, Principal, Exchange]] = {}
        self._beat: asyncio.TimerHandle | None = None

    def open(self, session: Session, principal: Principal, exchange: Exchange) -> None:
        """Adopt a started SSE response, unless its peer is gone already."""
        if exchange.disconnected:
            return
        self.close(session.id)
        self._open[session.id] = (session, principal, exchange)
        exchange.on_disconnect = lambda: self._gone(session.id, exchange)
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive)

    def listening(self) -> Iterable[tuple[Session, Principal]]:
        return [(session, principal) for session, principal, _ in self._open.values()]

    def push(self, session_id: str, message: bytes) -> bool:
        """What a slow reader misses it can ask for: a notice only says that something changed."""
        found = self._open.get(session_id)
        if found is None or found[2].disconnected or found[2].congested:
            return False
        found[2].write_nowait(sse.encode_event(message))
        return True

    def close(self, session_id: str) -> None:
        """End the session's stream, if it has one."""
        found = self._open.pop(session_id, None)
        if found is not None and not found[2].disconnected:
            found[2].on_disconnect = None
            found[2].finish()

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

    def _gone(self, session_id: str, exchange: Exchange) -> None:
        found = self._open.get(session_id)
        if found is not None and found[2] is exchange:
            del self._open[session_id]

    def _keep_alive(self) -> None:
        """One timer for all streams: proxies cut a silent one."""
        for _, _, exchange in self._open.values():
            if not exchange.disconnected and not exchange.congested:
                exchange.write_nowait(sse.COMMENT)
        again = bool(self._open)
        self._beat = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive) if again else None
