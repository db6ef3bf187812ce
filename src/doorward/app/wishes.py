"""What whoever listens to us wants to hear of, handed to the servers."""

from collections.abc import Callable, Mapping
from typing import Final

from doorward.ports.watched import Wish
from doorward.upstream.server import Server

GATEWAY: Final = "gateway"
"""Holder of our own wishes: no session and no listen has this name."""

Servers = Mapping[str, Server]


class Wishes:
    """Implements ports.Watched for the servers of the world that is in force."""

    def __init__(self, servers: Callable[[], Servers], heard: Callable[[], frozenset[str | None]]) -> None:
        """`heard`: the endpoints at which somebody listens to changes of lists."""
        self._servers = servers
        self._heard = heard
        self._heard_at: frozenset[str | None] = frozenset()

    def want(self, server: str, holder: str, wish: Wish | None) -> None:
        """See ports.Watched."""
        found = self._servers().get(server)
        if found is not None:
            found.want(holder, wish)

    async def settled(self, server: str, holder: str) -> frozenset[str]:
        """See ports.Watched."""
        found = self._servers().get(server)
        return frozenset() if found is None else await found.settled(holder)

    def listeners_changed(self) -> None:
        """Servers are listened to while somebody listens to us."""
        heard = self._heard()
        if heard != self._heard_at:
            self._heard_at = heard
            for name, server in self._servers().items():
                self._want_lists(name, server)

    def pass_on(self, old: Servers, new: Servers) -> None:
        """To servers that a reload has made anew: those who listened to their forerunners still do."""
        for name, server in new.items():
            before = old.get(name)
            if before is not server:
                for holder, wish in before.wishes.items() if before is not None else ():
                    server.want(holder, wish)
                self._want_lists(name, server)

    def _want_lists(self, name: str, server: Server) -> None:
        wanted = not self._heard_at.isdisjoint({None, name})
        server.want(GATEWAY, Wish(None, "", {}, lists=True) if wanted else None)
