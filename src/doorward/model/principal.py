"""Who is asking."""

import math
from enum import StrEnum

import msgspec

from doorward.model.bounds import Bounds, Rate


class ActorKind(StrEnum):
    """What an actor is. Who is not known to be one of the others is `unknown`, never `human`."""

    HUMAN = "human"
    AGENT = "agent"
    SERVICE = "service"
    UNKNOWN = "unknown"


class Actor(msgspec.Struct, frozen=True):
    """One party that acts for the subject (RFC 8693 section 4.1)."""

    issuer: str
    subject: str
    kind: ActorKind = ActorKind.UNKNOWN
    client: str | None = None
    agent: str | None = None
    """The entry under `agents:` that it matches, whose grants then bound the call."""


class Principal(msgspec.Struct, frozen=True):
    """A known caller. Authority is that of `agent` where `bounds` allow it too (DESIGN section 6)."""

    tenant: str
    subject: str
    """Stable id of the credential's subject: a key's name, a token's `sub`, or "anonymous"."""
    agent: str
    """Name under `agents:`; its grants are the authority."""
    method: str
    """How it was proven: "key", "jwt", "introspection", "certificate", "stdio" or "none"."""
    key_id: str | None = None
    actors: tuple[Actor, ...] = ()
    """Delegation chain, current actor first. Empty for a key."""
    client: str | None = None
    """OAuth client id of a token."""
    issuer: str = ""
    """Whose word `subject` is: of a token its `iss`; empty for keys."""
    human: bool = False
    """Whether the subject is known to be a person."""
    team: str | None = None
    groups: frozenset[str] = frozenset()
    strength: str = ""
    """What stealing it takes: "key", "token", "bound token", "certificate"; empty where nothing was shown."""
    acr: str | None = None
    """As the issuer says it (OpenID Connect Core 1.0 section 2)."""
    amr: tuple[str, ...] = ()
    bounds: Bounds | None = None
    """Who else must allow; None where nobody has to."""
    rate: Rate | None = None
    """Of the key."""
    token_id: str | None = None
    """`jti` of a token."""
    session_id: str | None = None
    """`sid` of a token: the login that it came from."""
    expires_at: float = math.inf
    """Seconds since 1970."""
    owner: str = ""
    """What sessions and stdio processes are bound to: derived from who this is, never from token bytes. Two
    principals share one exactly when tenant, issuer, subject, client and agent are the same."""

    def __post_init__(self) -> None:
        # Kept, because it is asked for on the way of calls; derived anew by `replace`, whatever was given.
        msgspec.structs.force_setattr(self, "owner", _owner(self))

    @property
    def scopes(self) -> frozenset[str] | None:
        """Of the token; None where scopes do not matter."""
        return self.bounds.scopes if self.bounds is not None else None

    @property
    def budget_owner(self) -> str:
        """Who pays: the team, else the agent."""
        return f"agent:{self.agent}" if self.team is None else f"team:{self.team}"


def _owner(who: Principal) -> str:
    if not who.issuer and who.client is None:
        parts: tuple[str, ...] = (who.tenant, who.subject, who.agent)
    else:  # five parts cannot be taken for three, and an empty client id is none
        parts = (who.tenant, who.issuer, who.subject, who.client or "", who.agent)
    return "|".join([part.replace("%", "%25").replace("|", "%7C") for part in parts])
