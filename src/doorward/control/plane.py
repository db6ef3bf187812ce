"""What every use case of administration works on."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from doorward.control.key_rules import Configured
from doorward.control.operator_proof import prove
from doorward.control.roles import Operator
from doorward.ports.live import Live
from doorward.ports.secrets import SecretRing
from doorward.ports.store import Store, StoreFacts

USED_EVERY_S: Final = 60.0
"""How exact "last used" is of an operator."""


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
    _facts: StoreFacts | None = None
    _used: dict[str, float] = field(default_factory=dict)

    def facts(self) -> StoreFacts:
        """All that the store holds now; read again only when something has changed. Raises
        GatewayError(STORE_UNAVAILABLE)."""
        known = self._facts
        if known is None or self.store.epoch() != known.epoch:
            known = self._facts = self.store.facts()
        return known

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
