"""What callers want to hear of without asking: said to the servers, who keep conversations open for it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Wish(msgspec.Struct, frozen=True):
    """Of one listener, towards one server."""

    session: str | None
    """The legacy session that listens; None for a modern `subscriptions/listen`, and for ourselves."""
    owner: str
    """`Principal.owner` of who listens."""
    uris: Mapping[str, str]
    """Resources: the server's own URI, and how the listener calls it."""
    lists: bool = False
    """Whether changes of what the server lists matter."""


class Watched(Protocol):
    """The servers in force."""

    def want(self, server: str, holder: str, wish: Wish | None) -> None:
        """From now on `holder` wants exactly this; None takes everything back. Never waits, never raises."""
        ...

    async def settled(self, server: str, holder: str) -> frozenset[str]:
        """Returns when the server has taken or refused what `holder` wants, or a bounded wait is over.

        Which of its own URIs it has not refused."""
        ...
