"""A call with everything in its place, for tests that care about some of it."""

from typing import Any, Final

from doorward.model.call import Call, Era, Spelled
from doorward.model.canonical import canonical
from doorward.wire import strict

VERSIONS: Final = {Era.LEGACY: "2025-11-25", Era.MODERN: "2026-07-28"}


def call_of(
    method: str = "tools/call", params: dict[str, Any] | None = None, era: Era = Era.LEGACY, **members: Any
) -> Call:
    """`members`: of Call, where they differ from those of a caller who says nothing of itself."""
    usual: dict[str, Any] = {
        "id": 1,
        "method": method,
        "params": {} if params is None else params,
        "meta": {},
        "era": era,
        "version": VERSIONS[era],
        "endpoint": None,
        "session": None,
        "capabilities": {},
        "client": {},
        "log_level": None,
        "progress_token": None,
        "events": None,
        "scope": None,
    }
    return Call(**{**usual, **members})


def tool_call(name: str, arguments: dict[str, Any], era: Era = Era.LEGACY, **members: Any) -> Call:
    """`tools/call`, with its arguments as they are spelled."""
    spelled = Spelled(arguments, strict.encode(arguments), canonical(arguments))
    given = {"name": name, "arguments": arguments}
    return call_of("tools/call", given, era, **{"spelled": spelled, **members})
