"""What a configuration says of the gateway as an OAuth protected resource (RFC 9728)."""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from doorward.config.identity import Issuer
from doorward.config.settings import Settings
from doorward.edge.discovery import Discovery
from doorward.pipeline.challenges import KEYS_ONLY, WELL_KNOWN, Challenges

Scopes = Mapping[str | None, tuple[str, ...]]


def challenges(settings: Settings) -> Challenges:
    """How callers are told to get in."""
    url = settings.gateway.public_url
    if not settings.issuers or url is None:
        return KEYS_ONLY
    parts = urlsplit(url)
    metadata = urlunsplit((parts.scheme, parts.netloc, f"{WELL_KNOWN}{parts.path}/mcp", "", ""))
    return Challenges(metadata, needed(settings))


def discovery(settings: Settings) -> Discovery | None:
    """None where there is nobody to get a token from."""
    url = settings.gateway.public_url
    if not settings.issuers or url is None:
        return None
    tls = settings.gateway.tls
    return Discovery(
        resource=f"{url}/mcp",
        base=urlsplit(url).path,
        issuers=tuple(name for issuer in settings.issuers for name in names(issuer)),
        scopes=needed(settings),
        bound=tls is not None and tls.client_ca is not None,
    )


def names(issuer: Issuer) -> tuple[str, ...]:
    """The identifiers that stand behind a template: one for each tenant."""
    if "{tenantid}" not in issuer.issuer:
        return (issuer.issuer,)
    return tuple(issuer.issuer.replace("{tenantid}", tenant) for tenant in issuer.tenants)


def needed(settings: Settings) -> Scopes:
    """What a token needs for everything at an endpoint: of a server those of `*`, of all servers together
    those that each of them needs. A client that asks for them first is not sent back for the first call."""
    of_servers = {name: server.scopes.get("*", ()) for name, server in settings.servers.items()}
    everywhere: dict[str, None] = {}
    if of_servers:
        first, *others = of_servers.values()
        everywhere = dict.fromkeys(scope for scope in first if all(scope in one for one in others))
    return {name: scopes for name, scopes in ((None, tuple(everywhere)), *of_servers.items()) if scopes}
