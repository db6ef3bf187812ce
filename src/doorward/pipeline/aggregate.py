"""What comes back through the aggregate endpoint: URIs as that endpoint shows them.

Before anything inspects a reply, so that what is inspected, recorded and sent is one and the same.
"""

from collections.abc import Awaitable

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

    async def exposed(self, permit: Permit, sent: Awaitable[Reply]) -> Reply:
        """The reply of a server. Raises what `sent` raises, and UpstreamError(UPSTREAM_PROTOCOL_ERROR)."""
        reply = await sent
        server, method = permit.target.server, permit.call.method
        result, error = reply.result, reply.error
        if error is not None and error.data is not None:
            data = relocate.error_data(server, error.data)
            return msgspec.structs.replace(reply, error=msgspec.structs.replace(error, data=data))
        if result is None or not relocate.may_hold(method, result):
            return reply
        try:
            said = await self._shares.run(relocate.steps(server, method, result))
        except WireError as fault:
            text = f"server {server} sent an unusable result: {fault}"
            raise UpstreamError(Reason.UPSTREAM_PROTOCOL_ERROR, server, text) from fault
        return reply if said is result else msgspec.structs.replace(reply, result=said)
