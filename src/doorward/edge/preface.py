"""A connection from a configured proxy, until its PROXY header has said who is behind it."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from doorward.edge import proxy_v2
from doorward.edge.hub import Hub
from doorward.edge.limits import Refusal
from doorward.edge.peers import UNIX, Networks, canonical
from doorward.edge.proxy_v2 import FIXED, ProxyFault


class Proxied(Protocol):
    """A connection that may be told whom it is for, before it is made."""

    proxied_for: str | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...


class Preface(asyncio.Protocol):
    """Takes every connection of a listener. From a peer in `networks` the header is required and read here,
    before TLS; from anybody else it would be taken for a request, and refused. Then the real protocol takes
    over."""

    __slots__ = ("_hub", "_make", "_networks", "_peer", "_seen", "_transport", "deadline", "share")

    def __init__(self, hub: Hub, networks: Networks, make: Callable[[], Proxied]) -> None:
        self._hub = hub
        self._networks = networks
        self._make = make
        self._seen = b""
        self._peer = UNIX
        self.deadline = 0.0
        self.share: str | None = None
        """A proxy carries many clients."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self._peer = canonical(peername[0]) or peername[0]
        if self._peer not in self._networks:
            self._hand_over(None, b"")
            return
        self.deadline = self._hub.clock() + self._hub.limits.header_timeout
        excess = self._hub.admit(self)
        if excess is not None:
            self._refuse(excess)

    def data_received(self, data: bytes) -> None:
        seen = self._seen = self._seen + data
        try:
            proxy_v2.check(seen)
            if len(seen) < FIXED:
                return
            end = FIXED + proxy_v2.following(seen[:FIXED])
            if len(seen) < end:
                return
            source = proxy_v2.source(seen[:FIXED], seen[FIXED:end])
        except ProxyFault:
            self._refuse(Refusal.PROXY_MALFORMED)
            return
        self._hub.forget(self)
        self._hand_over(source or self._peer, seen[end:])

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.forget(self)

    # what the hub asks

    @property
    def busy(self) -> bool:
        return False

    def beat(self, now: float) -> None:
        """There is no request that could run in silence."""

    def expire(self) -> None:
        self._refuse(Refusal.PROXY_TIMEOUT)

    def drain(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._transport.abort()

    def _refuse(self, reason: Refusal) -> None:
        """Without a word: nobody knows yet what is spoken here."""
        self._hub.count(reason)
        self.abort()

    def _hand_over(self, source: str | None, rest: bytes) -> None:
        inner = self._make()
        inner.proxied_for = source
        self._transport.set_protocol(cast("asyncio.Protocol", inner))
        inner.connection_made(self._transport)
        if rest:
            inner.data_received(rest)
