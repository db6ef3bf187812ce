"""Who a configuration knows, as far as that can be said of a principal without its credential. Pure.

For what stays open after its request was judged: when the configuration changes, nobody presents a credential
again, so what is known of the principal has to do. Claims are not known any more: an entry that asks for some
is taken to fit still, and the next request is judged by all of it.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from doorward.identity.match import CertificateMatch, Person, TokenMatch
from doorward.model.globs import matches
from doorward.model.principal import ActorKind, Principal

_TENANT: Final = re.compile(r"\\\{[A-Za-z]+\\\}")


class Recognised(msgspec.Struct, frozen=True):
    """Of one configuration."""

    agents: frozenset[str] = frozenset()
    anonymous: bool = False
    """Whether it lets in whoever shows nothing."""
    keys: bool = False
    issuers: tuple[str, ...] = ()
    """As configured: with a template for all tenants."""
    tokens: tuple[TokenMatch, ...] = ()
    """Without what they ask of claims."""
    people: tuple[Person, ...] = ()
    certificates: tuple[CertificateMatch, ...] = ()

    def knows(self, principal: Principal) -> bool:
        """Whether this caller would be let in, as the same agent and with no human who lost every entry."""
        method = principal.method
        if method in ("jwt", "introspection"):
            return self._knows_token(principal)
        if method == "certificate":
            return any(_names(entry, principal) for entry in self.certificates)
        if method == "key":
            return self.keys and principal.agent in self.agents
        return self.anonymous

    def _knows_token(self, principal: Principal) -> bool:
        issuers = [name for name in self.issuers if _is_one_of(principal.issuer, name)]
        if not any(self._matches(principal, issuer) for issuer in issuers):
            return False
        had = principal.bounds is not None and all(principal.bounds.people)
        return not had or self._knows_people(principal, issuers)

    def _matches(self, principal: Principal, issuer: str) -> bool:
        client, subject = principal.client, principal.subject
        return any(
            entry.agent == principal.agent and entry.fits(issuer, client, subject, {})
            for entry in self.tokens
        )

    def _knows_people(self, principal: Principal, issuers: Sequence[str]) -> bool:
        """Whether every human has an entry, as identity/principals.py asks for them."""
        me = principal.issuer, principal.subject
        if principal.human and not self._has_entry(issuers, principal.subject, principal.groups):
            return False
        return all(
            self._has_entry(
                issuers if actor.issuer == principal.issuer else (actor.issuer,), actor.subject, frozenset()
            )
            for actor in principal.actors
            if actor.kind is ActorKind.HUMAN and not (principal.human and (actor.issuer, actor.subject) == me)
        )

    def _has_entry(self, issuers: Sequence[str], subject: str, groups: frozenset[str]) -> bool:
        return any(person.fits(issuer, subject, groups) for person in self.people for issuer in issuers)


def _is_one_of(issuer: str, configured: str) -> bool:
    if "{" not in configured:
        return issuer == configured
    return re.fullmatch(_TENANT.sub("[^/]+", re.escape(configured)), issuer) is not None


def _names(entry: CertificateMatch, principal: Principal) -> bool:
    """Whether the name by which a certificate was known is one by which this entry may know it."""
    if entry.agent != principal.agent:
        return False
    pattern = entry.uri or (entry.dns or "").lower() or entry.subject
    return pattern is None or matches(pattern, principal.subject)
