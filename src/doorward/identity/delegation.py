"""Who acts for whom (RFC 8693 section 4.1): the `act` of a token, normalised. Pure.

Only who acts is read. `may_act` says who might be allowed to become an actor one day, at the issuer; it gives
nobody anything here.
"""

from typing import Any, Final

import msgspec

from doorward.identity.claims import optional, text
from doorward.model.principal import ActorKind

MAX_DEPTH: Final = 10
UNREADABLE: Final = "delegation asserted but unreadable"
_KINDS: Final = {
    "user": ActorKind.HUMAN,
    "agent": ActorKind.AGENT,
    "ai_agent": ActorKind.AGENT,
    "service": ActorKind.SERVICE,
    "application": ActorKind.SERVICE,
}


class Link(msgspec.Struct, frozen=True):
    """One actor as the token says it."""

    issuer: str
    subject: str
    client: str | None
    kind: ActorKind
    claims: dict[str, Any]


def chain(said: Any, issuer: str) -> tuple[Link, ...]:
    """The actors, the current one first; none where nothing is asserted.

    `issuer`: whose word it is where an actor says nothing of its own. Raises ValueError for a chain that
    cannot be read: who acts is then unknown, which is not the same as nobody.
    """
    found: list[Link] = []
    while said is not None:
        if type(said) is not dict:
            raise ValueError(f"{UNREADABLE}: act is no object")
        if len(found) == MAX_DEPTH:
            raise ValueError(f"{UNREADABLE}: more than {MAX_DEPTH} actors")
        found.append(_link(said, issuer))
        if "act" in said and said["act"] is None:
            raise ValueError(f"{UNREADABLE}: act is null")
        said = said.get("act")
    return tuple(found)


def _link(said: dict[str, Any], issuer: str) -> Link:
    try:
        client = optional(said.get("client_id", said.get("azp")), "client_id")
        subject = text(said.get("sub", client), "sub")
        origin = optional(said.get("iss"), "iss") or issuer
        profile = optional(said.get("sub_profile"), "sub_profile") or ""
    except ValueError as error:
        raise ValueError(f"{UNREADABLE}: {error} in an actor") from None
    kinds = {_KINDS[word] for word in profile.split(" ") if word in _KINDS}
    kind = kinds.pop() if len(kinds) == 1 else ActorKind.UNKNOWN
    return Link(origin, subject, client, kind, {name: said[name] for name in said if name != "act"})
