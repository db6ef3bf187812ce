"""What the connections of one server share: limits, counters, who is connected."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from doorward.edge.exchange import Exchange, FieldBlocks, HeaderFields
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal
from doorward.edge.peers import Networks
from doorward.edge.shares import Shares

Handler = Callable[[Exchange], None]
Screen = Callable[[Exchange], bool]
Reject = Callable[[int, str], tuple[HeaderFields, bytes]]


class Peer(Protocol):
    """A connection, as far as the server is concerned."""

    share: str | None
    """Whose limits it counts against; None for nobody's."""
    deadline: float
    """Seconds of `Hub.clock`; `math.inf` while nothing is owed."""

    @property
    def busy(self) -> bool: ...
    def beat(self, now: float) -> None: ...
    def expire(self) -> None: ...
    def drain(self) -> None: ...
    def abort(self) -> None: ...


class Hub:
    """One per server."""

    __slots__ = (
        "_beat_at", "blocks", "bodies", "clock", "connections", "draining", "empty", "handler", "idle_until",
        "limits", "per_ip", "quiet", "refused", "reject", "replies", "screen", "shut", "trusted",
    )  # fmt: skip

    def __init__(
        self, handler: Handler, limits: HttpLimits, reject: Reject | None, clock: Callable[[], float]
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.reject = reject or describe
        self.clock = clock
        self.idle_until = clock() + limits.idle_timeout
        """The deadline of a connection that becomes idle now, as the last sweep saw it."""
        self.blocks = FieldBlocks()
        self.connections: set[Peer] = set()
        self.per_ip: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.screen: Screen | None = None
        """Asked about a request whose body is not here yet; true when it has taken the exchange to refuse."""
        self.quiet: Handler | None = None
        """Told of an exchange on which nothing was sent for `quiet_timeout`."""
        self.trusted = Networks()
        """Proxies: their connections carry many clients, and are nobody's share until one is named."""
        self.bodies = Shares(
            limits.bodies_bytes, limits.bodies_bytes_per_ip, excess=(Refusal.BODIES, Refusal.BODIES_PER_IP)
        )
        self.replies = Shares(
            limits.replies_bytes,
            limits.replies_bytes_per_ip,
            excess=(Refusal.REPLIES, Refusal.REPLIES_PER_IP),
        )
        self._beat_at = 0.0
        self.draining = False
        """Answers are the last ones on their connections."""
        self.shut = False
        """Idle and new connections end at once."""
        self.empty = asyncio.Event()
        """Set when the last connection is gone; whoever waits for it clears it first."""

    def admit(self, connection: Peer) -> Refusal | None:
        """Count a connection in; the reason when it is one too many."""
        self.connections.add(connection)
        count = self._enter(connection.share)
        if len(self.connections) > self.limits.connections:
            return Refusal.CONNECTIONS
        return Refusal.CONNECTIONS_PER_IP if count > self.limits.connections_per_ip else None

    def forget(self, connection: Peer) -> None:
        """Count a connection out."""
        if connection in self.connections:
            self.connections.discard(connection)
            self._leave(connection.share)
        if not self.connections:
            self.empty.set()

    def reassign(self, connection: Peer, share: str | None) -> Refusal | None:
        """A connection counts for somebody else from now on; the reason when that one has too many."""
        self._leave(connection.share)
        connection.share = share
        return Refusal.CONNECTIONS_PER_IP if self._enter(share) > self.limits.connections_per_ip else None

    def _enter(self, share: str | None) -> int:
        """How many that makes; 0 for nobody's."""
        if share is None:
            return 0
        count = self.per_ip[share] = self.per_ip.get(share, 0) + 1
        return count

    def _leave(self, share: str | None) -> None:
        if share is not None:
            count = self.per_ip.pop(share, 1) - 1
            if count > 0:
                self.per_ip[share] = count

    def count(self, reason: StrEnum) -> None:
        """Count a refusal."""
        self.refused[reason.value] = self.refused.get(reason.value, 0) + 1

    def sweep(self) -> None:
        """Act on every deadline that has passed."""
        now = self.clock()
        self.idle_until = now + self.limits.idle_timeout
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.expire()
        if self.quiet is not None and now >= self._beat_at:
            self._beat_at = now + self.limits.quiet_timeout / 5
            for connection in list(self.connections):
                connection.beat(now)


def describe(status: int, reason: str) -> tuple[HeaderFields, bytes]:
    """The answer to a refused request where the server was given no other form."""
    body = msgspec.json.encode({"error": reason, "message": REFUSALS[Refusal(reason)][1]})
    kind = (b"content-type", b"application/json")
    return ((kind, (b"retry-after", b"1")) if status == 503 else (kind,)), body
