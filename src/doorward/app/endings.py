"""Ends what is open of callers with whom it is over: streams, listens, sessions, what they have at servers.

Whoever is blocked, revoked, or unknown to a new configuration is refused at the next request, whatever is
open; this is about what goes on without one. Walks in slices: there may be 20,000 sessions.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from doorward.model.call import Session
from doorward.model.principal import Principal

SLICE: Final = 200
"""Principals that are looked at before calls have their turn."""
Over = Callable[[Principal], bool]
OverSince = Callable[[Principal, float], bool]
"""The same of somebody who was here last so many seconds ago."""


class Streams(Protocol):
    """GET streams, and standard output, by session."""

    def listening(self) -> Iterable[tuple[Session, Principal]]: ...
    def close(self, session_id: str) -> None: ...


class Listener(Protocol):
    """An open `subscriptions/listen`."""

    @property
    def principal(self) -> Principal: ...
    def end(self) -> None: ...


class Listens(Protocol):
    """All of them."""

    def listening(self) -> Iterable[Listener]: ...


class Sessions(Protocol):
    """Of legacy clients."""

    def held(self) -> list[Session]: ...
    def drop(self, session: Session) -> bool: ...


class Callers(Protocol):
    """What a server has open for its callers."""

    def end_where(self, over: OverSince, owners: Collection[str] = ()) -> None: ...


class Endings:
    """Of one process, whatever worlds it has had."""

    def __init__(
        self,
        streams: Streams,
        listens: Listens,
        sessions: Sessions,
        servers: Callable[[], Iterable[Callers]],
        ended: Callable[[Session], None],
    ) -> None:
        """`servers`: those in force. `ended`: told of each session that this has forgotten."""
        self._streams = streams
        self._listens = listens
        self._sessions = sessions
        self._servers = servers
        self._ended = ended

    def close_streams(self, over: Over) -> None:
        """Of all of whom `over` is true, at once: for a question that costs next to nothing."""
        for session, principal in list(self._streams.listening()):
            if over(principal):
                self._streams.close(session.id)
        for listener in self._listens.listening():
            if over(listener.principal):
                listener.end()

    async def end(self, stream_over: Over, caller_over: OverSince) -> None:
        """Streams and listens of all with whom it is over for those, and what else there is of all with whom
        it is over for good. Calls in flight go on."""
        owners: set[str] = set()
        for number, (session, principal) in enumerate(list(self._streams.listening()), 1):
            if stream_over(principal):
                self._streams.close(session.id)
                owners.add(principal.owner)
            await _pause(number)
        for number, listener in enumerate(list(self._listens.listening()), 1):
            if stream_over(listener.principal):
                listener.end()
                owners.add(listener.principal.owner)
            await _pause(number)
        for number, session in enumerate(self._sessions.held(), 1):
            holder = session.holder
            # Who holds a session is known for certain, so how long ago it was used says nothing more.
            if holder is not None and caller_over(holder, float("inf")) and self._sessions.drop(session):
                self._ended(session)
            await _pause(number)
        for server in self._servers():
            server.end_where(caller_over, owners)
            await asyncio.sleep(0)

    def clear(self, server: Callers) -> None:
        """Nobody has anything open there any more, but what all share."""
        server.end_where(lambda _principal, _idle_s: True)


async def _pause(number: int) -> None:
    if not number % SLICE:
        await asyncio.sleep(0)
