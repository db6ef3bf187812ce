"""TLS handshakes in flight: how many, for how long, and how much of the loop they may take.

A handshake costs a hundred times what a call costs, and who asks for one has proven nothing. So all of them
share `BUDGET_S` of each turn of the loop: whoever floods us with handshakes makes handshakes slow, not calls.
"""

import asyncio
from collections import deque
from enum import StrEnum
from typing import Final, Protocol

from doorward.edge.hub import Hub
from doorward.edge.peers import share

BUDGET_S: Final = 0.002
"""Of one turn of the loop; a single step (one signature) may go beyond it, by its own length."""


class TlsRefusal(StrEnum):
    """Why a connection ended within TLS: keys of `H1Server.refused`, beside those of HTTP.

    Nobody can be told in HTTP words; where TLS has an alert for it, the peer gets that.
    """

    PLAIN_HTTP = "tls_plain_http"
    """The first byte is a letter, and of no TLS handshake: plain HTTP, as a rule, and answered as such."""
    HANDSHAKE_FAILED = "tls_handshake_failed"
    """No common version, cipher or group, garbage, or the peer went away."""
    CERTIFICATE_REFUSED = "tls_certificate_refused"
    """The client's certificate does not verify, is missing, has expired or cannot be read."""
    HANDSHAKE_TIMEOUT = "tls_handshake_timeout"
    HANDSHAKES = "tls_handshakes"
    """Too many handshakes at once."""
    HANDSHAKES_PER_IP = "tls_handshakes_per_ip"
    RECORD_REFUSED = "tls_record_refused"
    """After the handshake: a record that does not decrypt, or renegotiation."""
    OVERHEAD = "tls_overhead"
    """Many records without content, such as key updates: they cost us and carry nothing."""
    TRUST_WITHDRAWN = "tls_trust_withdrawn"
    """The client's certificate has expired, or its authority is no longer configured."""


class Handshake(Protocol):
    """A connection whose handshake is not complete."""

    peer: str

    def step(self) -> None:
        """Go on with what has arrived."""

    def give_up(self) -> None:
        """The time is over."""

    def abort(self) -> None:
        """End at once."""


class Handshakes:
    """All handshakes of one server, in the order in which they began."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._begun: dict[Handshake, tuple[float, str | None]] = {}
        """With the time by which each must be over, in ascending order, as the allowance is always the same;
        and whose share it counts against, if anybody's: whom we trust may change before it ends."""
        self._per_ip: dict[str, int] = {}
        self._ready: deque[Handshake] = deque()
        self._turning = False

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, handshake: Handshake) -> TlsRefusal | None:
        """Count one in; the reason, and nothing counted, when it is one too many."""
        limits = self._hub.limits
        if len(self._begun) >= limits.handshakes:
            return TlsRefusal.HANDSHAKES
        whose = None
        if handshake.peer not in self._hub.trusted:  # a proxy's are those of all its clients
            whose = share(handshake.peer)
            if self._per_ip.get(whose, 0) >= limits.handshakes_per_ip:
                return TlsRefusal.HANDSHAKES_PER_IP
            self._per_ip[whose] = self._per_ip.get(whose, 0) + 1
        self._begun[handshake] = (self._hub.clock() + limits.handshake_timeout, whose)
        return None

    def end(self, handshake: Handshake) -> None:
        """Count one out, whatever came of it; safe to call again."""
        _, whose = self._begun.pop(handshake, (0.0, None))
        if whose is None:
            return
        count = self._per_ip.pop(whose, 1) - 1
        if count > 0:
            self._per_ip[whose] = count

    def ready(self, handshake: Handshake) -> None:
        """There is something to go on with: `step` is called when it is its turn."""
        self._ready.append(handshake)
        self._schedule()

    def sweep(self) -> None:
        """Give up what takes too long."""
        now = self._hub.clock()
        late = []
        for handshake, (deadline, _) in self._begun.items():
            if deadline >= now:
                break
            late.append(handshake)
        for handshake in late:
            handshake.give_up()

    def abort(self) -> None:
        """End all of them."""
        for handshake in list(self._begun):
            handshake.abort()

    def _schedule(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        stop = self._hub.clock() + BUDGET_S
        while self._ready:
            handshake = self._ready.popleft()
            if handshake in self._begun:
                handshake.step()
            if self._hub.clock() >= stop:
                break
        if self._ready:
            self._schedule()
