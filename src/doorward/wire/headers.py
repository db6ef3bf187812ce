"""The MCP headers of one HTTP leg (transports of 2025-06-18, 2025-11-25 and 2026-07-28).

Headers are computed from what is sent on this leg and never copied from the other one.
"""

from collections.abc import Mapping
from typing import Any, Final

from doorward.model.call import Era
from doorward.wire.header_values import decode_name, encode_name
from doorward.wire.param_headers import param_headers

__all__ = [
    "METHOD",
    "NAME",
    "NAME_PARAM",
    "PROTOCOL_VERSION",
    "SESSION_ID",
    "decode_name",
    "encode_name",
    "upstream_headers",
]

PROTOCOL_VERSION: Final = b"mcp-protocol-version"
METHOD: Final = b"mcp-method"
NAME: Final = b"mcp-name"
SESSION_ID: Final = b"mcp-session-id"

NAME_PARAM: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Which member of params Mcp-Name repeats."""
_VERSION_HEADER_SINCE: Final = "2025-06-18"


def upstream_headers(
    era: Era,
    version: str | None,
    method: str,
    params: Mapping[str, Any] | None,
    *,
    session_id: str | None = None,
    input_schema: Any = None,
) -> list[tuple[bytes, bytes]]:
    """What MCP wants in the head of one POST, lower-case names.

    Legacy: the negotiated version (None before `initialize` is answered, and unknown before 2025-06-18) and
    the session. Modern: version, method, name, and one Mcp-Param-* for each annotated argument of
    `input_schema`.
    """
    if era is Era.LEGACY:
        found = []
        if version is not None and version >= _VERSION_HEADER_SINCE:
            found.append((PROTOCOL_VERSION, version.encode()))
        if session_id is not None:
            found.append((SESSION_ID, session_id.encode("latin-1")))
        return found
    found = [(PROTOCOL_VERSION, (version or "").encode()), (METHOD, method.encode())]
    name = (params or {}).get(NAME_PARAM.get(method, ""))
    if isinstance(name, str):
        found.append((NAME, encode_name(name).encode()))
    if method == "tools/call" and input_schema is not None:
        arguments = (params or {}).get("arguments")
        rendered = param_headers(input_schema, arguments if isinstance(arguments, dict) else {})
        found.extend((key.lower().encode(), value.encode()) for key, value in rendered.items())
    return found
