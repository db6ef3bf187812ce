"""Conversions between the eras, for everything that is one request and one reply (research brief 3).

Pure: bytes and values in, bytes and values out. What has no place in the other era is refused by
BridgeUnsupported and never dropped in silence, except where nothing but a hint is lost.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.model.call import Era
from doorward.model.target import Kind
from doorward.wire import meta, methods, strict
from doorward.wire.errors import BridgeUnsupported, WireError
from doorward.wire.members import members_of
from doorward.wire.versions import MODERN_VERSIONS

CACHEABLE: Final = frozenset(
    {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
)
"""Methods whose complete results carry ttlMs and cacheScope in 2026-07-28."""
RESOURCE_NOT_FOUND: Final = -32002
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
CAPABILITY_MISSING: Final = -32021
_SPEC_OWNED: Final = range(-32099, -32019)
"""-32020 to -32099: codes that only 2026-07-28 may define."""
_REQUIRED: Final = "requiredCapabilities"
_OLD_CODES: Final = (RESOURCE_NOT_FOUND, -32042)
"""Of 2025-11-25, and not to be used after it: the second one asks for the visit of a URL."""

_STRUCTURED_SINCE: Final = "2025-06-18"
_COMPLETE: Final = msgspec.Raw(b'"complete"')
MAX_TTL_MS: Final = 24 * 3600 * 1000
"""A server's word on how long its answer holds is believed for so long: rules and grants change."""
_NO_TTL: Final = msgspec.Raw(b"0")
_PRIVATE: Final = msgspec.Raw(b'"private"')
_MODERN_ONLY: Final = ("resultType", "ttlMs", "cacheScope")


def method_up(method: str, *, upstream_version: str) -> str:
    """The method that the upstream leg needs for a caller's one.

    Raises BridgeUnsupported when the upstream's revision has no request of that meaning, such as
    resources/subscribe at a modern server, which needs a listen stream.
    """
    found = methods.lookup(upstream_version, method)
    if found is None or found.kind is not methods.REQUEST or found.sender == methods.SERVER:
        raise BridgeUnsupported(f"the server's revision {upstream_version} has no such request")
    return method


def result_down(raw: bytes, method: str, *, upstream_era: Era, caller_era: Era, caller_version: str) -> bytes:
    """The result as the caller's era writes it; `raw` itself within one era.

    To legacy: resultType, ttlMs, cacheScope and the server's identity go; structuredContent that is no
    object, or that the caller's revision does not have, becomes text. To modern: resultType "complete"; what
    is cacheable may be kept by this caller only, and not at all. Raises BridgeUnsupported for a modern result
    that is not complete, WireError for what is no JSON object.
    """
    if upstream_era is caller_era:
        return raw
    members = _members(raw)
    if caller_era is Era.LEGACY:
        _to_legacy(members, method, caller_version)
    else:
        members["resultType"] = _COMPLETE
        if method in CACHEABLE:
            members["ttlMs"], members["cacheScope"] = _NO_TTL, _PRIVATE
    return strict.encode(members)


def kept_by_one(raw: bytes) -> bytes:
    """A cacheable modern result as the caller may keep it: for itself alone, because the next caller may not
    read it, and for a time that is one. Every other value keeps its bytes.

    Raises WireError for what is no JSON object.
    """
    members = _members(raw)
    members["cacheScope"] = _PRIVATE
    members["ttlMs"] = _believable(members.get("ttlMs", _NO_TTL))
    return strict.encode(members)


def _believable(ttl: msgspec.Raw) -> msgspec.Raw:
    try:
        said = msgspec.json.decode(ttl, type=int)
    except msgspec.MsgspecError:
        return _NO_TTL
    return msgspec.Raw(b"%d" % min(max(said, 0), MAX_TTL_MS))


def _members(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return members_of(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WireError("a result is not a JSON object") from None


def _to_legacy(members: dict[str, msgspec.Raw], method: str, caller_version: str) -> None:
    kind = members.get("resultType", _COMPLETE)  # absent counts as complete (2026-07-28, "Result types")
    if bytes(kind) != b'"complete"':
        raise BridgeUnsupported(
            "the server asks for input or hands out a task, which this caller's era cannot carry"
        )
    for name in _MODERN_ONLY:
        members.pop(name, None)
    _drop_identity(members)
    structured = members.get("structuredContent")
    if method != "tools/call" or structured is None:
        return
    if caller_version < _STRUCTURED_SINCE or not bytes(structured).startswith(b"{"):
        del members["structuredContent"]
        _keep_as_text(members, bytes(structured))


def _drop_identity(members: dict[str, msgspec.Raw]) -> None:
    if "_meta" not in members:
        return
    inner = _members(bytes(members["_meta"]))
    if inner.pop(meta.SERVER_INFO, None) is None:
        return
    if inner:
        members["_meta"] = msgspec.Raw(strict.encode(inner))
    else:
        del members["_meta"]


def _keep_as_text(members: dict[str, msgspec.Raw], structured: bytes) -> None:
    """A server that sends structured content SHOULD send it as text too; for one that did not, we do."""
    if bytes(members.get("content", b"[]")).strip() not in (b"[]", b"null"):
        return
    try:
        text = structured.decode()
    except UnicodeDecodeError:
        raise WireError("a result is not UTF-8") from None
    members["content"] = msgspec.Raw(strict.encode([{"type": "text", "text": text}]))


def error_down(
    code: int, message: str, data: Any, *, upstream_era: Era, caller_era: Era
) -> tuple[int, str, Any]:
    """A server's JSON-RPC error as the caller's era writes it: (code, message, data). Within one era it
    stays, but for codes of before that a modern server must not use.

    To legacy: -32021 is the caller's to mend, and stays; the other codes of 2026-07-28 are about our own leg
    (-32603, without their data); -32602 with data.uri is the old "resource not found". To modern: -32002
    becomes -32602; what the modern revision owns or forbids becomes -32603.
    """
    if upstream_era is caller_era and (caller_era is Era.LEGACY or code not in _OLD_CODES):
        return code, message, data
    if caller_era is Era.LEGACY:
        if code in _SPEC_OWNED and code != CAPABILITY_MISSING:
            return INTERNAL_ERROR, message, None
        if code == INVALID_PARAMS and isinstance(data, dict) and isinstance(data.get("uri"), str):
            return RESOURCE_NOT_FOUND, message, data
        return code, message, data
    if code == RESOURCE_NOT_FOUND:
        return INVALID_PARAMS, message, data
    if code == CAPABILITY_MISSING and isinstance(data, dict) and isinstance(data.get(_REQUIRED), dict):
        return code, message, data  # official SDKs say it in the legacy era, too
    if code in _SPEC_OWNED:
        return INTERNAL_ERROR, message, data
    return code, message, data


def definition_down(kind: Kind, listed: Mapping[str, Any], caller_version: str) -> dict[str, Any] | None:
    """A listed object as the caller's revision can read it; None when it cannot carry it. `listed` is not
    changed.

    Only tools differ. Up to 2025-11-25 both schemas are of type object, and a client's validator throws away
    the whole list for one that is not: such an outputSchema is left out (its results go as text, see
    `result_down`), a missing type is written down, and a tool whose input can be no object is not shown.
    """
    if kind is not Kind.TOOL or caller_version in MODERN_VERSIONS:
        return dict(listed)
    schema = listed.get("inputSchema")
    if not isinstance(schema, dict):
        return None
    found = dict(listed)
    if "type" not in schema:
        found["inputSchema"] = {"type": "object", **schema}
    elif schema["type"] != "object":
        return None
    output = listed.get("outputSchema")
    if "outputSchema" in listed and not (isinstance(output, dict) and output.get("type") == "object"):
        del found["outputSchema"]
    return found


def initialize_result(
    *,
    version: str,
    capabilities: Mapping[str, Any],
    server_info: Mapping[str, Any],
    instructions: str | None = None,
) -> dict[str, Any]:
    """InitializeResult (2025-11-25) of what one server said or of what several said together."""
    result: dict[str, Any] = {
        "protocolVersion": version,
        "capabilities": {name: value for name, value in capabilities.items() if name != "extensions"},
        "serverInfo": dict(server_info),
    }
    if instructions:
        result["instructions"] = instructions
    return result


def discover_result(
    *,
    capabilities: Mapping[str, Any],
    server_info: Mapping[str, Any],
    instructions: str | None = None,
    ttl_ms: int = 0,
) -> dict[str, Any]:
    """DiscoverResult (2026-07-28). Private, because what is offered depends on who asks."""
    result: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": list(MODERN_VERSIONS),
        "capabilities": {name: value for name, value in capabilities.items() if name != "tasks"},
        "ttlMs": ttl_ms,
        "cacheScope": "private",
        "_meta": {meta.SERVER_INFO: dict(server_info)},
    }
    if instructions:
        result["instructions"] = instructions
    return result
