"""One `subscriptions/listen` of ours at a modern server (MCP 2026-07-28, "Subscriptions").

The listen carries what all our callers together want to hear of; who gets what is decided elsewhere.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.conversation import own_params
from doorward.upstream.failure import failure
from doorward.upstream.http import SessionGone
from doorward.upstream.introduction import Introduction
from doorward.upstream.live import Live
from doorward.upstream.relay import Relay

LISTEN: Final = "subscriptions/listen"
ACK_S: Final = 10.0
"""A server that takes a listen acknowledges it first of all."""


class Listens(Protocol):
    """A modern conversation."""

    era: Era
    introduction: Introduction

    async def listen_on(self, live: Live, params: dict[str, Any]) -> None:
        """Returns when the server has ended it. Cancel it to end it. Raises UpstreamError, SessionGone."""
        ...


class Listening:
    """Begin with `begin`; it has ended when `over` is true."""

    def __init__(self, live: Live, wanted: Mapping[str, Any], relay: Relay) -> None:
        self.wanted = wanted
        self.honoured: Mapping[str, Any] = {}
        """What the server has acknowledged of it."""
        self._live = live
        self._live.deadline = math.inf
        self._relay = relay
        self._acknowledged: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self._task is None or self._task.done()

    async def begin(self, conversation: Listens) -> None:
        """Returns when it is acknowledged. Raises UpstreamError; then it is over."""
        loop = asyncio.get_running_loop()
        self._acknowledged = loop.create_future()
        self._relay.listens[self._live.id] = self._heard
        version = conversation.introduction.version
        params = own_params({"notifications": dict(self.wanted)}, conversation.era, version)
        self._task = loop.create_task(self._run(conversation, params))
        try:
            await asyncio.wait(
                {self._acknowledged, self._task}, timeout=ACK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if self._acknowledged.done() and not self._task.done():
                return
            await self.end()
            raise self._why()
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """Closing the stream, or a cancellation on a shared channel, is what ends it at the server."""
        self._relay.listens.pop(self._live.id, None)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def _heard(self, params: Mapping[str, Any]) -> None:
        """The acknowledgement; only the first counts."""
        if self._acknowledged is not None and not self._acknowledged.done():
            honoured = params.get("notifications")
            self.honoured = honoured if isinstance(honoured, dict) else {}
            self._acknowledged.set_result(None)

    async def _run(self, conversation: Listens, params: dict[str, Any]) -> None:
        try:
            await conversation.listen_on(self._live, params)
        finally:
            self._relay.listens.pop(self._live.id, None)

    def _why(self) -> UpstreamError:
        assert self._task is not None
        failed = None if self._task.cancelled() else self._task.exception()
        if isinstance(failed, UpstreamError):
            return failed
        server = self._live.server
        if isinstance(failed, SessionGone):
            return failure(Reason.UPSTREAM_HTTP_ERROR, server, f"answered {LISTEN} with HTTP 404")
        if failed is not None:
            raise failed
        return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"did not acknowledge {LISTEN}")
