"""Virtual keys presented, and what becomes of them: from what the store holds, in memory."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from doorward.identity import keys
from doorward.identity.narrow import narrow, proves
from doorward.identity.proven import Proven
from doorward.identity.remembered import Remembered
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, OperatorRecord

TENANT: Final = "default"
NEVER: Final = math.inf
STRENGTH: Final = "key"
NO_TEAMS: Final[Mapping[str, str]] = MappingProxyType({})
_CACHE_LIMIT: Final = 10_000

UNKNOWN: Final = "the key is not known here"
"""One text for an unknown id and for a wrong secret, so that ids cannot be probed."""


class KeyProofs:
    """Maps keys to principals whose subject is the key's *name*.

    Sessions and stdio processes are bound to tenant, subject and agent. A key that is rotated keeps its name,
    so its successor finds them again; two keys share them exactly when they share name and agent.
    """

    def __init__(
        self,
        ring: SecretRing,
        agents: frozenset[str],
        teams: Mapping[str, str] = NO_TEAMS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`agents`: the names under `agents:`; a key of any other agent is refused. `teams`: of those agents
        that have one."""
        self._ring = ring
        self._agents = agents
        self._teams = teams
        self._clock = clock
        self._records: Mapping[str, KeyRecord] = {}
        self._operators: Mapping[str, OperatorRecord] = {}
        self._proven: Remembered[Proven] = Remembered(_CACHE_LIMIT)
        # A dict of presented keys would keep secrets in memory; digests under a passing key are useless.
        self._hasher = hashlib.blake2b(key=os.urandom(32), digest_size=16)

    def replace(self, records: Iterable[KeyRecord], operators: Iterable[OperatorRecord] = ()) -> None:
        """From now on these are all the keys there are, and those who made them; nothing proven before counts
        any more."""
        self._records = {record.id: record for record in records}
        self._operators = {operator.id: operator for operator in operators}
        self._proven.clear()

    def forget(self) -> None:
        """Prove every key again that is presented from now on."""
        self._proven.clear()

    def identify(self, secret: str) -> Proven:
        """Raises CallerError(CREDENTIAL_INVALID | CREDENTIAL_REVOKED | KEY_SUSPENDED). Whether it has
        expired, and whether it may come from where it comes from, is for whoever asks."""
        hasher = self._hasher.copy()
        hasher.update(secret.encode("utf-8", "surrogatepass"))
        token = hasher.digest()
        proven = self._proven.get(token)
        if proven is None:
            proven = self._prove(secret)
            # Only live keys get here, so the bound is reached by more live keys than that, not by guessing.
            self._proven.put(token, proven)
        return proven

    def _prove(self, secret: str) -> Proven:
        try:
            key = keys.parse(secret)
        except ValueError as error:
            raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None
        record = self._records.get(key.id)
        if record is None:
            raise CallerError(Reason.CREDENTIAL_INVALID, UNKNOWN)
        now = self._clock()
        until = proves(record, key.secret, self._ring, now)
        if until is None or record.environment != key.environment:
            raise CallerError(Reason.CREDENTIAL_INVALID, UNKNOWN)
        # Only whoever holds the whole key learns what became of it.
        if record.revoked_at is not None:
            raise CallerError(Reason.CREDENTIAL_REVOKED, "the key was revoked")
        if record.agent not in self._agents:
            message = f"the key belongs to agent {record.agent!r}, which the configuration does not have"
            raise CallerError(Reason.CREDENTIAL_INVALID, message)
        held = narrow(record, self._operators, now)
        until = min(until, held.until)
        principal = Principal(
            TENANT,
            record.name,
            record.agent,
            "key",
            record.id,
            team=self._teams.get(record.agent),
            strength=STRENGTH,
            bounds=held.bounds,
            rate=held.rate,
            expires_at=until,
        )
        return Proven(principal, until, networks=held.networks)
