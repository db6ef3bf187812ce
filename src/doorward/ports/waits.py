"""Waiting without a future, for what is waited for in every call.

A future wakes whoever waits for it by a callback in the next turn of the event loop, which costs more than
the waiting. Whoever brings the end of these waits steps the one that waits at once, in its own turn.
"""

from collections.abc import Callable, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec


class Waiter(Protocol):
    """Something that runs a coroutine in steps. Its methods may do anything but raise Exception."""

    def step(self) -> None:
        """What the coroutine waited for has come."""

    def pace(self) -> None:
        """As `step`, for a coroutine that does not need to be the current task before it waits again."""

    def fail(self, failure: Exception) -> None:
        """What the coroutine waited for has failed: this is raised where it waits."""


class _Park(tuple[object, ...]):
    """Await it to be stepped by whoever took the waiter, which happens once and in a later turn."""

    __slots__ = ()
    if TYPE_CHECKING:

        def __await__(self) -> Generator[object, None, None]: ...

    else:
        __await__ = tuple.__iter__  # no frame of Python: this is awaited twice in every call


PARKED: Final = object()
"""What a waiter gets from a coroutine that is parked: there is nothing to be done."""
PARK: Final = _Park((PARKED,))


class Turns(Protocol):
    """Of an event loop, what gives a turn of its own to something."""

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> object: ...


class Arrival(msgspec.Struct, eq=False):
    """One value to come, for one that waits; await it, then ask for the `result`.

    A task may wait for it as well: it speaks the protocol of `asyncio.Future.__await__`.
    """

    loop: Turns
    cancelled: type[BaseException]
    """What a cancellation raises."""
    value: Any = None
    """None until it has come."""
    failure: BaseException | None = None
    waiter: Waiter | None = None
    _told: tuple[Callable[[Any], object], Context | None] | None = None
    _asyncio_future_blocking: bool = True
    """Whether it is being awaited, as most of them are and no more; a task takes note and unsets it."""

    def __await__(self) -> Generator[object, None, None]:
        if not self._asyncio_future_blocking:
            self._asyncio_future_blocking = True
        return iter((self,))  # type: ignore[return-value]  # an iterator is all that `await` asks for

    def get_loop(self) -> Turns:
        """A task asks whether it is its own."""
        return self.loop

    def done(self) -> bool:
        """Whether it has come, failed or been cancelled: from then on nothing changes."""
        return self.value is not None or self.failure is not None

    def result(self) -> Any:
        """Raises the failure, or what a cancellation raises."""
        if self.failure is not None:
            raise self.failure
        return self.value

    def land(self, value: Any) -> None:
        """Here it is; whoever waits goes on at once, so this is the last thing that its caller does."""
        self.value = value
        if self.waiter is not None:
            self.waiter.pace()
        else:
            self._tell()

    def set_result(self, value: Any) -> None:
        """Here it is; whoever waits goes on in the next turn."""
        self.value = value
        self._tell()

    def set_exception(self, failure: BaseException) -> None:
        """As `set_result`."""
        self.failure = failure
        self._tell()

    def cancel(self, msg: object = None) -> bool:
        """False when it is done."""
        if self.done():
            return False
        self.set_exception(self.cancelled() if msg is None else self.cancelled(msg))
        return True

    def add_done_callback(self, told: Callable[[Any], object], *, context: Context | None = None) -> None:
        """For a task: one callback, once, in a turn of its own."""
        self._told = told, context
        if self.done():
            self._tell()

    def attend(self, waiter: Waiter) -> None:
        """Step `waiter` when it is done."""
        self.waiter = waiter
        if self.done():
            self._tell()

    def _tell(self) -> None:
        if self.waiter is not None:
            self.loop.call_soon(self.waiter.step)
        elif self._told is not None:
            told, context = self._told
            self.loop.call_soon(told, self, context=context)
