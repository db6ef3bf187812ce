"""Which server, which tool, which definition."""

from typing import Protocol

from doorward.model.call import Call
from doorward.model.principal import Principal
from doorward.model.target import Target


class Router(Protocol):
    """A lookup, never string splitting."""

    def route(self, call: Call, principal: Principal) -> Target:
        """The target of a call.

        Raises CallerError(TARGET_UNKNOWN) for a name nobody lists, CallerError(INVALID_PARAMS) when the
        params do not say what is meant, UpstreamError for a server that has not said yet what it offers.
        Whether the caller may know it is policy's question, not ours.
        """
        ...
