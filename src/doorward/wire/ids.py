"""Ids of one leg mapped to those of another. The JSON type belongs to an id: 1 and "1" are two (MCP, all
revisions)."""

from itertools import count
from typing import Any, Generic, TypeVar

from doorward.model.call import RequestId

T = TypeVar("T")


class IdMint:
    """Integers for the upstream leg: 1, 2, 3 ... for as long as the process lives, not per connection.

    A retry of a multi-round call must not repeat an id, and some servers take only integers (research brief
    5).
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = count(1)

    def mint(self) -> int:
        """An id that this mint has not given out before."""
        return next(self._next)


def _key(identifier: Any) -> tuple[type, Any]:
    """A dict alone would take 1, 1.0 and True for one key."""
    return (type(identifier), identifier)


class PendingCalls(Generic[T]):
    """What waits for an answer, by id with its type. Any JSON value can be asked for; only what was added is
    found."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[tuple[type, Any], tuple[RequestId, T]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request_id: RequestId, value: T) -> None:
        """Raises ValueError for an id that is in flight already."""
        key = _key(request_id)
        if key in self._waiting:
            raise ValueError("an id that is in flight already")
        self._waiting[key] = (request_id, value)

    def get(self, request_id: RequestId | None) -> T | None:
        """What was added under exactly this id, which stays."""
        found = self._waiting.get(_key(request_id))
        return None if found is None else found[1]

    def pop(self, request_id: RequestId | None) -> T | None:
        """What was added under exactly this id, once: a second answer to it finds nothing."""
        found = self._waiting.pop(_key(request_id), None)
        return None if found is None else found[1]

    def drain(self) -> list[tuple[RequestId, T]]:
        """Everything that still waits, taken out: the connection is gone."""
        left = list(self._waiting.values())
        self._waiting.clear()
        return left


class ProgressTokens:
    """Progress tokens of the upstream leg and the caller's tokens behind them.

    Two callers may use the same token, and an upstream must not be able to reach a caller that did not ask.
    """

    __slots__ = ("_callers", "_mint")

    def __init__(self) -> None:
        self._mint = IdMint()
        self._callers: dict[int, RequestId] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def mint(self, caller_token: RequestId) -> int:
        """The token to send upstream in its place."""
        token = self._mint.mint()
        self._callers[token] = caller_token
        return token

    def restore(self, token: object) -> RequestId | None:
        """The caller's token with its JSON type; None for any token that is not live, of whatever type."""
        return self._callers.get(token) if type(token) is int else None

    def release(self, token: int | None) -> None:
        """The call has ended: later progress finds nothing. Releasing twice is no error."""
        if token is not None:
            self._callers.pop(token, None)
