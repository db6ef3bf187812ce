"""One conversation with a server, whatever carries it, and how every conversation begins."""

from collections.abc import Coroutine
from typing import Any, Final, Protocol

from doorward import __version__
from doorward.model.call import Era
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.introduction import Introduction
from doorward.upstream.live import Answer, Live
from doorward.wire import jsonrpc, meta, versions

CLIENT: Final = {"name": "doorward", "version": __version__}
LATEST_MODERN: Final = versions.MODERN_VERSIONS[-1]


class Conversation(Protocol):
    """A legacy session, a stdio process, or the stateless use of a modern server."""

    key: str | None
    """Whose it is: None for discovery and for what all principals share."""
    era: Era
    introduction: Introduction
    busy: int
    """Requests in flight."""
    last_used: float
    log_level: str | None
    """The level that the server was last asked for."""

    @property
    def usable(self) -> bool:
        """False once it has ended; then another one is opened."""
        ...

    def request(
        self, live: Live, params: dict[str, Any], schema: dict[str, Any] | None = None
    ) -> Coroutine[Any, Any, Answer]:
        """Send one request and wait for its answer; cancelling cancels it at the server too.

        `schema` is the called tool's inputSchema: a modern server wants annotated arguments in fields.
        Raises UpstreamError.
        """
        ...

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        """Raises UpstreamError."""
        ...

    async def close(self, within: float) -> None:
        """End it properly if that can be done in time. Never raises."""
        ...


def initialize_params(capabilities: dict[str, Any]) -> dict[str, Any]:
    """`capabilities`: what the client behind the conversation can be asked, and no word of our own."""
    return {"protocolVersion": versions.LATEST_LEGACY, "capabilities": capabilities, "clientInfo": CLIENT}


def own_params(params: dict[str, Any], era: Era, version: str) -> dict[str, Any]:
    """Params of a request of our own, with the envelope of its era."""
    stamped = meta.stamp_meta(
        {}, era=era, version=version, capabilities={}, client=CLIENT, log_level=None, progress_token=None
    )
    return {**params, "_meta": stamped} if stamped else params


def result_of(server: str, method: str, answer: Answer) -> bytes:
    """The raw result. Raises UpstreamError for a request of ours that the server refused."""
    if isinstance(answer, jsonrpc.UpstreamResult):
        return answer.result
    text = f"refused {method}: {answer.message[:200]} ({answer.code})"
    raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
