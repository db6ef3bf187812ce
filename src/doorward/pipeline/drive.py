"""Runs one coroutine to its end on the event loop, as a task does, at a fraction of a task's price.

What makes it cheaper than `asyncio.Task`: the first step happens at once, in its caller's turn of the loop;
there is no name, no entry in the set of all tasks, no copied context and no callback at the end but a method.

It keeps what code inside of a coroutine relies on. `asyncio.current_task()` is this object, so that
`asyncio.timeout` and `TaskGroup` find `cancel`, `uncancel` and `cancelling` with the meaning that a task
gives them; a cancellation is raised where the coroutine waits. Coroutine and driver speak the protocol of
`asyncio.Future.__await__`; `_enter_task` and `_leave_task` are documented for implementations of tasks
(library reference, asyncio, "Extending").

It ends without an exception: `send` would end a coroutine with StopIteration, a result and a traceback, a
quarter of a microsecond. So the coroutine leaves its result where the subclass finds it, and returns None.

Two kinds of wait are cheaper still, because whoever ends them steps the coroutine itself (ports/waits.py).
And it is not the current task in its first step, unless that was left to the loop (`begin_soon`), nor in the
one after an `Arrival`: no task is current then, and what needs one begins with `await asyncio.sleep(0)`.
"""

import asyncio
from asyncio import CancelledError
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from typing import Any, Final

import msgspec

from doorward.ports.waits import PARKED, Arrival

_ENDED: Final = object()


class Drive(msgspec.Struct, eq=False, kw_only=True):
    """Call `begin` or `begin_soon`, once. Belongs to its loop; a subclass says what follows."""

    _loop: asyncio.AbstractEventLoop
    _doing: Generator[Any, Any, None]
    """`__await__` of the coroutine."""
    _waits: asyncio.Future[Any] | Arrival | None = None
    """What the coroutine waits for, or has waited for last: its end brings the next step."""
    _cut: bool = False
    """True while a cancellation waits to be delivered by the next step."""
    _cancels: int = 0
    _end: asyncio.Future[None] | None = None
    """Made when somebody wants to wait for the end."""
    over: bool = False

    def ended(self) -> None:
        """The coroutine returned: `follow` with another one, or `close`."""
        raise NotImplementedError

    def failed(self, failure: Exception | CancelledError) -> None:
        """The coroutine or `ended` raised: the same choice. It must not raise itself."""
        raise NotImplementedError

    def begin(self) -> None:
        """Take the first step now. Not for callers within a task: what asks for the current one there, as
        `asyncio.timeout` does, would take theirs for its own. Where there is none it raises RuntimeError."""
        self.pace()

    def begin_soon(self) -> None:
        """Take the first step in the next turn of the loop, and be the current task in it: for callers that
        are within a task of their own."""
        self._loop.call_soon(self.step)

    def follow(self, doing: Coroutine[Any, Any, None]) -> None:
        """Go on with `doing`. A cancellation that its predecessor did not live to see is forgotten."""
        self._doing = doing.__await__()
        self._cut = False
        self.pace()

    def close(self) -> None:
        """Nothing follows."""
        self.over = True
        self._waits = None  # an Arrival holds who waits for it
        if self._end is not None:
            self._end.set_result(None)

    def end(self) -> asyncio.Future[None]:
        """Done when this is over: one future for everybody who asks, so `asyncio.wait` for it."""
        if self._end is None:
            self._end = self._loop.create_future()
            if self.over:
                self._end.set_result(None)
        return self._end

    def cancel(self, msg: object = None) -> bool:
        """Raise CancelledError where the coroutine waits. False when it is over."""
        if self.over:
            return False
        self._cancels += 1
        if self._waits is None or not self._waits.cancel(msg):
            self._cut = True
        return True

    def stop(self) -> None:
        """End it, if it is not ending already: what whoever is outside asks for."""
        self.cancel()

    def done(self) -> bool:
        """As `TaskGroup` asks."""
        return self.over

    def cancelling(self) -> int:
        """How many cancellations were asked for and not taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one back; returns how many are left."""
        if self._cancels > 0:
            self._cancels -= 1
        return self._cancels

    def step(self, _waited: object = None) -> None:
        """Run the coroutine until it waits again, returns or raises. Called by what it waited for."""
        loop = self._loop
        _enter_task(loop, self)  # type: ignore[arg-type]
        try:
            try:
                waits = self._throw(CancelledError()) if self._cut else next(self._doing, _ENDED)
            finally:
                _leave_task(loop, self)  # type: ignore[arg-type]
            if type(waits) is Arrival and waits.value is None and waits.failure is None and not self._cut:
                waits.waiter = self  # as `_wait`, without its frame
                self._waits = waits
            elif waits is _ENDED:
                self.ended()
            elif waits is not PARKED:
                self._wait(waits)
        except (Exception, CancelledError) as failure:  # noqa: BLE001 - a boundary: `failed` looks at what it got
            self.failed(failure)

    def pace(self, failure: BaseException | None = None) -> None:
        """As `step`, and not the current task: that is a quarter of the price of a step."""
        try:
            if failure is not None or self._cut:
                waits = self._throw(failure or CancelledError())
            else:
                waits = next(self._doing, _ENDED)
            if waits is PARKED:
                return
            if waits is _ENDED:
                self.ended()
            else:
                self._wait(waits)
        except (Exception, CancelledError) as failed:  # noqa: BLE001 - as in `step`
            self.failed(failed)

    def fail(self, failure: Exception) -> None:
        """Raise what has gone wrong where the coroutine is parked; a cancellation has to wait."""
        self.pace(failure)

    def _wait(self, waits: Any) -> None:
        if type(waits) is Arrival:
            waits.attend(self)
        elif waits is None:  # a bare yield asks for the next turn of the loop
            self._loop.call_soon(self.step)
            return
        elif waits is PARKED:
            return
        else:
            waits._asyncio_future_blocking = False  # noqa: SLF001 - the protocol of `__await__`
            waits.add_done_callback(self.step)
        self._waits = waits
        if self._cut and waits.cancel():
            self._cut = False

    def _throw(self, failure: BaseException) -> Any:
        if isinstance(failure, CancelledError):
            self._cut = False
        try:
            return self._doing.throw(failure)
        except StopIteration:
            return _ENDED
