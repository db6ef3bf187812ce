"""Walks a paginated list to its end: every page, no cycle, no end without end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from doorward.model.errors import UpstreamError
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
"""Of one list. Each is read and indexed in the event loop, which every other server's callers share."""
AT_ONCE: Final = 100
"""Items that are read before others have their turn, some 5 us each."""
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


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
        page = _page(server, method, await fetch(params))
        found, cursor = _items(server, method, page.get(MEMBER[method])), _cursor(server, method, page)
        if len(items) + len(found) > MAX_ITEMS:
            text = f"lists more than {MAX_ITEMS} items with {method}"
            raise failure(Reason.UPSTREAM_REPLY_TOO_LARGE, server, text)
        for at in range(0, len(found), AT_ONCE):
            items += _read(server, method, found[at : at + AT_ONCE])
            await asyncio.sleep(0)
        if cursor is None:
            return items
        if cursor in seen:
            raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"repeats a cursor of {method}")
        seen.add(cursor)
        params = {"cursor": cursor}
    raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"has more than {max_pages} pages of {method}")


def _page(server: str, method: str, result: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _members(result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(server, method) from error


def _items(server: str, method: str, member: msgspec.Raw | None) -> list[msgspec.Raw]:
    try:
        return _list(b"null" if member is None else member)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_objects(server, method) from error


def _read(server: str, method: str, items: Sequence[msgspec.Raw]) -> list[dict[str, Any]]:
    found = [_decoded(server, method, item) for item in items]
    if not all(isinstance(item, dict) for item in found):
        raise _no_objects(server, method)
    return found


def _cursor(server: str, method: str, page: Mapping[str, msgspec.Raw]) -> str | None:
    said = page.get("nextCursor")
    cursor = None if said is None else _decoded(server, method, said)
    if cursor is not None and not isinstance(cursor, str):
        raise failure(
            Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {method} with a cursor that is no string"
        )
    return cursor


def _decoded(server: str, method: str, said: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(server, method) from error


def _unreadable(server: str, method: str) -> UpstreamError:
    return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {method} with what cannot be read")


def _no_objects(server: str, method: str) -> UpstreamError:
    return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"answered {method} without a list of objects")
