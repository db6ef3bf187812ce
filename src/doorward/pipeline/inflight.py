"""The calls in flight, so that a notification can cancel one (MCP cancellation, all revisions).

Only ids that something can refer to are kept: those of a legacy session and those of a stdio peer. A modern
HTTP caller cancels by closing its stream. The JSON type of an id counts: 1 and "1" are two calls.
"""

from collections.abc import Callable

from doorward.model.call import Call, Note, RequestId
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.pipeline.trail import Trail

Key = tuple[str, RequestId]


class InFlight:
    """Calls by the scope their ids are unique in. Used from one event loop."""

    def __init__(self) -> None:
        self._flights: dict[Key, Trail] = {}
        self.others: Callable[[Note], None] = _ignore
        """Told of all notes that are no cancellation. May raise CallerError."""

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def scopes(self) -> set[str]:
        """Sessions, and stdio, in which something runs."""
        return {scope for scope, _ in self._flights}

    def enter(self, call: Call, trail: Trail) -> None:
        """Raises CallerError(DUPLICATE_REQUEST_ID): two calls of one id would cross their replies."""
        if call.scope is None:
            return
        key = (call.scope, call.id)
        if key in self._flights:
            raise CallerError(Reason.DUPLICATE_REQUEST_ID, "a request with this id is still in flight")
        self._flights[key] = trail
        trail.flight = key

    def leave(self, trail: Trail) -> None:
        """Forget a call that has ended; one that was refused as a duplicate does not take the first one
        along."""
        if trail.flight is not None:
            del self._flights[trail.flight]
            trail.flight = None

    def note(self, note: Note) -> None:
        """Act on a caller's notification. Unknown ones, and cancellations that come too late, are fine.

        Raises CallerError for an answer to nothing.
        """
        if note.method != "notifications/cancelled":
            self.others(note)
            return
        if note.scope is None:
            return
        request_id = note.params.get("requestId")
        if isinstance(request_id, int | str) and not isinstance(request_id, bool):
            _cancel(self._flights.get((note.scope, request_id)))

    def trail(self, call: Call) -> Trail | None:
        """Of a call in flight that something can refer to."""
        return None if call.scope is None else self._flights.get((call.scope, call.id))

    def end(self, scope: str) -> None:
        """Cancel everything of a scope that has gone: a deleted session."""
        for key, trail in list(self._flights.items()):
            if key[0] == scope:
                _cancel(trail)


def _ignore(note: Note) -> None:
    """Until somebody listens."""


def _cancel(trail: Trail | None) -> None:
    if trail is not None and trail.drive is not None:
        trail.drive.stop()
