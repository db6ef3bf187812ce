"""What a server says of itself: the result of `initialize` (legacy) or of `server/discover` (modern)."""

from typing import Any, Final

import msgspec

from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.wire import meta, strict, versions
from doorward.wire.presentable import presentable

MAX_SAID: Final = 2 * 1024 * 1024
"""Bytes of all of it: it is read in one step."""
MAX_INSTRUCTIONS: Final = 64 * 1024
"""Characters. Every client of every session is sent them, and reads them with its model."""
MAX_DECLARED: Final = 16 * 1024
"""Bytes of the capabilities, and of what it says of itself: each conversation keeps both."""


class Introduction(msgspec.Struct, frozen=True):
    """Unverified: nothing is authorised on it."""

    version: str
    """The revision to speak with it."""
    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None
    note: str | None = None
    """What was left out of it, for the operator."""


def read_initialize(server: str, result: bytes) -> Introduction:
    """Raises UpstreamError(UPSTREAM_PROTOCOL_ERROR), also for a counter-offer that we do not speak and for
    what is larger than MAX_SAID, or its capabilities than MAX_DECLARED."""
    said = _object(server, result, "initialize")
    version = said.get("protocolVersion")
    if version not in versions.LEGACY_VERSIONS:
        text = f"offers protocol version {str(version)[:40]!r}, which Doorward does not speak"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    return _introduction(server, said, str(version), said.get("serverInfo"))


def read_discover(server: str, result: bytes) -> Introduction | None:
    """None when it names no modern revision that we speak. Raises as `read_initialize`."""
    said = _object(server, result, "server/discover")
    version = modern_version(said.get("supportedVersions"))
    if version is None:
        return None
    about = said.get("_meta")
    info = about.get(meta.SERVER_INFO) if isinstance(about, dict) else None
    return _introduction(server, said, version, info)


def modern_version(offered: object) -> str | None:
    """The newest modern revision among those offered."""
    if not isinstance(offered, list):
        return None
    return max((v for v in versions.MODERN_VERSIONS if v in offered), default=None)


def _introduction(server: str, said: dict[str, Any], version: str, info: object) -> Introduction:
    capabilities, instructions = said.get("capabilities"), said.get("instructions")
    declared = capabilities if isinstance(capabilities, dict) else {}
    if len(strict.encode(declared)) > MAX_DECLARED:
        text = f"declares capabilities of more than {MAX_DECLARED} bytes"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    left_out = []
    words = instructions if isinstance(instructions, str) else None
    if words is not None and len(words) > MAX_INSTRUCTIONS:
        words = None
        left_out.append(f"instructions of more than {MAX_INSTRUCTIONS} characters")
    itself = presentable(info) if isinstance(info, dict) else {}
    if len(strict.encode(itself)) > MAX_DECLARED:
        itself = {}
        left_out.append(f"a description of itself of more than {MAX_DECLARED} bytes")
    note = f"left out what it says: {' and '.join(left_out)}" if left_out else None
    return Introduction(version, declared, itself, words, note)


def _object(server: str, result: bytes, what: str) -> dict[str, Any]:
    if len(result) > MAX_SAID:
        text = f"answered {what} with more than {MAX_SAID} bytes"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    try:
        said = msgspec.json.decode(result)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"answered {what} with what cannot be read"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text) from error
    if not isinstance(said, dict):
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {what} with no object")
    return said
