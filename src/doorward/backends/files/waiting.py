"""Those who wait for the log: how they are told (ports/waits.py)."""

import asyncio

import msgspec

from doorward.ports.waits import Waiter


class Told(msgspec.Struct, eq=False):
    """Waits for a future, as a task does."""

    written: asyncio.Future[None]

    def step(self) -> None:
        """See Waiter."""
        if not self.written.done():  # it was cancelled while it waited
            self.written.set_result(None)

    def pace(self) -> None:
        """See Waiter."""
        self.step()

    def fail(self, failure: Exception) -> None:
        """See Waiter."""
        if not self.written.done():
            self.written.set_exception(failure)


def wake(waiting: list[Waiter]) -> None:
    """Let them go on, in their order. Last, because those who go on may append again."""
    left = iter(waiting)
    try:
        for waiter in left:
            waiter.step()
    except BaseException:  # a bug of one of them, or the end of the process: the others are not to blame
        asyncio.get_running_loop().call_soon(wake, list(left))
        raise
