"""Credential in, principal out, from memory (port: Identity).

The directory never reads the store itself: `replace` hands it what the store holds, `confirm` says that this
is still so. When neither came for `stale_after` seconds, a revocation may have been missed, so every key is
refused until the store can be read again.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from doorward.identity import keys
from doorward.model.call import Credential
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord

TENANT: Final = "default"
ANONYMOUS: Final = Principal(TENANT, "anonymous", "anonymous", "none")
_CACHE_LIMIT: Final = 10_000
_NEVER: Final = float("inf")

UNKNOWN: Final = "the key is not known here"
"""One text for an unknown id and for a wrong secret, so that ids cannot be probed."""


class Proof(msgspec.Struct, frozen=True, eq=False, gc=False):
    """That a credential was proven. Kept with the credential, so it ends with the connection."""

    keys: object
    """Those it was proven under: it counts while they are in force."""
    principal: Principal
    expires_at: float


class KeyDirectory:
    """Maps keys to principals whose subject is the key's *name*.

    Sessions and stdio processes are bound to tenant, subject and agent. A key that is rotated keeps its name,
    so its successor finds them again; two keys share them exactly when they share name and agent.
    """

    def __init__(
        self,
        *,
        mode: Literal["keys", "none"],
        ring: SecretRing,
        agents: frozenset[str],
        stale_after: float = 60.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`agents`: the names under `agents:`; a key of any other agent is refused."""
        self._mode = mode
        self._ring = ring
        self._agents = agents
        self._stale_after = stale_after
        self._clock = clock
        self._monotonic = monotonic
        self._records: Mapping[str, KeyRecord] = {}
        self._proven: dict[bytes, tuple[Principal, float]] = {}
        # A dict of presented keys would keep secrets in memory; digests under a passing key are useless.
        self._hasher = hashlib.blake2b(key=os.urandom(32), digest_size=16)
        self._stale_at = -_NEVER

    def replace(self, records: Iterable[KeyRecord]) -> None:
        """From now on these are all the keys there are; nothing proven before counts any more."""
        self._records = {record.id: record for record in records}
        self._proven = {}
        self.confirm()

    def confirm(self) -> None:
        """The store was read just now and holds what it held at the last `replace`."""
        self._stale_at = self._monotonic() + self._stale_after

    def identify(self, credential: Credential) -> Principal:
        """See ports/identity.py."""
        proof = credential.proof
        if (
            proof is not None
            and proof.keys is self._proven
            and self._monotonic() <= self._stale_at
            and (proof.expires_at is _NEVER or self._clock() < proof.expires_at)
        ):
            principal: Principal = proof.principal
            return principal
        return self._identify(credential)

    def _identify(self, credential: Credential) -> Principal:
        secret = credential.secret
        if self._mode == "none":
            return _anonymous(credential)
        if secret is None:
            raise CallerError(Reason.CREDENTIAL_MISSING, "this gateway needs a key, and none was presented")
        if self._monotonic() > self._stale_at:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "the store of keys cannot be read")
        hasher = self._hasher.copy()
        hasher.update(secret.encode("utf-8", "surrogatepass"))
        token = hasher.digest()
        proven = self._proven.get(token)
        if proven is None:
            proven = self._prove(secret)
            self._remember(token, proven)
        principal, expires_at = proven
        if expires_at is not _NEVER and self._clock() >= expires_at:
            raise CallerError(Reason.CREDENTIAL_EXPIRED, "the key has expired")
        msgspec.structs.force_setattr(credential, "proof", Proof(self._proven, principal, expires_at))
        return principal

    def _prove(self, secret: str) -> tuple[Principal, float]:
        """The principal behind a live key and when it expires (seconds since 1970)."""
        try:
            key = keys.parse(secret)
        except ValueError as error:
            raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None
        record = self._records.get(key.id)
        if record is None:
            raise CallerError(Reason.CREDENTIAL_INVALID, UNKNOWN)
        pepper = self._ring.version("pepper", record.pepper_version)
        if not keys.matches(record.digest, pepper, key.secret) or record.environment != key.environment:
            raise CallerError(Reason.CREDENTIAL_INVALID, UNKNOWN)
        # Only whoever holds the whole key learns what became of it.
        if record.revoked_at is not None:
            raise CallerError(Reason.CREDENTIAL_REVOKED, "the key was revoked")
        if record.agent not in self._agents:
            message = f"the key belongs to agent {record.agent!r}, which the configuration does not have"
            raise CallerError(Reason.CREDENTIAL_INVALID, message)
        principal = Principal(TENANT, record.name, record.agent, "key", record.id)
        return principal, _NEVER if record.expires_at is None else record.expires_at

    def _remember(self, token: bytes, proven: tuple[Principal, float]) -> None:
        # Only live keys get here, so the bound is reached by more live keys than that, not by guessing.
        if len(self._proven) >= _CACHE_LIMIT:
            self._proven.clear()
        self._proven[token] = proven


def _anonymous(credential: Credential) -> Principal:
    if credential.secret is not None:
        # Serving it would let a caller believe that its key, and the key's limits, are in force.
        message = (
            "this gateway runs with auth: none and checks no keys: remove the key, or set auth: {keys: true}"
        )
        raise CallerError(Reason.CREDENTIAL_INVALID, message)
    if credential.proxied:
        message = "the request came through a proxy, and this gateway runs with auth: none"
        raise CallerError(Reason.PROXIED_WITHOUT_CREDENTIAL, message)
    if not credential.local:
        raise CallerError(Reason.CREDENTIAL_MISSING, "auth: none serves direct loopback callers only")
    return ANONYMOUS
