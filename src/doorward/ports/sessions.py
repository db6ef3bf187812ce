"""Legacy clients' sessions with us."""

from typing import Any, Protocol

from doorward.model.call import Session
from doorward.model.principal import Principal


class Sessions(Protocol):
    """Sessions are bound to a principal's `owner`, never to token bytes, and are no authentication factor."""

    def open(
        self,
        principal: Principal,
        endpoint: str | None,
        version: str,
        capabilities: dict[str, Any],
        client: dict[str, Any],
    ) -> Session:
        """A new session with an unguessable id of visible ASCII."""
        ...

    def get(self, session_id: str, principal: Principal, endpoint: str | None) -> Session:
        """Raises CallerError(SESSION_UNKNOWN) for one that is unknown, ended, expired or somebody else's."""
        ...

    def close(self, session_id: str) -> None:
        """Ends it; what hangs on it (streams, upstream sessions) is told."""
        ...
