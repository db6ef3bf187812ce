"""Credential in, principal out, from memory (port: Identity).

The directory never reads the store itself: `replace` hands it what the store holds, `confirm` says that this
is still so. When neither came for `stale_after` seconds, a revocation may have been missed, so everybody is
refused until the store can be read again.

What was found out is kept with the credential it was found out about (a connection presents one again and
again) under a mark, which is replaced whenever anything may have become untrue. So whatever is revoked or
changed, the next look is a whole one, and nothing has to be searched for.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from doorward.identity.expiries import Expiries
from doorward.identity.key_proofs import NEVER, NO_TEAMS, TENANT, KeyProofs
from doorward.identity.proven import Certificates, Proven, Tokens
from doorward.model.call import Credential
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.identity import Revocations
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, OperatorRecord

ANONYMOUS: Final = Principal(TENANT, "anonymous", "anonymous", "none")
KEY_PREFIX: Final = "dw_"
OPERATOR_PREFIX: Final = "dwa_"
_REVOKED: Final = "the caller, or what it calls with, is revoked or blocked"
_keep = msgspec.structs.force_setattr
"""What was found out, with the credential it was found out about: as frozen as it is, that belongs to us."""


class Proof(msgspec.Struct, frozen=True, eq=False, gc=False):
    """That a credential was proven. Kept with the credential, so it ends with the connection."""

    mark: object
    """Of the directory that proved it: it counts while that has this mark."""
    principal: Principal
    expires_at: float
    endpoint: str | None = None
    """Of a token: it was proven for this one only."""


class Mark:
    """Equal to itself only."""

    __slots__ = ()


class NothingRevoked:
    """Before anybody said what is revoked."""

    __slots__ = ()

    def holds(self, principal: Principal) -> Reason | None:
        return None


class KeyDirectory:
    """Knows who is asking by key, by token, or by the certificate of the connection."""

    def __init__(
        self,
        *,
        mode: Literal["keys", "none"],
        ring: SecretRing,
        agents: frozenset[str],
        teams: Mapping[str, str] = NO_TEAMS,
        keys: bool = True,
        tokens: Tokens | None = None,
        certificates: Certificates | None = None,
        stale_after: float = 60.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`mode` "none" knows everybody who is near as ANONYMOUS. `keys`, `tokens` and `certificates`: which
        credentials count. `agents`: the names under `agents:`; a key of any other agent is refused. `teams`:
        of those agents that have one."""
        self._mode = mode
        self._keys = KeyProofs(ring, agents, teams, clock) if keys else None
        self._tokens = tokens
        self._certificates = certificates
        self._stale_after = stale_after
        self._clock = clock
        self._monotonic = monotonic
        self._mark, self._token_mark = Mark(), Mark()
        self._revoked: Revocations = NothingRevoked()
        self._anonymous: Reason | None = None
        self.expiries = Expiries()
        """When somebody who came in has to go: of whoever may have left something open."""
        self._used: dict[str, float] = {}
        self._stale_at = -NEVER

    def replace(self, records: Iterable[KeyRecord], operators: Iterable[OperatorRecord] = ()) -> None:
        """From now on these are all the keys there are, and those who made them; nothing proven before counts
        any more."""
        if self._keys is not None:
            self._keys.replace(records, operators)
        self.doubt()
        self.confirm()

    def confirm(self) -> None:
        """The store was read just now and holds what it held at the last `replace`."""
        self._stale_at = self._monotonic() + self._stale_after

    @property
    def revoked(self) -> Revocations:
        """What is revoked or blocked. Given a new value, everybody is judged by it before the next call; no
        signature is verified and no issuer asked again for that."""
        return self._revoked

    @revoked.setter
    def revoked(self, revocations: Revocations) -> None:
        self._revoked = revocations
        if self._mode == "none":
            self._anonymous = revocations.holds(ANONYMOUS)
        self.doubt()

    @property
    def stale(self) -> bool:
        """Whether what the store said is too old to trust, so that nobody with a credential is let in."""
        return self._mode != "none" and self._monotonic() > self._stale_at

    def doubt(self) -> None:
        """Take a whole look at every credential when it is next presented."""
        self._mark, self._token_mark = Mark(), Mark()

    def doubt_keys(self) -> None:
        """Something that keys are proven with may have ended: prove each again when it is next presented."""
        if self._keys is not None:
            self._keys.forget()
        self.doubt()

    def distrust_tokens(self) -> None:
        """An issuer has withdrawn a key: verify every token again when it is next presented."""
        if self._tokens is not None:
            self._tokens.forget()
        self.doubt()

    def take_used(self) -> Mapping[str, float]:
        """Ids of the keys that were used since the last time that this was asked, and when (seconds since
        1970): to within that time, because a connection that goes on is noticed once in it."""
        used, self._used = self._used, {}
        self._mark = Mark()
        return used

    def identify(self, credential: Credential, endpoint: str | None = None) -> Principal | None:
        """See ports/identity.py."""
        proof = credential.proof
        if (
            proof is not None
            and proof.mark is self._mark
            and self._monotonic() <= self._stale_at
            and (proof.expires_at is NEVER or self._clock() < proof.expires_at)
        ):
            principal: Principal = proof.principal
            return principal
        return self._identify(credential, endpoint)

    async def ask(self, credential: Credential, endpoint: str | None = None) -> Principal:
        """See ports/identity.py."""
        found = self._identify(credential, endpoint)
        if found is not None:
            return found
        assert self._tokens is not None  # nothing else says None
        proven = await self._tokens.ask(credential, endpoint)
        self._check_age()
        return self._admit_token(credential, proven, endpoint)

    def _identify(self, credential: Credential, endpoint: str | None) -> Principal | None:
        secret = credential.secret
        if self._mode == "none":
            if self._anonymous is not None:
                raise CallerError(self._anonymous, _REVOKED)
            return _anonymous(credential)
        if secret is None:
            return self._without_secret(credential)
        self._check_age()
        if self._tokens is None or secret.startswith((KEY_PREFIX, OPERATOR_PREFIX)):
            return self._by_key(credential, secret)
        proof = credential.proof
        if (
            proof is not None
            and proof.mark is self._token_mark
            and proof.endpoint == endpoint
            and self._clock() < proof.expires_at
        ):
            principal: Principal = proof.principal
            return principal
        proven = self._tokens.identify(credential, endpoint)
        return None if proven is None else self._admit_token(credential, proven, endpoint)

    def _by_key(self, credential: Credential, secret: str) -> Principal:
        if secret.startswith(OPERATOR_PREFIX):
            message = "an operator's token was presented where agents call"
            raise CallerError(Reason.CREDENTIAL_INVALID, message)
        if self._keys is None:
            raise CallerError(Reason.CREDENTIAL_INVALID, "this gateway does not accept keys (auth.keys)")
        proven = self._keys.identify(secret)
        now = self._clock()
        if now >= proven.until:
            raise CallerError(Reason.CREDENTIAL_EXPIRED, "the key has expired")
        if proven.networks is not None and credential.peer not in proven.networks:
            message = f"the key was presented from {credential.peer}, which is in none of its networks"
            raise CallerError(Reason.NETWORK_FORBIDDEN, message)
        if proven.judged is not self._revoked:
            self._judge(proven)
        principal = proven.principal
        if principal.key_id is not None:
            self._used[principal.key_id] = now
        _keep(credential, "proof", Proof(self._mark, principal, proven.until))
        return principal

    def _admit_token(self, credential: Credential, proven: Proven, endpoint: str | None) -> Principal:
        wanted = proven.thumbprint
        if wanted is not None:
            shown = credential.certificate
            if shown is None or shown.thumbprint != wanted:
                message = "the token is bound to a client certificate that this connection did not present"
                raise CallerError(Reason.CREDENTIAL_INVALID, message)
        if proven.judged is not self._revoked:
            self._judge(proven)
        principal = proven.principal
        _keep(credential, "proof", Proof(self._token_mark, principal, proven.until, endpoint))
        return principal

    def _without_secret(self, credential: Credential) -> Principal:
        if self._certificates is None or credential.certificate is None:
            raise CallerError(Reason.CREDENTIAL_MISSING, self._nothing_shown())
        self._check_age()
        proven = self._certificates.identify(credential)
        if self._clock() >= proven.until:
            raise CallerError(Reason.CREDENTIAL_EXPIRED, "the client certificate has expired")
        self._judge(proven)
        _keep(credential, "proof", Proof(self._mark, proven.principal, proven.until))
        return proven.principal

    def _judge(self, proven: Proven) -> None:
        """By what is revoked now; once for each credential and each change of that."""
        reason = self._revoked.holds(proven.principal)
        if reason is not None:
            raise CallerError(reason, _REVOKED)
        proven.judged = self._revoked
        self.expiries.note(proven.principal.expires_at)

    def _check_age(self) -> None:
        if self._monotonic() > self._stale_at:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "the store of keys cannot be read")

    def _nothing_shown(self) -> str:
        kinds = [("key", self._keys), ("token", self._tokens), ("client certificate", self._certificates)]
        wanted = " or a ".join(name for name, accepted in kinds if accepted is not None)
        return f"this gateway needs a {wanted}, and none was presented"


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
