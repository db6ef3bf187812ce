"""Running long work in an event loop without anybody having to wait for it."""

from typing import Protocol, TypeVar

from doorward.model.steps import Steps

T = TypeVar("T")


class Shares(Protocol):
    """Gives out short turns to all that is run with it."""

    async def run(self, steps: Steps[T]) -> T:
        """The result of the steps. Raises what they raise, and CancelledError between two of them."""
        ...
