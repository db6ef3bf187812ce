"""Legacy clients' sessions in memory (port: Sessions)."""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from doorward.model.call import Session
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason

IDLE_S: Final = 24 * 3600.0
PER_OWNER: Final = 1_000
IN_TOTAL: Final = 20_000
UNKNOWN: Final = "there is no such session: it ended, expired, or never was yours"
"""One text for all three, so that ids of others cannot be told from ids of nobody."""


class MemorySessions:
    """Used from one event loop. An owner at its limit loses the session it used least recently."""

    def __init__(
        self,
        *,
        idle_s: float = IDLE_S,
        per_owner: int = PER_OWNER,
        in_total: int = IN_TOTAL,
        closed: Callable[[Session], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`closed` is told of every session that ends, whatever ends it."""
        self._idle_s = idle_s
        self._per_owner = per_owner
        self._in_total = in_total
        self._closed = closed
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._owned: dict[str, set[str]] = {}

    def bound(self, *, idle_s: float, per_owner: int, in_total: int) -> None:
        """Other limits from now on. What is beyond them goes as it would have: with the next sweep, and with
        the next session of its owner."""
        self._idle_s = idle_s
        self._per_owner = per_owner
        self._in_total = in_total

    def __len__(self) -> int:
        return len(self._sessions)

    def open(
        self,
        principal: Principal,
        endpoint: str | None,
        version: str,
        capabilities: dict[str, Any],
        client: dict[str, Any],
    ) -> Session:
        """See ports/sessions.py. Raises GatewayError(OVERLOADED) when all owners together have too many."""
        now = self._clock()
        owner = principal.owner
        owned = self._owned.get(owner, set())
        if len(owned) >= self._per_owner:
            by_use = sorted(owned, key=lambda session_id: self._sessions[session_id].last_used)
            for session_id in by_use[: len(owned) - self._per_owner + 1]:
                self.close(session_id)
        if len(self._sessions) >= self._in_total:
            self.sweep()
            if len(self._sessions) >= self._in_total:
                raise GatewayError(Reason.OVERLOADED, "too many sessions are open")
        session = Session(
            secrets.token_urlsafe(24),
            owner,
            endpoint,
            version,
            capabilities,
            client,
            last_used=now,
            holder=principal,
        )
        self._sessions[session.id] = session
        self._owned.setdefault(owner, set()).add(session.id)
        return session

    def get(self, session_id: str, principal: Principal, endpoint: str | None) -> Session:
        """See ports/sessions.py."""
        session = self._sessions.get(session_id)
        if session is None or session.endpoint != endpoint:
            raise CallerError(Reason.SESSION_UNKNOWN, UNKNOWN)
        if session.holder is not principal:
            if session.owner != principal.owner:
                raise CallerError(Reason.SESSION_UNKNOWN, UNKNOWN)
            session.holder = principal
        now = self._clock()
        if now - session.last_used > self._idle_s:
            self.close(session_id)
            raise CallerError(Reason.SESSION_UNKNOWN, UNKNOWN)
        session.last_used = now
        return session

    def find(self, session_id: str) -> Session | None:
        """Whosever it is: for what hangs on it, not for a caller who names it."""
        return self._sessions.get(session_id)

    def close(self, session_id: str) -> None:
        """See ports/sessions.py. An id that is unknown is none of our business any more."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        self._forget(session)
        if self._closed is not None:
            self._closed(session)

    def _forget(self, session: Session) -> None:
        del self._sessions[session.id]
        owned = self._owned[session.owner]
        owned.discard(session.id)
        if not owned:
            del self._owned[session.owner]

    def held(self) -> list[Session]:
        """All there are, now."""
        return list(self._sessions.values())

    def drop(self, session: Session) -> bool:
        """Forget it without telling anybody: whoever asks for that ends what hangs on it. False when it has
        ended already."""
        if session.id not in self._sessions:
            return False
        self._forget(session)
        return True

    def sweep(self, used: Iterable[str] = ()) -> int:
        """End what has been idle for too long; how many those were. To be called every minute or so.

        `used`: ids of those that have a stream open or a call running, and so are not idle.
        """
        now = self._clock()
        for session_id in used:
            session = self._sessions.get(session_id)
            if session is not None:
                session.last_used = now
        oldest = now - self._idle_s
        idle = [session.id for session in self._sessions.values() if session.last_used < oldest]
        for session_id in idle:
            self.close(session_id)
        return len(idle)
