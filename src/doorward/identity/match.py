"""Which agent a token or a client certificate is, and which people a human belongs to. Pure.

Several entries of one agent are alternatives. Entries of two agents that both fit leave it open whose grants
count, so that is refused, and so is a caller that fits none.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from doorward.identity.claims import Path, at
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError
from doorward.model.globs import matches
from doorward.model.reasons import Reason

ANY: Final = "*"
Typed = tuple[type, Any]


def typed(value: Any) -> Typed:
    """For comparison: true is not 1, and 1 is not 1.0."""
    return type(value), value


class TokenMatch(msgspec.Struct, frozen=True):
    """One entry of `agents.X.match` with an issuer; all that is said must hold."""

    agent: str
    issuer: str
    """As configured: a template stands for all its tenants."""
    client: str | None = None
    """`*` is any that there is; None: whether or not there is one."""
    subject: str | None = None
    claims: tuple[tuple[Path, frozenset[Typed]], ...] = ()
    """Paths with the values of which the claim there has to be one, or, being a list, has to have one."""

    def fits(self, issuer: str, client: str | None, subject: str, claims: Mapping[str, Any]) -> bool:
        return (
            issuer == self.issuer
            and _is(self.client, client)
            and _is(self.subject, subject)
            and all(_has(at(claims, path), wanted) for path, wanted in self.claims)
        )


class CertificateMatch(msgspec.Struct, frozen=True):
    """One entry of `agents.X.match` with a certificate: exactly one of the four."""

    agent: str
    uri: str | None = None
    dns: str | None = None
    subject: str | None = None
    sha256: str | None = None

    def name(self, certificate: ClientCertificate) -> str | None:
        """The name by which it fits; None when it does not."""
        if self.sha256 is not None:
            return certificate.subject or certificate.thumbprint if self._is_it(certificate) else None
        pattern, names = self._kind(certificate)
        return next((name for name in names if name and matches(pattern, name)), None)

    def _is_it(self, certificate: ClientCertificate) -> bool:
        return certificate.thumbprint == self.sha256

    def _kind(self, certificate: ClientCertificate) -> tuple[str, tuple[str, ...]]:
        if self.uri is not None:
            return self.uri, certificate.uris
        if self.dns is not None:
            return self.dns.lower(), certificate.dns
        return self.subject or "", (certificate.subject,)


class Person(msgspec.Struct, frozen=True):
    """One entry of `people`: exactly one of `subject` and `group`."""

    name: str
    """Of its rule set."""
    issuer: str
    subject: str | None = None
    group: str | None = None

    def fits(self, issuer: str, subject: str, groups: frozenset[str]) -> bool:
        if issuer != self.issuer:
            return False
        return self.group in groups if self.group is not None else _is(self.subject, subject)


def agents(
    entries: Iterable[TokenMatch], issuer: str, client: str | None, subject: str, claims: Mapping[str, Any]
) -> frozenset[str]:
    """Of all entries that fit, the agents."""
    return frozenset(entry.agent for entry in entries if entry.fits(issuer, client, subject, claims))


def only(found: frozenset[str], what: str) -> str:
    """The one agent. Raises CallerError(AGENT_UNMATCHED)."""
    if len(found) == 1:
        return next(iter(found))
    names = ", ".join(sorted(found))
    said = f"{what} matches more than one agent: {names}" if found else f"{what} matches no agent"
    raise CallerError(Reason.AGENT_UNMATCHED, said)


def _is(wanted: str | None, given: str | None) -> bool:
    return wanted is None or (given is not None and wanted in (ANY, given))


def _has(claim: Any, wanted: frozenset[Typed]) -> bool:
    if type(claim) is list:
        return any(typed(one) in wanted for one in claim if type(one) is not dict and type(one) is not list)
    return type(claim) is not dict and claim is not None and typed(claim) in wanted
