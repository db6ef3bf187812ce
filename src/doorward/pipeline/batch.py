"""JSON-RPC batches, which only 2025-03-26 has: each message goes through the door on its own."""

from typing import Any

import msgspec

from doorward.model.call import Inbound
from doorward.model.errors import DoorwardError
from doorward.model.principal import Principal
from doorward.pipeline.read import SESSION_HEADER
from doorward.ports.sessions import Sessions
from doorward.wire import large, versions

MAX_MARKS = 20_000
"""Commas and brackets of a batch that is large: taking it apart is one step, which must not take long."""
_RAW_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class _Item(msgspec.Struct):
    method: Any = None


_ITEM = msgspec.json.Decoder(_Item)


def looks_like_batch(body: bytes) -> bool:
    """Whether the first significant byte opens an array."""
    first = body[:1]
    return first != b"{" and (first == b"[" or body.lstrip(b" \t\r\n")[:1] == b"[")


def split(inbound: Inbound, principal: Principal, sessions: Sessions) -> list[Inbound]:
    """The messages of a batch as messages of their own; empty where the session's revision has no batches or
    the bytes are no array of 1 to 64 items: the strict parser then refuses the whole with the exact reason.
    """
    session_id = inbound.headers.get(SESSION_HEADER)
    if session_id is None or (len(inbound.body) > large.LARGE and _has_many_marks(inbound.body)):
        return []
    try:
        session = sessions.get(session_id.decode("latin-1"), principal, inbound.endpoint)
        items = _RAW_ITEMS.decode(inbound.body)
    except (DoorwardError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return []
    if session.version != versions.BATCH_VERSION or not 0 < len(items) <= versions.MAX_BATCH:
        return []
    if any(_method(item) == "initialize" for item in items):
        # It must not be part of a batch (MCP 2025-03-26, lifecycle): nobody would get its session id.
        return []
    return [msgspec.structs.replace(inbound, body=bytes(item)) for item in items]


def _has_many_marks(body: bytes) -> bool:
    return body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_MARKS


def _method(item: msgspec.Raw) -> Any:
    """None for what is no message: the strict parser says what is wrong with it."""
    try:
        return _ITEM.decode(item).method
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
