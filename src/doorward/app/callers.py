"""Who is let in under one configuration: the directory of a world, as its settings say.

What verifies tokens is given, not imported: its libraries take a quarter of a second to load, and most
gateways have no issuer.
"""

from collections.abc import Callable

from doorward.config.identity import Auth
from doorward.config.load import Loaded
from doorward.config.settings import Settings
from doorward.identity.certified import Certified
from doorward.identity.directory import KeyDirectory
from doorward.identity.match import CertificateMatch
from doorward.identity.proven import Tokens
from doorward.ports.secrets import SecretRing

TokensOf = Callable[[Loaded], Tokens]
"""Makes what knows the tokens of a configuration with issuers."""


def directory(loaded: Loaded, ring: SecretRing, tokens_of: TokensOf | None) -> KeyDirectory:
    """Raises ValueError for issuers when nothing was given to verify tokens with."""
    settings = loaded.settings
    auth = settings.auth if isinstance(settings.auth, Auth) else Auth(keys=True)
    tokens = None
    if auth.issuers:
        if tokens_of is None:
            raise ValueError("auth.issuers is configured, and this process has nothing to verify tokens with")
        tokens = tokens_of(loaded)
    teams = teams_of(settings)
    return KeyDirectory(
        mode="keys" if settings.requires_key else "none",
        ring=ring,
        agents=frozenset(settings.agents),
        teams=teams,
        keys=bool(auth.keys),
        tokens=tokens,
        certificates=Certified(certificate_matches(settings), teams) if auth.certificates else None,
        stale_after=auth.stale_after,
    )


def teams_of(settings: Settings) -> dict[str, str]:
    """By agent, of those that have one."""
    return {name: agent.team for name, agent in settings.agents.items() if agent.team is not None}


def certificate_matches(settings: Settings) -> tuple[CertificateMatch, ...]:
    """Of all agents, in the order of the document."""
    return tuple(
        CertificateMatch(name, wanted.uri, wanted.dns, wanted.subject, wanted.sha256)
        for name, agent in settings.agents.items()
        for entry in agent.match
        if (wanted := entry.certificate) is not None
    )
