"""Access tokens presented: those that were proven before from memory, the others by signature or issuer.

What is remembered is a digest of token and endpoint under passing bytes, so memory holds no token, and no
token counts at another endpoint than the one that it was proven for.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from doorward.identity import preparse, verify
from doorward.identity.claims import Expired
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.principals import Principals
from doorward.identity.proven import Proven
from doorward.identity.questions import Questions
from doorward.identity.remembered import Remembered
from doorward.identity.verify import UnknownKey
from doorward.model.call import Credential
from doorward.model.errors import CallerError, GatewayError
from doorward.model.reasons import Reason
from doorward.ports.fetch import Fetch

CACHE_LIMIT: Final = 10_000
VERIFIED_S: Final = 300.0
"""How long a verified signature is not looked at again."""


class Tokens:
    """Under one configuration (identity.proven.Tokens)."""

    def __init__(
        self,
        issuers: Sequence[IssuerKeys],
        fetch: Fetch,
        principals: Principals,
        resource: Callable[[str | None], str],
        *,
        stale_after: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`resource`: the identifier of an endpoint (RFC 8707). `clock`: seconds since 1970."""
        self._by_name: dict[str, tuple[IssuerKeys, str | None]] = {}
        for issuer in issuers:
            names = issuer.settings.names
            self._by_name |= {name: (issuer, tenant) for name, tenant in names.items()}
        self._principals = principals
        self._resource = resource
        self._clock = clock
        self._proven: Remembered[Proven] = Remembered(CACHE_LIMIT)
        self._questions = Questions(
            issuers, fetch, principals, resource, stale_after=stale_after, clock=clock
        )
        # One block of chance, hashed before everything else. What comes of it is never shown, so nobody can
        # extend it; for the length of a token it takes two thirds of the time of a keyed BLAKE2b.
        self._hasher = hashlib.sha256(os.urandom(64))
        self._aggregate = self._hasher.copy()
        self._aggregate.update(b"\0")

    def forget(self) -> None:
        """Verify and ask again about every token that is presented from now on."""
        self._proven.clear()

    def identify(self, credential: Credential, endpoint: str | None) -> Proven | None:
        """See proven.Tokens."""
        token = credential.secret or ""
        key = self._digest(token, endpoint)
        found = self._proven.get(key)
        if found is not None and self._clock() < found.until:
            return found
        if preparse.is_opaque(token):
            self._questions.check(token, key)
            return None
        proven = self._verify(token, endpoint, last=False)
        if proven is not None:
            self._proven.put(key, proven)
        return proven

    async def ask(self, credential: Credential, endpoint: str | None) -> Proven:
        """See proven.Tokens."""
        token = credential.secret or ""
        key = self._digest(token, endpoint)
        if preparse.is_opaque(token):
            proven = await self._ask(token, endpoint, key, credential.peer)
        else:
            await self._issuer_of(preparse.read(token))[0].refresh()
            verified = self._verify(token, endpoint, last=True)
            assert verified is not None  # `last`
            proven = verified
        self._proven.put(key, proven)
        return proven

    async def close(self) -> None:
        """Ask no more; who waits is refused."""
        await self._questions.close()

    async def _ask(self, token: str, endpoint: str | None, key: bytes, peer: str) -> Proven:
        known = self._proven.get(key)
        try:
            return await self._questions.ask(token, endpoint, key, peer=peer, known=known)
        except CallerError:
            self._proven.drop(key)
            raise

    def _digest(self, token: str, endpoint: str | None) -> bytes:
        """The endpoint first: a token may hold anything, so nothing behind it could be told from it."""
        if endpoint is None:
            hasher = self._aggregate.copy()
        else:
            hasher = self._hasher.copy()
            hasher.update(f"{endpoint}\0".encode("utf-8", "surrogatepass"))
        hasher.update(token.encode("utf-8", "surrogatepass"))
        return hasher.digest()

    def _verify(self, token: str, endpoint: str | None, *, last: bool) -> Proven | None:
        """None when asking the issuer for its keys may help, unless that was the `last` chance."""
        now = self._clock()
        try:
            said = preparse.read(token)
            issuer, tenant = self._issuer_of(said)
            settings, name = issuer.settings, said.claims["iss"]
            verify.check_header(said, settings)
            keys = issuer.usable()
            if keys is None:
                if not last and issuer.may_ask():
                    return None
                raise _no_keys(issuer)
            try:
                verify.check_signature(said, settings, keys, name)
            except UnknownKey:
                if not last and issuer.may_ask():
                    return None
                raise
            verified = verify.check_claims(
                said.claims, settings, name, tenant, resource=self._resource(endpoint), now=now
            )
            principal = self._principals.make(verified, "jwt")
        except Expired as error:
            raise CallerError(Reason.CREDENTIAL_EXPIRED, str(error)) from None
        except ValueError as error:
            raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None
        return Proven(principal, min(verified.until, now + VERIFIED_S), verified.thumbprint)

    def _issuer_of(self, said: preparse.Unverified) -> tuple[IssuerKeys, str | None]:
        """By the exact text, before any key is looked at (RFC 8725 section 3.8). Raises ValueError."""
        name = said.claims.get("iss")
        found = self._by_name.get(name) if type(name) is str else None
        if found is None:
            raise ValueError("the token's issuer is not configured (iss)")
        return found


def _no_keys(issuer: IssuerKeys) -> GatewayError:
    why = issuer.failure or "nobody has asked yet"
    return GatewayError(Reason.IDENTITY_UNAVAILABLE, f"no keys of {issuer.settings.issuer}: {why}")
