"""Whom a configuration knows, for what is open when it changes (identity/recognised.py)."""

from doorward.app.callers import certificate_matches
from doorward.config.identity import Auth
from doorward.config.settings import Settings
from doorward.identity.match import Person, TokenMatch
from doorward.identity.recognised import Recognised
from doorward.model.grants import PEOPLE


def recognised(settings: Settings) -> Recognised:
    """Of a configuration."""
    auth = settings.auth if isinstance(settings.auth, Auth) else Auth(keys=True)
    return Recognised(
        agents=frozenset(settings.agents),
        anonymous=not settings.requires_key,
        keys=bool(auth.keys) and settings.requires_key,
        issuers=tuple(one.issuer for one in settings.issuers),
        tokens=tuple(
            TokenMatch(name, entry.issuer, entry.client_id, entry.sub)
            for name, agent in settings.agents.items()
            for entry in agent.match
            if entry.issuer is not None
        ),
        people=tuple(
            Person(f"{PEOPLE}{number}", one.issuer, one.sub, one.group)
            for number, one in enumerate(settings.people)
        ),
        certificates=certificate_matches(settings) if auth.certificates else (),
    )


def same_callers(before: Settings, after: Settings) -> bool:
    """Whether every token and certificate means the same under both: whatever its claims are, which nobody
    knows any more of what is open."""
    return (
        before.auth == after.auth
        and before.gateway.public_url == after.gateway.public_url  # what tokens are made for
        and before.people == after.people
        and {name: agent.match for name, agent in before.agents.items() if agent.match}
        == {name: agent.match for name, agent in after.agents.items() if agent.match}
    )
