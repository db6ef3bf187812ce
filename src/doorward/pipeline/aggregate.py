"""What comes back through the aggregate endpoint: URIs as that endpoint shows them.

Before anything inspects a reply, so that what is inspected, recorded and sent is one and the same. In two
steps, because nearly no reply needs the second one, and a coroutine costs more than the look at a reply.
"""

import msgspec

from doorward.model.call import Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.pipeline.shares import Shares
from doorward.wire import relocate
from doorward.wire.errors import WireError


class Aggregate:
    """One per configuration."""

    def __init__(self) -> None:
        self._shares = Shares()

    @staticmethod
    def concerns(permit: Permit, reply: Reply) -> bool:
        """Whether `reply` has to be `exposed`: a server's, with a place in it where a URI may be."""
        if not permit.target.server:
            return False  # ours, and told in the caller's words
        if reply.error is not None:
            return reply.error.data is not None
        return reply.result is not None and relocate.may_hold(permit.call.method, reply.result)

    async def exposed(self, permit: Permit, reply: Reply) -> Reply:
        """One that this `concerns`, with its URIs renamed. Raises UpstreamError(UPSTREAM_PROTOCOL_ERROR)."""
        server, error, result = permit.target.server, reply.error, reply.result
        if error is not None:
            data = relocate.error_data(server, error.data)
            return msgspec.structs.replace(reply, error=msgspec.structs.replace(error, data=data))
        assert result is not None
        try:
            said = await self._shares.run(relocate.steps(server, permit.call.method, result))
        except WireError as fault:
            text = f"server {server} sent an unusable result: {fault}"
            raise UpstreamError(Reason.UPSTREAM_PROTOCOL_ERROR, server, text) from fault
        return reply if said is result else msgspec.structs.replace(reply, result=said)
