"""Open streams from us to legacy clients, which carry what belongs to no call."""

from collections.abc import Iterable
from typing import Protocol

from doorward.model.call import Session
from doorward.model.principal import Principal


class Streams(Protocol):
    """One message goes to exactly one stream of a session (MCP 2025-11-25, transports)."""

    def listening(self) -> Iterable[tuple[Session, Principal]]:
        """Sessions that have a stream open now, with the principal that opened it."""
        ...

    def of(self, key: str) -> Iterable[tuple[Session, Principal]]:
        """The same of one session, or of all sessions of one owner: `key` is the id of either."""
        ...

    def listener(self, session_id: str) -> Principal | None:
        """Who has the stream of this session open now."""
        ...

    def push(self, session_id: str, message: bytes) -> bool:
        """Hand one encoded notification to the session's stream; False when none takes it now."""
        ...
