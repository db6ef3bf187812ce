"""A server's results with the URIs that the aggregate endpoint knows them by (wire/uris.py).

URIs are where MCP's schema puts them: `resource_link` and embedded `resource` blocks of tool results and
prompt messages, `contents` of what was read, `data.uri` of an error, what models are asked about them
(relocate_asked.py), and the links of MCP Apps in `_meta`.
What stands in texts, in `structuredContent` and in anything else is the server's own and stays as it is.

Only what leads to a changed URI is written anew, and of that only names and punctuation: every other value
keeps its bytes, so numbers keep their spelling whatever their size. A result without such a URI is returned
as it came; what a server put in the place of a URI that is none, too.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

import msgspec

from doorward.wire import relocate_asked, strict, uris
from doorward.wire.errors import WireError
from doorward.wire.members import members_of

APP_LINKS: Final = ("ui/resourceUri", "openai/outputTemplate")
"""Members of `_meta` that hold the URI of an app's page; so does `ui.resourceUri` (SEP-1865)."""
MAX_BLOCKS: Final = 20_000
"""Objects in one `content`, `contents` or `messages`: each is looked at by itself."""
PAUSE: Final = 64
"""Blocks between two steps."""
_SHORT: Final = 64 * 1024
_EMBEDDED: Final = "resource"
_LINK: Final = "resource_link"
_LOCATED: Final = (_LINK, _EMBEDDED)
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Json = dict[str, msgspec.Raw]
One = Callable[[str, msgspec.Raw], msgspec.Raw | None]
_encode: Final = msgspec.json.encode
_object: Final = msgspec.json.Decoder(Json).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any: Final = msgspec.json.Decoder().decode
_NONE: Final = msgspec.Raw()


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


class _Glance(msgspec.Struct, gc=False, rename={"meta": "_meta", "asked": "inputRequests"}):
    """Of a tool's result what tells whether there is anything to rewrite; the rest is skipped."""

    content: list[_Kind] = []
    meta: msgspec.Raw = _NONE
    asked: msgspec.Raw = _NONE


class _Block(msgspec.Struct, gc=False):
    """What tells whether there is a URI in a content block; the rest is skipped and not built."""

    type: msgspec.Raw = _NONE


_block: Final = msgspec.json.Decoder(_Block).decode
_glance: Final = msgspec.json.Decoder(_Glance).decode


def may_hold(method: str, result: bytes) -> bool:
    """Whether `result` has to be looked at. Nearly every tool's has not, and that costs one glance."""
    if method != "tools/call":
        return method in _LISTS
    if len(result) > _SHORT:
        return True  # where there may be many blocks they are counted before they are looked at
    try:
        seen = _glance(result)
    except _FAULTS:
        return True
    for block in seen.content:
        if block.type in _LOCATED:
            return True
    return seen.meta is not _NONE or seen.asked is not _NONE


def steps(server: str, method: str, raw: bytes) -> Generator[None, None, bytes]:
    """The result of `method` (one that `may_hold` a URI) as the aggregate has it; yields now and then.

    Raises WireError for one that has too many parts to be looked at.
    """
    try:
        members = members_of(raw)
    except _FAULTS:
        return raw  # whatever it is, there is nothing in it that a client would take for a URI
    name, one = _LISTS[method]
    found = (yield from _each(server, members[name], one)) if name in members else None
    meta = _linked(server, members["_meta"]) if "_meta" in members else None
    asked = None
    if "inputRequests" in members:
        asked = yield from relocate_asked.requests(server, members["inputRequests"], _content)
    if found is None and meta is None and asked is None:
        return raw
    if found is not None:
        members[name] = found
    if asked is not None:
        members["inputRequests"] = asked
    if meta is not None:
        members["_meta"] = meta
    return _encode(members)


def error_data(server: str, data: Any) -> Any:
    """`data` of an error: what was not found is named as the caller named it."""
    if isinstance(data, dict) and isinstance(data.get("uri"), str):
        return {**data, "uri": uris.expose(server, data["uri"])}
    return data


def app_links(server: str, meta: Any) -> Any:
    """`_meta` of a listed object or a result; the very same where no app is linked to."""
    if not isinstance(meta, dict):
        return meta
    found: dict[str, Any]
    found = {name: uris.expose(server, meta[name]) for name in APP_LINKS if _is_app(meta.get(name))}
    ui = meta.get("ui")
    if isinstance(ui, dict) and _is_app(ui.get("resourceUri")):
        found["ui"] = {**ui, "resourceUri": uris.expose(server, ui["resourceUri"])}
    return {**meta, **found} if found else meta


def _each(server: str, raw: msgspec.Raw, one: One) -> Generator[None, None, msgspec.Raw | None]:
    """The array with each of its objects done; None when none of them changes."""
    data = bytes(raw)
    if data.count(b"{") > MAX_BLOCKS and strict.objects(data) > MAX_BLOCKS:
        raise WireError(f"a result has more than {MAX_BLOCKS} parts")
    try:
        items = _array(data)
    except _FAULTS:
        return None
    changed = False
    for position, item in enumerate(items):
        found = one(server, item)
        if found is not None:
            items[position], changed = found, True
        if position % PAUSE == PAUSE - 1:
            yield
    return msgspec.Raw(_encode(items)) if changed else None


def _content(server: str, raw: msgspec.Raw) -> msgspec.Raw | None:
    """A content block (MCP schema, ContentBlock)."""
    try:
        kind = _any(_block(raw).type)
        if kind == _LINK:
            return _with_uri(server, _object(raw))
        if kind != _EMBEDDED:
            return None
        members = _object(raw)
        resource = _with_uri(server, _object(members.get("resource", _NONE)))
    except _FAULTS:
        return None
    return None if resource is None else msgspec.Raw(_encode({**members, "resource": resource}))


def _message(server: str, raw: msgspec.Raw) -> msgspec.Raw | None:
    """A prompt's message has one block as its content (MCP schema, PromptMessage)."""
    try:
        members = _object(raw)
    except _FAULTS:
        return None
    content = _content(server, members.get("content", _NONE))
    return None if content is None else msgspec.Raw(_encode({**members, "content": content}))


def _contents(server: str, raw: msgspec.Raw) -> msgspec.Raw | None:
    """What was read (MCP schema, ResourceContents)."""
    try:
        return _with_uri(server, _object(raw))
    except _FAULTS:
        return None


def _with_uri(server: str, members: Json) -> msgspec.Raw | None:
    """The object with its `uri` rewritten; None without one. Raises _FAULTS."""
    uri = _any(members.get("uri", _NONE))
    if not isinstance(uri, str):
        return None
    return msgspec.Raw(_encode({**members, "uri": uris.expose(server, uri)}))


def _linked(server: str, raw: msgspec.Raw) -> msgspec.Raw | None:
    """`_meta` of a result with its links to apps rewritten; None when it has none."""
    if b"ui" not in bytes(raw) and b"\\u" not in bytes(raw):
        return None
    try:
        members = _object(raw)
        told = {name: _any(value) for name, value in members.items() if name in ("ui", *APP_LINKS)}
    except _FAULTS:
        return None
    linked = app_links(server, told)
    changed = {
        name: _replaced(members[name], value) for name, value in linked.items() if value is not told[name]
    }
    return msgspec.Raw(_encode({**members, **changed})) if changed else None


def _replaced(raw: msgspec.Raw, value: Any) -> Any:
    """An object keeps the spelling of all its members but the link."""
    if not isinstance(value, dict):
        return value
    return {**_object(raw), "resourceUri": value["resourceUri"]}


def _is_app(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("ui://")


_LISTS: Final[dict[str, tuple[str, One]]] = {
    "tools/call": ("content", _content),
    "prompts/get": ("messages", _message),
    "resources/read": ("contents", _contents),
}
