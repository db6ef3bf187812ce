"""The calls in flight, so that a notification can cancel one (MCP cancellation, all revisions).

Only ids that something can refer to are kept: those of a legacy session and those of a stdio peer. A modern
HTTP caller cancels by closing its stream. Keys carry the JSON type of the id: 1 and "1" are two calls.
"""

import asyncio

from doorward.model.call import Call, Note, RequestId
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

Key = tuple[str, type, RequestId]


class InFlight:
    """Calls by the scope their ids are unique in. Used from one event loop."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[object]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self, call: Call) -> None:
        """Raises CallerError(DUPLICATE_REQUEST_ID): two calls of one id would cross their replies."""
        if call.scope is None or (task := self._current()) is None:
            return
        key = (call.scope, type(call.id), call.id)
        if key in self._tasks:
            raise CallerError(Reason.DUPLICATE_REQUEST_ID, "a request with this id is still in flight")
        self._tasks[key] = task

    def leave(self, call: Call) -> None:
        """Forget a call that has ended; one that was refused as a duplicate does not take the first one
        along."""
        if call.scope is None:
            return
        key = (call.scope, type(call.id), call.id)
        if self._tasks.get(key) is self._current():
            del self._tasks[key]

    def _current(self) -> asyncio.Task[object] | None:
        # CPython 3.11 asks the kernel for the process id each time that it looks for the running loop.
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return asyncio.current_task(self._loop)

    def note(self, note: Note) -> None:
        """Act on a caller's notification. Unknown ones, and cancellations that come too late, are fine."""
        if note.method != "notifications/cancelled" or note.scope is None:
            return
        request_id = note.params.get("requestId")
        if isinstance(request_id, int | str) and not isinstance(request_id, bool):
            task = self._tasks.get((note.scope, type(request_id), request_id))
            if task is not None:
                task.cancel()

    def end(self, scope: str) -> None:
        """Cancel everything of a scope that has gone: a deleted session."""
        for key, task in list(self._tasks.items()):
            if key[0] == scope:
                task.cancel()
