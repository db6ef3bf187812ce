"""What each role of an operator may do: one table. Every use case that changes or shows something asks it.

A right names what is touched and how. An operator may be limited further, to agents and servers: it then
hands out nothing else, and touches no key of another agent. Who has no right is told so: an operator is no
agent, and knows that the thing is there.
"""

from enum import StrEnum
from typing import Final

import msgspec

from doorward.audit.records import Actor
from doorward.control.errors import Forbidden
from doorward.model.globs import matches


class Role(StrEnum):
    """From the one that may most to the one that may least."""

    OWNER = "owner"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Right(StrEnum):
    """`subject:action`."""

    STATUS_READ = "status:read"
    SERVERS_READ = "servers:read"
    TOOLS_READ = "tools:read"
    AGENTS_READ = "agents:read"
    KEYS_READ = "keys:read"
    KEYS_CREATE = "keys:create"
    KEYS_CHANGE = "keys:change"
    KEYS_REVOKE = "keys:revoke"
    KEYS_ENDLESS = "keys:endless"
    """A key that never expires."""
    CALLS_READ = "calls:read"
    CALLS_CANCEL = "calls:cancel"
    BLOCKS_READ = "blocks:read"
    BLOCKS_PLACE = "blocks:place"
    BLOCKS_LIFT = "blocks:lift"
    OPERATORS_READ = "operators:read"
    OPERATORS_CHANGE = "operators:change"
    SECRETS_READ = "secrets:read"
    SECRETS_CHANGE = "secrets:change"


_VIEWER: Final = frozenset({Right.STATUS_READ, Right.SERVERS_READ, Right.TOOLS_READ, Right.AGENTS_READ})
_AUDITOR: Final = _VIEWER | {
    Right.KEYS_READ,
    Right.CALLS_READ,
    Right.BLOCKS_READ,
    Right.OPERATORS_READ,
    Right.SECRETS_READ,
}
# To stop something is the safe mistake; to let it go on again is not.
_APPROVER: Final = _AUDITOR | {Right.BLOCKS_PLACE}
_OPERATOR: Final = _APPROVER | {
    Right.KEYS_CREATE,
    Right.KEYS_CHANGE,
    Right.KEYS_REVOKE,
    Right.CALLS_CANCEL,
    Right.BLOCKS_LIFT,
}

RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.OWNER: frozenset(Right),
    Role.OPERATOR: _OPERATOR,
    Role.APPROVER: _APPROVER,
    Role.AUDITOR: _AUDITOR,
    Role.VIEWER: _VIEWER,
}


class Operator(msgspec.Struct, frozen=True):
    """Who asks for something to be done, once its token was proven."""

    id: str
    """`op_` and 12 base62 characters."""
    name: str
    role: Role
    via: str
    """How it came: "api" or "cli"."""
    agents: tuple[str, ...] | None = None
    """Globs over agents that it may have to do with; None: all of them."""
    servers: tuple[str, ...] | None = None
    """Globs over servers that it may hand out; None: all of them."""
    expires_at: float | None = None
    """Seconds since 1970."""

    @property
    def actor(self) -> Actor:
        """As change records name it."""
        return Actor(self.name, self.via)

    @property
    def limited(self) -> bool:
        """Whether some agents or servers are none of its business."""
        return self.agents is not None or self.servers is not None

    def may(self, right: Right) -> bool:
        """Whether its role has this right."""
        return right in RIGHTS[self.role]

    def require(self, right: Right) -> None:
        """Raises Forbidden."""
        if not self.may(right):
            raise Forbidden(f"the role {self.role} has no right {right}", _who_may(right))

    def require_all(self, right: Right) -> None:
        """For what concerns every agent and server. Raises Forbidden, also for an operator with limits."""
        self.require_within(right)

    def require_within(self, right: Right, *, agent: str | None = None, server: str | None = None) -> None:
        """For what concerns that agent, that server, or both where one is not named. Raises Forbidden."""
        self.require(right)
        for what, globs, name in (("agent", self.agents, agent), ("server", self.servers, server)):
            if globs is None:
                continue
            if name is None:
                raise Forbidden(f"this concerns every {what}, and {self.name} is limited to some", _LIMITED)
            if not any(matches(glob, name) for glob in globs):
                raise Forbidden(f"{self.name} has nothing to do with {what} {name!r}", _LIMITED)

    def require_agent(self, right: Right, agent: str) -> None:
        """For a key of that agent, whichever servers it reaches. Raises Forbidden."""
        self.require(right)
        if self.agents is not None and not any(matches(glob, agent) for glob in self.agents):
            raise Forbidden(f"{self.name} has nothing to do with agent {agent!r}", _LIMITED)


_LIMITED: Final = "doorward operators whoami shows the limits; an owner can change them"


def _who_may(right: Right) -> str:
    return f"these roles have it: {', '.join(role for role in Role if right in RIGHTS[role])}"
