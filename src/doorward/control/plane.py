"""What every use case of administration works on."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from doorward.control.key_rules import Configured
from doorward.control.operator_proof import prove
from doorward.control.roles import Operator
from doorward.ports.live import Live
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Store, StoreFacts

FRESH_S: Final = 30.0
"""How old what is known may be: that something was used is no change, and is told to the store as often."""
USED_EVERY_S: Final = 60.0
"""How exact "last used" is of an operator."""


def _no_rest() -> None:
    """Nobody waits."""


@dataclass(slots=True)
class Plane:
    """The store, the ring and the gateway that runs, if one does. Safe to use from several threads."""

    store: Store
    ring: SecretRing
    live: Live
    via: str
    """"api" or "cli": how those who use it come."""
    clock: Callable[[], float] = time.time
    turns: threading.Lock = field(default_factory=threading.Lock)
    """For what looks at several records before it changes one."""
    rest: Callable[[], None] = _no_rest
    """Called between two rows of a long answer, by whoever has to let others go first."""
    _facts: StoreFacts | None = None
    _read_at: float = 0.0
    _used: dict[str, float] = field(default_factory=dict)

    def facts(self) -> StoreFacts:
        """All that the store holds now; read again only when something has changed, or half a minute later.
        Raises GatewayError(STORE_UNAVAILABLE)."""
        known, now = self._facts, self.clock()
        if known is None or self.store.epoch() != known.epoch or now - self._read_at > FRESH_S:
            known = self._facts = self.store.facts()
            self._read_at = now
        return known

    def keys(self) -> Sequence[KeyRecord]:
        """Of `facts`: for lists, which would read them anew for each page."""
        return self.facts().keys

    def configured(self) -> Configured:
        """What keys are made of: agents and servers of the configuration in force. Raises Unavailable,
        GatewayError."""
        agents = {rules.name: rules for rules in self.live.agents()}
        return Configured(agents, tuple(row.name for row in self.live.servers()))

    def operator(self, token: str) -> Operator:
        """Whose token it is. Raises CallerError(CREDENTIAL_*), GatewayError(STORE_UNAVAILABLE)."""
        now = self.clock()
        found = prove(self.facts().operators, self.ring, token, via=self.via, now=now)
        if now - self._used.get(found.id, 0.0) >= USED_EVERY_S:
            self._used[found.id] = now
            self.store.touch({found.id: now})
        return found
