"""Which era a message lives in, and whether a modern one agrees with itself (research brief 2.1 and 2.2).

The rules are the union of what the two reference SDKs look at, so that no message is modern to one reader and
legacy to the next: a modern claim in the body *or* in the header holds the message to the modern rules, and a
disagreement is an error, never a downgrade.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import headers as names
from doorward.wire import meta
from doorward.wire.header_values import decode_name
from doorward.wire.jsonrpc import Message, Notification, Request, Response
from doorward.wire.param_headers import check_param_headers, invalid_annotations, param_headers
from doorward.wire.versions import ASSUMED, LATEST_LEGACY, LEGACY_VERSIONS, MODERN, MODERN_VERSIONS

__all__ = [
    "Classified",
    "check_modern",
    "check_param_headers",
    "classify",
    "classify_stdio",
    "invalid_annotations",
    "param_headers",
]


class Classified(msgspec.Struct, frozen=True):
    """The era and the version of one message; for a legacy session, the session knows the version better."""

    era: Era
    version: str


_LEGACY: Final = Era.LEGACY  # read on every message: a member of an enum costs 80 ns in CPython 3.11
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_LEGACY_HEADERS: Final = {version.encode(): version for version in LEGACY_VERSIONS}
_MODERN_HEADERS: Final = {version.encode(): version for version in MODERN_VERSIONS}


def classify(headers: Mapping[bytes, bytes], message: Message, *, has_session: bool) -> Classified:
    """The era of one POSTed message, checked against the rules of that era.

    `headers` has lower-case names and repeated fields joined with ", ". Modern when `params._meta` claims a
    version or MCP-Protocol-Version names anything but a legacy one. Raises CallerError: what `check_modern`
    raises; for a legacy message SESSION_REQUIRED without a session, unless it is `initialize`.
    """
    said = headers.get(names.PROTOCOL_VERSION)
    version = None if said is None else _LEGACY_HEADERS.get(said)
    if said is not None and version is None:
        if b"," in said:  # whichever copy another reader takes, we would rather not guess
            raise CallerError(Reason.HEADER_MISMATCH, "MCP-Protocol-Version is repeated")
        version = _LEGACY_HEADERS.get(said.strip(b" \t"))
    if claims_modern(message) or (said is not None and version is None):
        return Classified(Era.MODERN, check_modern(headers, message))
    if not has_session and not _opens(message):
        raise _session_required()
    return Classified(_LEGACY, version or (LATEST_LEGACY if _opens(message) else ASSUMED))


def classify_stdio(message: Message, *, has_session: bool = False) -> Classified:
    """The same without headers: modern by the body's claim, else whatever the process's handshake was.

    Before any handshake a notification is modern: `notifications/cancelled` carries no claim. Raises as
    `classify`.
    """
    if claims_modern(message):
        return Classified(Era.MODERN, _checked_claim(message))
    if has_session or _opens(message):
        return Classified(Era.LEGACY, LATEST_LEGACY)
    if isinstance(message, Notification):
        return Classified(Era.MODERN, MODERN)
    raise _session_required()


def claims_modern(message: Message) -> bool:
    """Whether `params._meta` has a protocol version, of whatever type and value."""
    return meta.PROTOCOL_VERSION in _meta(message)


def check_modern(headers: Mapping[bytes, bytes], message: Message) -> str:
    """The modern ladder over HTTP; returns the version that the message is served in.

    In the order of the reference implementation, first failure wins: INVALID_REQUEST for a posted response,
    META_MISSING for a request without its envelope, HEADER_MISMATCH where a header is absent, repeated,
    malformed or different from the body, VERSION_UNSUPPORTED with data {supported, requested}. A notification
    needs no envelope; its version is the header's. All as CallerError.
    """
    if isinstance(message, Response):
        raise CallerError(Reason.INVALID_REQUEST, "a response cannot be posted in this revision")
    if isinstance(message, Request):
        _require_envelope(message)
    said = _header(headers, names.PROTOCOL_VERSION, "MCP-Protocol-Version")
    claimed = _meta(message).get(meta.PROTOCOL_VERSION, said)
    if said != claimed:
        raise _mismatch("MCP-Protocol-Version", "params._meta")
    if _header(headers, names.METHOD, "Mcp-Method") != message.method:
        raise _mismatch("Mcp-Method", "method")
    _check_name(headers, message)
    return _require_served(said)


def _check_name(headers: Mapping[bytes, bytes], message: Request | Notification) -> None:
    member = names.NAME_PARAM.get(message.method)
    if member is None:
        return
    name = (message.params or {}).get(member)
    raw = headers.get(names.NAME)
    if raw is None and name is None:
        return  # the params are at fault, and routing says so
    if raw is None or decode_name(raw) != name:
        raise _mismatch("Mcp-Name", f"params.{member}")


def _checked_claim(message: Message) -> str:
    if isinstance(message, Request):
        _require_envelope(message)
    version = _meta(message)[meta.PROTOCOL_VERSION]
    if not isinstance(version, str):
        raise _meta_missing(f"{meta.PROTOCOL_VERSION} must be a string")
    return _require_served(version)


def _require_envelope(message: Request) -> None:
    envelope = _meta(message)
    for key in (meta.PROTOCOL_VERSION, meta.CLIENT_CAPABILITIES):
        if key not in envelope:
            raise _meta_missing(f"params._meta lacks {key}")
    if not isinstance(envelope[meta.CLIENT_CAPABILITIES], dict):
        raise _meta_missing(f"{meta.CLIENT_CAPABILITIES} must be an object")


def _require_served(version: str) -> str:
    if version not in MODERN_VERSIONS:
        data = {"supported": list(MODERN_VERSIONS), "requested": version}
        raise CallerError(Reason.VERSION_UNSUPPORTED, "this protocol version is not served", data=data)
    return version


def _meta(message: Message) -> Mapping[str, Any]:
    if isinstance(message, Response) or message.params is None:
        return _NOTHING
    found = message.params.get("_meta")
    return found if isinstance(found, dict) else _NOTHING


def _header(headers: Mapping[bytes, bytes], name: bytes, shown: str) -> str:
    """A repeated field arrives joined with a comma, so it equals no version and no method."""
    value = headers.get(name)
    if value is None:
        raise CallerError(Reason.HEADER_MISMATCH, f"{shown} is missing")
    return value.strip(b" \t").decode("latin-1")


def _opens(message: Message) -> bool:
    return isinstance(message, Request) and message.method == "initialize"


def _mismatch(header: str, member: str) -> CallerError:
    return CallerError(Reason.HEADER_MISMATCH, f"{header} does not repeat {member}")


def _meta_missing(message: str) -> CallerError:
    return CallerError(Reason.META_MISSING, message)


def _session_required() -> CallerError:
    return CallerError(Reason.SESSION_REQUIRED, "send initialize first and repeat its Mcp-Session-Id")
