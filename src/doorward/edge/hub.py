"""What the connections of one server share: limits, counters, who is connected."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from doorward.edge.exchange import Exchange, FieldBlocks, HeaderFields
from doorward.edge.limits import REFUSALS, HttpLimits, Refusal

Handler = Callable[[Exchange], None]
Reject = Callable[[int, str], tuple[HeaderFields, bytes]]


class Peer(Protocol):
    """A connection, as far as the server is concerned."""

    peer: str
    deadline: float
    """Seconds of `Hub.clock`; `math.inf` while nothing is owed."""

    @property
    def busy(self) -> bool: ...
    def expire(self) -> None: ...
    def drain(self) -> None: ...
    def abort(self) -> None: ...


class Hub:
    """One per server."""

    __slots__ = (
        "blocks", "bodies", "clock", "connections", "draining", "empty", "handler", "limits", "per_ip",
        "refused", "reject",
    )  # fmt: skip

    def __init__(
        self, handler: Handler, limits: HttpLimits, reject: Reject | None, clock: Callable[[], float]
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.reject = reject or describe
        self.clock = clock
        self.blocks = FieldBlocks()
        self.connections: set[Peer] = set()
        self.per_ip: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.bodies = 0
        """Bytes of bodies that are still arriving."""
        self.draining = False
        self.empty = asyncio.Event()
        """Set when the last connection is gone; whoever waits for it clears it first."""

    def admit(self, connection: Peer) -> Refusal | None:
        """Count a connection in; the reason when it is one too many."""
        count = self.per_ip.get(connection.peer, 0) + 1
        self.per_ip[connection.peer] = count
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            return Refusal.CONNECTIONS
        if count > self.limits.connections_per_ip and connection.peer != "unix":
            return Refusal.CONNECTIONS_PER_IP
        return None

    def forget(self, connection: Peer) -> None:
        """Count a connection out."""
        self.connections.discard(connection)
        count = self.per_ip.pop(connection.peer, 1) - 1
        if count > 0:
            self.per_ip[connection.peer] = count
        if not self.connections:
            self.empty.set()

    def hold(self, more: int) -> Refusal | None:
        """Count bytes of an unfinished body in, or out when `more` is negative; the reason when they are too
        many."""
        self.bodies += more
        return Refusal.BODIES if more > 0 and self.bodies > self.limits.bodies_bytes else None

    def count(self, reason: Refusal) -> None:
        """Count a refusal."""
        self.refused[reason.value] = self.refused.get(reason.value, 0) + 1

    def sweep(self) -> None:
        """Act on every deadline that has passed."""
        now = self.clock()
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.expire()


def describe(status: int, reason: str) -> tuple[HeaderFields, bytes]:
    """The answer to a refused request where the server was given no other form."""
    body = msgspec.json.encode({"error": reason, "message": REFUSALS[Refusal(reason)][1]})
    kind = (b"content-type", b"application/json")
    return ((kind, (b"retry-after", b"1")) if status == 503 else (kind,)), body
