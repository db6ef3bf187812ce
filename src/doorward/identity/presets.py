"""How the products of identity providers spell what they say. One table row each; configuration may overrule
any path of it.

Whether the subject is a person decides who else must allow a call. So a token counts as a machine's own only
where its issuer says something of it that it says of no person's; everything else is a person, who has to
have an entry under `people`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from doorward.identity.claims import Path

AT_JWT: Final = frozenset({"at+jwt", "application/at+jwt"})
"""RFC 9068 section 4."""

Claims = Mapping[str, Any]


class Preset(msgspec.Struct, frozen=True):
    """Paths are tried in order: the first that is there counts."""

    typ: frozenset[str | None]
    """Values of the header's `typ`, in lower case; None where it may be missing."""
    machine: Callable[[Claims, str, str | None], bool]
    """Whether claims, subject and client are those of a program that acts for nobody but itself."""
    subject: tuple[Path, ...] = (("sub",),)
    client: tuple[Path, ...] = (("client_id",),)
    scopes: tuple[Path, ...] = (("scope",),)
    groups: tuple[Path, ...] = (("groups",),)
    roles: tuple[Path, ...] = (("roles",),)
    tenant: tuple[Path, ...] = ()
    actor: tuple[Path, ...] = (("act",),)
    token_id: tuple[Path, ...] = (("jti",),)
    kind: str | None = None
    """What the claim `typ` has to be, at issuers that say there that it is an access token."""
    roles_are_scopes: bool = False
    """Whether what a program may do stands in its roles, as scopes stand in a person's token."""


def _generic(_claims: Claims, subject: str, client: str | None) -> bool:
    """RFC 9068 section 2.2: without a resource owner, `sub` is the client."""
    return subject == client


def _entra(claims: Claims, _subject: str, _client: str | None) -> bool:
    """`idtyp` where it was asked for; else a token without delegated scopes, whose `sub` is no pairwise id of
    a user but the object itself."""
    kind = claims.get("idtyp")
    if kind is not None:
        return bool(kind == "app")
    return "scp" not in claims and claims.get("sub") is not None and claims.get("sub") == claims.get("oid")


def _okta(claims: Claims, subject: str, client: str | None) -> bool:
    return subject == client and "uid" not in claims


def _keycloak(claims: Claims, _subject: str, client: str | None) -> bool:
    """A service account has the user name that is made of its client; `client_id` is said of it alone, so
    that nobody becomes one by choosing that name."""
    if client is None or claims.get("client_id") != client:
        return False
    return bool(claims.get("preferred_username") == f"service-account-{client.lower()}")


def _auth0(_claims: Claims, subject: str, client: str | None) -> bool:
    return client is not None and subject == f"{client}@clients"


PRESETS: Final[Mapping[str, Preset]] = {
    "generic": Preset(typ=AT_JWT, machine=_generic),
    "entra": Preset(
        typ=AT_JWT | {"jwt"},
        machine=_entra,
        subject=(("oid",),),
        client=(("azp",), ("appid",)),
        scopes=(("scp",),),
        tenant=(("tid",),),
        token_id=(("uti",), ("jti",)),
        roles_are_scopes=True,
    ),
    "okta": Preset(typ=AT_JWT | {"jwt", None}, machine=_okta, client=(("cid",),), scopes=(("scp",),)),
    "keycloak": Preset(
        typ=AT_JWT | {"jwt"},
        machine=_keycloak,
        client=(("azp",), ("client_id",)),
        roles=(("realm_access", "roles"),),
        kind="Bearer",
    ),
    "auth0": Preset(
        typ=AT_JWT | {"jwt"},
        machine=_auth0,
        client=(("azp",), ("client_id",)),
        roles=(("permissions",),),
    ),
}
