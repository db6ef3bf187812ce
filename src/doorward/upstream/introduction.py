"""What a server says of itself: the result of `initialize` (legacy) or of `server/discover` (modern)."""

from typing import Any

import msgspec

from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.wire import meta, versions


class Introduction(msgspec.Struct, frozen=True):
    """Unverified: nothing is authorised on it."""

    version: str
    """The revision to speak with it."""
    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None


def read_initialize(server: str, result: bytes) -> Introduction:
    """Raises UpstreamError(UPSTREAM_PROTOCOL_ERROR), also for a counter-offer that we do not speak."""
    said = _object(server, result, "initialize")
    version = said.get("protocolVersion")
    if version not in versions.LEGACY_VERSIONS:
        text = f"offers protocol version {str(version)[:40]!r}, which Doorward does not speak"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    return _introduction(said, str(version), said.get("serverInfo"))


def read_discover(server: str, result: bytes) -> Introduction | None:
    """None when it names no modern revision that we speak. Raises UpstreamError(UPSTREAM_PROTOCOL_ERROR)."""
    said = _object(server, result, "server/discover")
    version = modern_version(said.get("supportedVersions"))
    if version is None:
        return None
    about = said.get("_meta")
    return _introduction(said, version, about.get(meta.SERVER_INFO) if isinstance(about, dict) else None)


def modern_version(offered: object) -> str | None:
    """The newest modern revision among those offered."""
    if not isinstance(offered, list):
        return None
    return max((v for v in versions.MODERN_VERSIONS if v in offered), default=None)


def _introduction(said: dict[str, Any], version: str, info: object) -> Introduction:
    capabilities, instructions = said.get("capabilities"), said.get("instructions")
    return Introduction(
        version,
        capabilities if isinstance(capabilities, dict) else {},
        info if isinstance(info, dict) else {},
        instructions if isinstance(instructions, str) else None,
    )


def _object(server: str, result: bytes, what: str) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(result)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"answered {what} with what cannot be read"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text) from error
    if not isinstance(said, dict):
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {what} with no object")
    return said
