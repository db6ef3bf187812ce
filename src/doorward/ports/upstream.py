"""The way out of the building."""

from typing import Protocol

from doorward.model.call import Reply
from doorward.model.verdict import Permit


class Upstream(Protocol):
    """Sends what policy permitted, at most once."""

    async def send(self, permit: Permit) -> Reply:
        """The server's answer, in the caller's era.

        Cancelling the awaiting task cancels the call upstream. Never sends twice a call that may have run.
        Raises UpstreamError with the server's name.
        """
        ...
