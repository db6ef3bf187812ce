"""Walks a paginated list to its end: every page, no cycle, no end without end."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from doorward.model.reasons import Reason
from doorward.upstream.failure import failure

MEMBER: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
CAPABILITY: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}

MAX_ITEMS: Final = 10_000
"""Of one list. Each is indexed and compiled in the event loop, which every other server's callers share."""


NO_TEMPLATES: Final = b'{"resourceTemplates":[]}'
METHOD_NOT_FOUND: Final = -32601


def has_no_templates(method: str, code: int) -> bool:
    """Whether this refusal is how a server says so: one that has resources and no templates often does not
    know the method. A refusal of any other list is a fault."""
    return method == "resources/templates/list" and code == METHOD_NOT_FOUND


async def walk(
    server: str, method: str, fetch: Callable[[dict[str, Any]], Awaitable[bytes]], max_pages: int
) -> list[dict[str, Any]]:
    """All items. `fetch` gets the params of one page and returns its raw result.

    An empty cursor is a cursor (MCP, pagination). Raises UpstreamError(UPSTREAM_PROTOCOL_ERROR |
    UPSTREAM_REPLY_TOO_LARGE): a list cut short would look like tools that are gone.
    """
    items: list[dict[str, Any]] = []
    seen: set[str] = set()
    params: dict[str, Any] = {}
    for _ in range(max_pages):
        found, cursor = _page(server, method, await fetch(params))
        items += found
        if len(items) > MAX_ITEMS:
            text = f"lists more than {MAX_ITEMS} items with {method}"
            raise failure(Reason.UPSTREAM_REPLY_TOO_LARGE, server, text)
        if cursor is None:
            return items
        if cursor in seen:
            raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"repeats a cursor of {method}")
        seen.add(cursor)
        params = {"cursor": cursor}
    raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"has more than {max_pages} pages of {method}")


def _page(server: str, method: str, result: bytes) -> tuple[list[dict[str, Any]], str | None]:
    try:
        page = msgspec.json.decode(result)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"answered {method} with what cannot be read"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text) from error
    items = page.get(MEMBER[method]) if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {method} without a list of objects")
    cursor = page.get("nextCursor")
    if cursor is not None and not isinstance(cursor, str):
        raise failure(
            Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {method} with a cursor that is no string"
        )
    return items, cursor
