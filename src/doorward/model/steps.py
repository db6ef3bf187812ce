"""Long work as a generator that yields between its steps, so that whoever runs it can let others go first.

Who has no others to care for runs it at once with `drained`; in an event loop `pipeline.shares.Shares` does.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""What it returns in the end is its result; what it raises is its failure."""


def drained(steps: Steps[T]) -> T:
    """All steps one after the other; the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
