"""Access tokens presented: those that were proven before from memory, the others by signature or issuer.

What is remembered is a digest of token and endpoint under a passing key, so memory holds no token and no
token counts at another endpoint than the one that it was proven for. Who is refused leaves nothing behind
but, where an issuer was asked, that it was.
"""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from doorward.identity import introspection, preparse, verify
from doorward.identity.claims import Expired
from doorward.identity.introspection import INACTIVE_S, Inactive
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import IssuerSettings
from doorward.identity.principals import Principals
from doorward.identity.proven import Proven
from doorward.identity.remembered import Remembered
from doorward.identity.verify import UnknownKey, Verified
from doorward.model.call import Credential
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.reasons import Reason
from doorward.ports.fetch import Fetch, FetchFailed

CACHE_LIMIT: Final = 10_000
VERIFIED_S: Final = 300.0
"""How long a verified signature is not looked at again."""
AGAIN_S: Final = 10.0
"""How long a token that could not be asked about is not asked about again."""
MOST_QUESTIONS, MOST_OF_ONE = 64, 8
"""Tokens that are being asked about at once: of everybody, and of one peer."""


class Asked(Proven):
    """By an issuer's answer."""

    keep_until: float = 0.0
    """Until when it counts while the issuer cannot be asked again."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a token is refused, to be raised as often as it is presented."""

    reason: Reason
    message: str
    until: float = 0.0
    ours: bool = False
    """Whether it is not the caller who has to change something."""

    def error(self) -> DoorwardError:
        kind = GatewayError if self.ours else CallerError
        return kind(self.reason, self.message)


class Tokens:
    """Under one configuration (identity.proven.Tokens)."""

    def __init__(
        self,
        issuers: Iterable[IssuerKeys],
        fetch: Fetch,
        principals: Principals,
        resource: Callable[[str | None], str],
        *,
        stale_after: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`resource`: the identifier of an endpoint (RFC 8707). `clock`: seconds since 1970."""
        self._by_name: dict[str, tuple[IssuerKeys, str | None]] = {}
        self._asked: list[tuple[IssuerKeys, IssuerSettings]] = []
        for issuer in issuers:
            names = issuer.settings.names
            self._by_name |= {name: (issuer, tenant) for name, tenant in names.items()}
            if issuer.settings.introspection is not None:
                self._asked.append((issuer, introspection.adapted(issuer.settings)))
        self._fetch = fetch
        self._principals = principals
        self._resource = resource
        self._stale_after = stale_after
        self._clock = clock
        self._proven: Remembered[Proven] = Remembered(CACHE_LIMIT)
        self._refused: Remembered[Refusal] = Remembered(CACHE_LIMIT)
        self._questions: dict[bytes, asyncio.Task[Proven | Refusal]] = {}
        self._askers: Counter[str] = Counter()
        # One block of chance, hashed before everything else. What comes of it is never shown, so nobody can
        # extend it; for the length of a token it takes two thirds of the time of a keyed BLAKE2b.
        self._hasher = hashlib.sha256(os.urandom(64))

    def forget(self) -> None:
        """Verify and ask again about every token that is presented from now on."""
        self._proven.clear()

    def identify(self, credential: Credential, endpoint: str | None) -> Proven | None:
        """See proven.Tokens."""
        token = credential.secret or ""
        key = self._digest(token, endpoint)
        found = self._proven.get(key)
        now = self._clock()
        if found is not None and now < found.until:
            return found
        if not preparse.is_opaque(token):
            proven = self._verify(token, endpoint, last=False)
            if proven is not None:
                self._proven.put(key, proven)
            return proven
        refused = self._refused.get(key)
        if refused is not None and now < refused.until:
            raise refused.error()
        self._check_opaque(token)
        return None

    async def ask(self, credential: Credential, endpoint: str | None) -> Proven:
        """See proven.Tokens."""
        token = credential.secret or ""
        if preparse.is_opaque(token):
            answer = await self._question(token, endpoint, credential.peer)
            if isinstance(answer, Refusal):
                raise answer.error()
            return answer
        await self._issuer_of(preparse.read(token))[0].refresh()
        proven = self._verify(token, endpoint, last=True)
        assert proven is not None  # `last`
        self._proven.put(self._digest(token, endpoint), proven)
        return proven

    def _digest(self, token: str, endpoint: str | None) -> bytes:
        hasher = self._hasher.copy()
        where = "" if endpoint is None else endpoint
        hasher.update(f"{where}\0{token}".encode("utf-8", "surrogatepass"))
        return hasher.digest()

    async def close(self) -> None:
        """Ask no more; who waits is refused."""
        asking = tuple(self._questions.values())
        for question in asking:
            question.cancel()
        if asking:
            await asyncio.wait(asking)

    # signed

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

    # opaque

    def _check_opaque(self, token: str) -> None:
        if not self._asked:
            message = "the token is neither a key nor a JWT, and no issuer is configured to be asked about it"
            raise CallerError(Reason.CREDENTIAL_INVALID, message)
        try:
            preparse.opaque(token)
        except ValueError as error:
            raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None

    async def _question(self, token: str, endpoint: str | None, peer: str) -> Proven | Refusal:
        key = self._digest(token, endpoint)
        asking = self._questions.get(key)
        if asking is None:
            if len(self._questions) >= MOST_QUESTIONS or self._askers[peer] >= MOST_OF_ONE:
                return _unavailable("too many tokens are being asked about")
            self._askers[peer] += 1
            asking = asyncio.get_running_loop().create_task(self._introspect(token, endpoint, key))
            self._questions[key] = asking
            asking.add_done_callback(lambda _: self._answered(key, peer))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if asking.cancelled():  # not who waits, but what it waits for
                return _unavailable("the gateway is stopping")
            raise

    def _answered(self, key: bytes, peer: str) -> None:
        del self._questions[key]
        self._askers[peer] -= 1
        if not self._askers[peer]:
            del self._askers[peer]

    async def _introspect(self, token: str, endpoint: str | None, key: bytes) -> Proven | Refusal:
        """Ask each issuer that can be asked, until one of them stands for the token: what that one says
        counts, and no other one gets to see it."""
        inactive = failure = None
        for issuer, settings in self._asked:
            try:
                verified = await self._answer(token, endpoint, issuer, settings)
                return self._remember(verified, key)
            except (FetchFailed, TimeoutError) as error:
                failure = str(error) or "introspection did not answer in time"
            except Inactive as error:
                inactive = str(error)
            except Expired as error:
                return self._refuse(key, Reason.CREDENTIAL_EXPIRED, str(error))
            except ValueError as error:
                return self._refuse(key, Reason.CREDENTIAL_INVALID, str(error))
            except CallerError as error:
                return self._refuse(key, error.reason, error.message)
        if failure is not None:
            return self._unasked(key, failure)
        return self._refuse(key, Reason.CREDENTIAL_INVALID, inactive or "no issuer stands for the token")

    def _refuse(self, key: bytes, reason: Reason, message: str) -> Refusal:
        refusal = Refusal(reason, message, self._clock() + INACTIVE_S)
        self._proven.drop(key)
        self._refused.put(key, refusal)
        return refusal

    async def _answer(
        self, token: str, endpoint: str | None, issuer: IssuerKeys, settings: IssuerSettings
    ) -> Verified:
        wanted = settings.introspection
        assert wanted is not None
        url = await issuer.introspection_endpoint()
        form, basic = introspection.question(token, wanted)
        answer = await self._fetch.post(url, form, most=introspection.MAX_BYTES, ca=settings.ca, basic=basic)
        resource = self._resource(endpoint)
        return introspection.judge(answer, settings, settings.names, resource, self._clock())

    def _remember(self, verified: Verified, key: bytes) -> Asked:
        """Raises ValueError, CallerError."""
        now, asked = self._clock(), verified.settings.introspection
        assert asked is not None  # or nobody would have answered
        principal = self._principals.make(verified, "introspection")
        until = min(verified.until, now + asked.cache)
        keep_until = min(verified.until, until + self._stale_after)
        found = Asked(principal, until, verified.thumbprint, keep_until=keep_until)
        self._proven.put(key, found)
        return found

    def _unasked(self, key: bytes, why: str) -> Proven | Refusal:
        """Who was known goes on being known for a while; nobody else comes in."""
        known, now = self._proven.get(key), self._clock()
        if isinstance(known, Asked) and now < known.keep_until:
            known.until = min(known.keep_until, now + AGAIN_S)
            return known
        return _unavailable(why)


def _unavailable(why: str) -> Refusal:
    return Refusal(Reason.IDENTITY_UNAVAILABLE, f"the issuer cannot be asked: {why}", ours=True)


def _no_keys(issuer: IssuerKeys) -> GatewayError:
    why = issuer.failure or "nobody has asked yet"
    return GatewayError(Reason.IDENTITY_UNAVAILABLE, f"no keys of {issuer.settings.issuer}: {why}")
