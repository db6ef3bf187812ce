"""What is configured of an issuer, and what that makes of its tokens. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.identity.claims import Path
from doorward.identity.keyset import ALGORITHMS
from doorward.identity.presets import PRESETS, Preset

TENANT_ID: Final = "{tenantid}"
"""In `issuer`: each of the tenants that are accepted (Microsoft Entra, multi-tenant applications)."""
COMMON: Final = "common"
"""The tenant under which Entra publishes what is true of all of them."""


class IntrospectionSettings(msgspec.Struct, frozen=True):
    """How opaque tokens are asked about."""

    client_id: str
    client_secret: str
    endpoint: str | None = None
    """None: as the issuer's metadata says."""
    method: str = "basic"
    """"basic" or "post"."""
    cache: float = 60.0
    """Seconds that an answer counts."""

    def __repr__(self) -> str:
        return f"IntrospectionSettings({self.client_id}, ***)"


class IssuerSettings(msgspec.Struct, frozen=True):
    """One entry of `auth.issuers`, with defaults filled in."""

    issuer: str
    preset: Preset
    audience: frozenset[str] = frozenset()
    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    typ: frozenset[str | None] = frozenset()
    jwks_uri: str | None = None
    single_key: bool = False
    introspection: IntrospectionSettings | None = None
    tenants: tuple[str, ...] = ()
    ca: str | None = None
    skew: float = 30.0
    known_actors: bool = False
    """Whether every actor has to match an agent."""
    uses_groups: bool = False
    """Whether any rule of this configuration depends on the groups of this issuer's tokens."""

    @property
    def names(self) -> Mapping[str, str | None]:
        """Every exact value of `iss` that is this issuer, and the tenant that it stands for."""
        if TENANT_ID not in self.issuer:
            return {self.issuer: None}
        return {self.issuer.replace(TENANT_ID, tenant): tenant for tenant in self.tenants}

    @property
    def location(self) -> str:
        """The URL under which its metadata is found."""
        return self.issuer.replace(TENANT_ID, COMMON)

    @property
    def source(self) -> tuple[object, ...]:
        """What its keys depend on."""
        return self.issuer, self.jwks_uri, self.ca, self.algorithms

    def owns(self, key_issuer: str | None, issuer: str) -> bool:
        """Whether a key that names an issuer of its own may sign for this one."""
        return key_issuer is None or key_issuer in (issuer, self.issuer)


def settings(issuer: str, preset: str = "generic", **said: Any) -> IssuerSettings:
    """`said`: members of IssuerSettings, and `paths`: what overrules the preset, a path by name of a claim
    (subject, client, scopes, groups, tenant, roles, actor)."""
    paths: Mapping[str, Path] = said.pop("paths", {})
    known = PRESETS[preset]
    adapted = msgspec.structs.replace(known, **{name: (path,) for name, path in paths.items()})
    typ: frozenset[str] | None = said.pop("typ", None)
    accepted = known.typ if typ is None else frozenset(one.lower() for one in typ)
    return IssuerSettings(issuer, adapted, typ=accepted, **said)
