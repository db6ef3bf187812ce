"""Which agents a block concerns, as far as the configuration and the store can tell. Pure."""

from collections.abc import Iterable

from doorward.model.globs import matches
from doorward.model.grants import AgentRules
from doorward.ports.store import KeyRecord


def affected(kind: str, value: str, agents: Iterable[AgentRules], keys: Iterable[KeyRecord]) -> list[str]:
    """Names in alphabetical order: of a server those with a grant for it. Which agents a user, client, token
    or login comes as is only known of those who are here: nobody, then."""
    if kind == "server":
        return sorted(rules.name for rules in agents if _reaches(rules, value))
    if kind == "agent":
        return [value]
    if kind == "key":
        return sorted({key.agent for key in keys if key.id == value})
    return []


def _reaches(rules: AgentRules, server: str) -> bool:
    return any(matches(glob.pattern, server) for grant in rules.grants for glob in grant.servers)
