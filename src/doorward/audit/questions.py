"""The parts of the record of what a server asks its client."""

from typing import Protocol

from doorward.audit.build import client_of, digestible, identity_of, session_of, shape_of
from doorward.audit.digests import DigestKey
from doorward.audit.records import Actor, Args, Mcp, clip
from doorward.model.call import Call, Inbound, Session
from doorward.model.principal import Principal
from doorward.ports.asks import Inquiry

KIND = "question"
"""`mcp.kind` of such a record; `mcp.name` is what is asked for."""


class About(Protocol):
    """A call in flight."""

    inbound: Inbound
    decision_id: str
    call: Call | None


def questioned(principal: Principal, session: Session) -> Actor:
    """Who is asked, with what its client says of itself."""
    return identity_of(principal, client_of(session.client))


def question_of(inquiry: Inquiry, session: Session, transport: str) -> Mcp:
    """What is asked, and by which server."""
    return Mcp(
        transport,
        clip(inquiry.method),
        session.version,
        None,
        session.endpoint,
        inquiry.server,
        KIND,
        clip(inquiry.method),
        session=session_of(session),
    )


def asked_of(inquiry: Inquiry, key: DigestKey) -> Args | None:
    """Digest, size and names of the params; never their values, which may be a conversation."""
    if not inquiry.params:
        return None
    data, raw = digestible(inquiry.params)
    names, types, sizes, more = shape_of(inquiry.params)
    return Args(key.digest(data), key.name, len(data), names, types, more, raw=raw, sizes=sizes)
