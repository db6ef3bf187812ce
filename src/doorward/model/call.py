"""One inbound message and one reply, as the spine sees them."""

from enum import StrEnum
from typing import Any, Protocol

import msgspec

from doorward.model.certificate import ClientCertificate
from doorward.model.principal import Principal

RequestId = int | str
"""JSON-RPC id: value and JSON type are kept; `1` and `"1"` differ (MCP, all revisions)."""


class Era(StrEnum):
    """MCP's two worlds: `initialize` and sessions, or per-request `_meta` (2026-07-28)."""

    LEGACY = "legacy"
    MODERN = "modern"


class Events(Protocol):
    """Where notifications that belong to one call go while it runs."""

    async def emit(self, message: bytes) -> None:
        """Hand one encoded JSON-RPC notification to the caller; waits while the caller reads slowly."""


class Credential(msgspec.Struct, frozen=True, gc=False):
    """What the transport knows of the caller before anybody looked at the body."""

    secret: str | None
    """The presented key or token, without its scheme. Never logged."""
    peer: str
    """Peer address (no port), or "stdio"."""
    local: bool
    """True for a direct loopback or stdio peer: the only ones `auth: none` serves."""
    proxied: bool
    """True when the request carries a forwarding header (DESIGN section 4)."""
    certificate: ClientCertificate | None = None
    """What the caller's TLS handshake has proven, whether or not a secret is presented beside it."""
    proof: Any = None
    """What identity found out about it, for itself: a connection presents one credential again and again."""


class Inbound(msgspec.Struct, frozen=True):
    """One message as it arrived, before it is trusted with anything."""

    transport: str
    """"http" or "stdio"."""
    endpoint: str | None
    """Server name of /mcp/{server}; None for the aggregate /mcp."""
    credential: Credential
    headers: dict[bytes, bytes]
    """Lower-case names; repeated fields joined with b", ". Empty on stdio."""
    body: bytes
    events: Events | None
    """None where the caller cannot take notifications."""
    bearing: tuple[object, ...] | None = None
    """`pipeline.read.bearing` of head and endpoint, where the same head is presented again and again."""


class Session(msgspec.Struct):
    """A legacy client's session with us (never shared with an upstream)."""

    id: str
    owner: str
    """`Principal.owner` that opened it; a session never changes hands."""
    endpoint: str | None
    version: str
    capabilities: dict[str, Any]
    client: dict[str, Any]
    """clientInfo: unverified, for the record only."""
    log_level: str | None = None
    last_used: float = 0.0
    holder: Principal | None = None
    """Who used it last, and so was found to be its owner."""


class Spelled(msgspec.Struct, frozen=True, gc=False):
    """Arguments of a call with their spellings, which are asked for three times on its way."""

    arguments: dict[str, Any]
    """The very object that stands in the call's params: for any other one this says nothing."""
    compact: bytes
    """JSON without blanks, members in the caller's order."""
    canonical: bytes
    """Their canonical form (RFC 8785), of which records hold a digest."""
    raw: bool = False
    """Of a large call: `canonical` is `compact`, both as the caller spelled it."""


class Series(msgspec.Struct, eq=False):
    """What calls have in common that one client spells alike: everything but id, arguments and time.

    A series is equal to itself only, and so is known by itself: what follows of it need be found out once.
    """

    session: Session | None
    version: str
    capabilities: dict[str, Any]
    client: dict[str, Any]
    log_level: str | None
    name: str
    """Of the tool, as the caller calls it."""
    plain: bool
    """Nothing stands in the params but name and arguments, and nothing has to be sent on beside them."""


class Call(msgspec.Struct, frozen=True):
    """One request, strictly parsed. `params` is the decoded tree that is inspected *and* sent."""

    id: RequestId
    method: str
    params: dict[str, Any]
    """Without `_meta`."""
    meta: dict[str, Any]
    """The caller's `_meta` with the reserved keys of the envelope taken out."""
    era: Era
    version: str
    endpoint: str | None
    session: Session | None
    capabilities: dict[str, Any]
    """What the client declared: at initialize (legacy) or in `_meta` (modern)."""
    client: dict[str, Any]
    log_level: str | None
    progress_token: RequestId | None
    events: Events | None
    scope: str | None
    """What ids are unique in: the session id, "stdio", or None where nothing can refer to a running call."""
    spelled: Spelled | None = None
    """Of `params.arguments`, where they are known. A stage that changes arguments takes it away."""
    series: Series | None = None
    """Where others like this one were read before. A stage that changes the call takes it away."""

    @property
    def arguments(self) -> dict[str, Any]:
        """`params.arguments`, or an empty object. Routing refuses what is no object where one is needed.

        Of a large call, a large argument is a msgspec.Raw: strict JSON that nobody has decoded
        (wire/large.py).
        """
        given = self.params.get("arguments")
        return given if type(given) is dict else {}

    def judged(self) -> dict[str, Any] | None:
        """The arguments that rules look at. None asks whether any could be allowed, as for a list.

        A completion comes before the arguments that it helps to write.
        """
        if self.method == "completion/complete":
            return None
        given = self.params.get("arguments")
        return given if isinstance(given, dict) else {}


class RpcError(msgspec.Struct, frozen=True):
    """A JSON-RPC error object as it was sent."""

    code: int
    message: str
    data: Any = None


class Answered(msgspec.Struct, frozen=True):
    """A client's answer to what it was asked: exactly one of `result` and `error`."""

    id: RequestId | None
    result: dict[str, Any] | None
    error: RpcError | None


class Note(msgspec.Struct, frozen=True):
    """A notification or a posted response: accepted or refused, never answered."""

    method: str
    """Empty for a response."""
    params: dict[str, Any]
    era: Era
    endpoint: str | None
    session: Session | None
    scope: str | None
    answer: Answered | None = None
    """Of a response."""


class Outcome(StrEnum):
    """What became of a call, classified by meaning rather than by status (DESIGN section 8)."""

    OK = "ok"
    EMPTY = "empty"
    TOOL_ERROR = "tool_error"
    INVALID_ARGUMENTS = "invalid_arguments"
    PROTOCOL_ERROR = "protocol_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    DENIED = "denied"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Reply(msgspec.Struct, frozen=True):
    """The answer to a permitted call: exactly one of `result` (raw JSON bytes of the member) or `error`."""

    result: bytes | None
    error: RpcError | None
    outcome: Outcome
    upstream_s: float = 0.0
    """Seconds between handing the request to the upstream leg and its last byte."""
    session_id: str | None = None
    """Of the session that this very call opened (initialize)."""
