"""Opaque tokens: their issuers are asked, once for everybody who presents one, and not for ever.

A question is a task of its own: who waits for it may be cancelled, and the others still get the answer.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from doorward.identity import introspection, preparse
from doorward.identity.claims import Expired
from doorward.identity.introspection import INACTIVE_S, Inactive
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import IssuerSettings
from doorward.identity.principals import Principals
from doorward.identity.proven import Proven
from doorward.identity.remembered import Remembered
from doorward.identity.verify import Verified
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.reasons import Reason
from doorward.ports.fetch import Fetch, FetchFailed

MOST, MOST_OF_ONE = 64, 8
"""Tokens that are being asked about at once: of everybody, and of one peer."""
REFUSED_LIMIT: Final = 10_000
AGAIN_S: Final = 10.0
"""How long a token that could not be asked about is not asked about again."""


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


class Questions:
    """Under one configuration. Tokens are known by the keys that whoever asks remembers them by."""

    def __init__(
        self,
        issuers: Iterable[IssuerKeys],
        fetch: Fetch,
        principals: Principals,
        resource: Callable[[str | None], str],
        *,
        stale_after: float,
        clock: Callable[[], float],
    ) -> None:
        """As `Tokens` takes them; only issuers with introspection are asked."""
        self._issuers = [
            (issuer, introspection.adapted(issuer.settings))
            for issuer in issuers
            if issuer.settings.introspection is not None
        ]
        self._fetch = fetch
        self._principals = principals
        self._resource = resource
        self._stale_after = stale_after
        self._clock = clock
        self._refused: Remembered[Refusal] = Remembered(REFUSED_LIMIT)
        self._asking: dict[bytes, asyncio.Task[Proven | Refusal]] = {}
        self._askers: Counter[str] = Counter()

    def check(self, token: str, key: bytes) -> None:
        """Whether to ask about it. Raises CallerError for what cannot be, or was refused just now."""
        refused = self._refused.get(key)
        if refused is not None and self._clock() < refused.until:
            raise refused.error()
        if not self._issuers:
            message = "the token is neither a key nor a JWT, and no issuer is configured to be asked about it"
            raise CallerError(Reason.CREDENTIAL_INVALID, message)
        try:
            preparse.opaque(token)
        except ValueError as error:
            raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None

    async def ask(
        self, token: str, endpoint: str | None, key: bytes, *, peer: str, known: Proven | None
    ) -> Proven:
        """`peer` presented it; `known` is what was found out about it before.

        Raises CallerError, and GatewayError(IDENTITY_UNAVAILABLE).
        """
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= MOST or self._askers[peer] >= MOST_OF_ONE:
                raise _unavailable("too many tokens are being asked about").error()
            self._askers[peer] += 1
            question = self._introspect(token, endpoint, key, known)
            asking = self._asking[key] = asyncio.get_running_loop().create_task(question)
            asking.add_done_callback(lambda _: self._answered(key, peer))
        try:
            answer = await asyncio.shield(asking)
        except asyncio.CancelledError:
            if asking.cancelled():  # not who waits, but what it waits for
                raise _unavailable("the gateway is stopping").error() from None
            raise
        if isinstance(answer, Refusal):
            raise answer.error()
        return answer

    async def close(self) -> None:
        """Ask no more; who waits is refused."""
        asking = tuple(self._asking.values())
        for question in asking:
            question.cancel()
        if asking:
            await asyncio.wait(asking)

    def _answered(self, key: bytes, peer: str) -> None:
        del self._asking[key]
        self._askers[peer] -= 1
        if not self._askers[peer]:
            del self._askers[peer]

    async def _introspect(
        self, token: str, endpoint: str | None, key: bytes, known: Proven | None
    ) -> Proven | Refusal:
        """Ask each issuer that can be asked, until one of them stands for the token: what that one says
        counts, and no other one gets to see it."""
        inactive = failure = None
        for issuer, settings in self._issuers:
            try:
                return self._found(await self._answer(token, endpoint, issuer, settings))
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
            return self._unasked(known, failure)
        return self._refuse(key, Reason.CREDENTIAL_INVALID, inactive or "no issuer stands for the token")

    async def _answer(
        self, token: str, endpoint: str | None, issuer: IssuerKeys, settings: IssuerSettings
    ) -> Verified:
        wanted = settings.introspection
        assert wanted is not None  # or it would not be among those that are asked
        url = await issuer.introspection_endpoint()
        form, basic = introspection.question(token, wanted)
        answer = await self._fetch.post(url, form, most=introspection.MAX_BYTES, ca=settings.ca, basic=basic)
        resource = self._resource(endpoint)
        return introspection.judge(answer, settings, settings.names, resource, self._clock())

    def _found(self, verified: Verified) -> Asked:
        """Raises ValueError, CallerError."""
        now, asked = self._clock(), verified.settings.introspection
        assert asked is not None  # or nobody would have answered
        principal = self._principals.make(verified, "introspection")
        until = min(verified.until, now + asked.cache)
        keep_until = min(verified.until, until + self._stale_after)
        return Asked(principal, until, verified.thumbprint, keep_until=keep_until)

    def _refuse(self, key: bytes, reason: Reason, message: str) -> Refusal:
        refusal = Refusal(reason, message, self._clock() + INACTIVE_S)
        self._refused.put(key, refusal)
        return refusal

    def _unasked(self, known: Proven | None, why: str) -> Proven | Refusal:
        """Who was known goes on being known for a while; nobody else comes in."""
        now = self._clock()
        if isinstance(known, Asked) and now < known.keep_until:
            known.until = min(known.keep_until, now + AGAIN_S)
            return known
        return _unavailable(why)


def _unavailable(why: str) -> Refusal:
    return Refusal(Reason.IDENTITY_UNAVAILABLE, f"the issuer cannot be asked: {why}", ours=True)
