"""What a server asks of a legacy client: carried to whoever it concerns, decided and recorded on the way."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from doorward.model.call import Call, RpcError, Session


class Inquiry(msgspec.Struct, frozen=True):
    """One request of a server."""

    server: str
    may_ask: tuple[str, ...]
    key: str
    """Of the conversation that it came on: a session's id."""
    call: Call | None
    """What it was asked about; None for what belongs to no call."""
    method: str
    params: dict[str, Any]
    within: float
    """Seconds that the client may take to answer."""
    progress: Callable[[dict[str, Any]], None]
    """Told what the client says of its progress, under the server's own token."""


class Asks(Protocol):
    """Belongs to one event loop."""

    def client(self, key: str) -> Session | None:
        """Whose conversation that is; None for one that belongs to no session."""
        ...

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        """The client's raw result, or the error that the server gets instead. Never waits longer than it may.

        Cancelling withdraws the question, and the client is told.
        """
        ...

    def elicited(self, key: str, server: str, elicitation: str) -> None:
        """A client is told, by an error, of a URL to visit; the server may say that it was (2025-11-25)."""
        ...
