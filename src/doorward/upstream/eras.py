"""The older era of a server that speaks 2026-07-28: whether it is spoken there too, and who is served in it.

A server that speaks both is spoken to in the newer era, which needs no session. All that a legacy caller
would lose is that its client can be asked in the middle of a call. So a call about which that may happen is
sent in a session of the caller's own, where the server opens one. Whether it does is not to be learnt from
`server/discover`, in which official SDKs name modern revisions only (research brief 2.4): it is tried when
it first makes a difference.
"""

from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Call, Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.http import Refused
from doorward.wire.input_required import METHODS

AGAIN_S: Final = 30.0
"""How long a server is left alone that could not be tried: it was busy, slow or shut."""
_NO: Final = (400, 404, 405)
"""Statuses by which an `initialize` is refused by who does not know it."""


class OneEra(UpstreamError):
    """A server that speaks 2026-07-28 opens no legacy session, or not now; nothing of a call was sent."""


class Older:
    """Of one server."""

    def __init__(
        self,
        declared: Callable[[str], dict[str, Any]],
        clock: Callable[[], float],
        verdict_ttl: Callable[[], float],
    ) -> None:
        """`declared`: what the client of a session can be asked. `verdict_ttl`: how long a no counts."""
        self._declared = declared
        self._clock = clock
        self._verdict_ttl = verdict_ttl
        self._not_before = 0.0

    def key(self, call: Call) -> str | None:
        """Of the legacy conversation that a call should have at a modern server; None for none."""
        session = call.session
        if session is None or call.era is not Era.LEGACY or call.method not in METHODS:
            return None
        if self._clock() < self._not_before or not self._declared(session.id):
            return None
        return session.id

    def refused(self, error: UpstreamError) -> OneEra:
        """The server was tried and did not open a session."""
        known = isinstance(error, Refused) and error.status in _NO
        said_no = known or error.reason is Reason.UPSTREAM_PROTOCOL_ERROR
        self._not_before = self._clock() + (self._verdict_ttl() if said_no else AGAIN_S)
        return OneEra(error.reason, error.server, error.message, data=error.data)
