"""Who is blocked, and which tokens and logins are revoked: one frozen value (port: Revocations). Pure.

A block that names a party holds wherever that party stands: as the caller, or anywhere in the chain of those
who act for it. So a call never gets through because somebody else made it in the blocked one's name.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.store import BlockRecord

_Issued = dict[str, frozenset[str | None]]
"""By value, whose it is; None: any issuer's."""
_NONE: Final[frozenset[str | None]] = frozenset()
PARTIES: Final = frozenset({"agent", "key", "user", "client", "jti", "sid"})
"""Kinds that a principal can be concerned by; what is left is `server`."""


def concerns(kind: str, value: str, issuer: str | None, principal: Principal) -> bool:
    """Whether a principal is one of those who are meant. `issuer`: whose user, client, jti or sid; None: any.

    A user is the subject of a token or certificate: a key's subject is its name, and a key is blocked by id.
    An actor whose token names no client is its own client, as it is for `agents.X.match`.
    """
    if kind == "key":
        return principal.key_id == value
    if kind == "agent":
        return value == principal.agent or any(actor.agent == value for actor in principal.actors)
    if kind in ("jti", "sid"):
        said = principal.token_id if kind == "jti" else principal.session_id
        return said == value and issuer in (None, principal.issuer)
    where = 1 if kind == "user" else 2
    return kind in PARTIES and any(
        party[where] == value and issuer in (None, party[0]) for party in _parties(principal)
    )


class Blocked:
    """Implements ports.Revocations over the blocks that are in force. Never changes; asked once for each
    credential."""

    __slots__ = ("_agents", "_clients", "_keys", "_logins", "_parties", "_tokens", "_users", "servers")

    def __init__(self, blocks: Iterable[BlockRecord] = ()) -> None:
        """`blocks`: those in force; when that ends is for whoever makes this."""
        found = list(blocks)
        self.servers = frozenset(block.value for block in found if block.kind == "server")
        """Names of those that nobody gets through to."""
        self._agents = frozenset(block.value for block in found if block.kind == "agent")
        self._keys = frozenset(block.value for block in found if block.kind == "key")
        self._users, self._clients = _issued(found, "user"), _issued(found, "client")
        self._tokens, self._logins = _issued(found, "jti"), _issued(found, "sid")
        self._parties = bool(self._users or self._clients)

    def holds(self, principal: Principal) -> Reason | None:
        """BLOCKED; CREDENTIAL_REVOKED where another login helps; None for who may come in."""
        if principal.key_id in self._keys or self._holds_agent(principal):
            return Reason.BLOCKED
        if self._parties and any(
            _has(self._users, subject, issuer) or _has(self._clients, client, issuer)
            for issuer, subject, client in _parties(principal)
        ):
            return Reason.BLOCKED
        issuer = principal.issuer
        if _has(self._tokens, principal.token_id, issuer) or _has(self._logins, principal.session_id, issuer):
            return Reason.CREDENTIAL_REVOKED
        return None

    def _holds_agent(self, principal: Principal) -> bool:
        agents = self._agents
        return bool(agents) and (
            principal.agent in agents or any(actor.agent in agents for actor in principal.actors)
        )


def _issued(blocks: Iterable[BlockRecord], kind: str) -> _Issued:
    found: _Issued = {}
    for block in blocks:
        if block.kind == kind:
            found[block.value] = found.get(block.value, _NONE) | {block.issuer}
    return found


def _has(known: _Issued, value: str | None, issuer: str) -> bool:
    issuers = known.get(value, _NONE) if value is not None else _NONE
    return None in issuers or issuer in issuers


def _parties(principal: Principal) -> Iterator[tuple[str, str, str | None]]:
    """Issuer, subject and client of the caller and of everybody in whose name it acts."""
    if principal.issuer:
        yield principal.issuer, principal.subject, principal.client
    for actor in principal.actors:
        yield actor.issuer, actor.subject, actor.client or actor.subject
