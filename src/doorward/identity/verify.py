"""Whether a JWT access token is what it says it is (RFC 9068 section 4, RFC 8725). Pure.

In this order, because each step trusts only what the steps before it have settled: strict bytes; the issuer,
by the exact text; the algorithm and type that it may use; one key, of that issuer's keys only; the signature;
and then what is claimed.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.identity.claims import at, audience, times
from doorward.identity.issuers import IssuerSettings
from doorward.identity.keyset import KeySet
from doorward.identity.preparse import Unverified, decoded

ID_TOKEN: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""Claims that only an ID token has (OpenID Connect Core 1.0 sections 2 and 3.3.2.11)."""


class Verified(msgspec.Struct, frozen=True):
    """Claims that an issuer stands for."""

    settings: IssuerSettings
    issuer: str
    """The exact `iss`."""
    claims: Mapping[str, Any]
    until: float
    """Seconds since 1970; what clocks may differ by is in it."""
    thumbprint: str | None
    """SHA-256, in hexadecimal digits, of the client certificate that it is bound to."""


class UnknownKey(ValueError):
    """None of the issuer's keys has this name. It may have a new one."""


def check_header(token: Unverified, settings: IssuerSettings) -> None:
    """What needs no key. Raises ValueError."""
    header = token.header
    if header.alg not in settings.algorithms:
        raise ValueError("the token's algorithm is not one that this issuer may use")
    if header.typ not in settings.typ:
        raise ValueError("the token's typ is not that of an access token of this issuer")
    if header.kid is None and not settings.single_key:
        raise ValueError("the token does not name its key (kid)")


def check_signature(token: Unverified, settings: IssuerSettings, keys: KeySet, issuer: str) -> None:
    """Raises UnknownKey, and ValueError for a signature that is none."""
    header = token.header
    key = keys.find(header.kid, header.alg, single=settings.single_key)
    if key is None:
        raise UnknownKey("no key of the issuer has the token's kid and algorithm")
    if not settings.owns(key.issuer, issuer):
        raise ValueError("the key is that of another issuer")
    if not key.verifies(header.alg, token.signed, token.signature):
        raise ValueError("the signature does not fit")


def check_claims(
    claims: Mapping[str, Any],
    settings: IssuerSettings,
    issuer: str,
    tenant: str | None,
    *,
    resource: str,
    now: float,
) -> Verified:
    """What a signature, or the issuer's own answer, vouches for. `tenant`: that `issuer` stands for, where
    `settings` are a template. Raises Expired and ValueError."""
    _check_kind(claims, settings)
    accepted = audience(claims.get("aud"))
    if resource not in accepted and settings.audience.isdisjoint(accepted):
        raise ValueError("the token is not for this endpoint (aud)")
    until = times(claims, now, settings.skew)
    if tenant is not None and claims.get("tid") != tenant:
        raise ValueError("the token's tenant is not the one of its issuer (tid)")
    return Verified(settings, issuer, claims, until, bound(claims.get("cnf")))


def _check_kind(claims: Mapping[str, Any], settings: IssuerSettings) -> None:
    if not ID_TOKEN.isdisjoint(claims):
        raise ValueError("the token is an ID token")
    kind = settings.preset.kind
    if kind is not None and at(claims, ("typ",)) != kind:
        raise ValueError("the token is not one of the kind that is presented as Bearer (typ)")


def bound(confirmation: Any) -> str | None:
    """The certificate that a token is bound to (RFC 8705 section 3.1). Raises ValueError for a binding to
    anything else (RFC 7800): presented as plain Bearer, it proves nothing of it."""
    if confirmation is None:
        return None
    if type(confirmation) is not dict or list(confirmation) != ["x5t#S256"]:
        raise ValueError("the token is bound to a proof that was not presented (cnf)")
    return _hexadecimal(confirmation["x5t#S256"])


def _hexadecimal(thumbprint: Any) -> str:
    if type(thumbprint) is not str:
        raise ValueError("the token's cnf is no thumbprint")
    digest = decoded(thumbprint.encode("utf-8"), "thumbprint")
    if len(digest) != 32:
        raise ValueError("the token's cnf is no thumbprint")
    return digest.hex()
