"""URIs in what a server asks of a model, and in the answer, as the aggregate endpoint has them.

A conversation to be sampled may hold results of tools, and in these the blocks that have URIs in a tool's own
result: `resource_link` and embedded `resource` (2025-11-25 and 2026-07-28, ToolResultContent). The client
knows what it can read by the names of `/mcp` (wire/uris.py), so it is asked in these, and what it answers
goes back in the server's own. Forms, visited URLs and a client's roots are no resources of a server.

In what a server sends all other values keep their bytes, as in relocate.py.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

import msgspec

from doorward.wire import uris

SAMPLING: Final = "sampling/createMessage"
PAUSE: Final = 64
"""Blocks or messages between two steps."""
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Json = dict[str, Any]
Raws = dict[str, msgspec.Raw]
Steps = Generator[None, None, msgspec.Raw | None]
Block = Callable[[str, msgspec.Raw], msgspec.Raw | None]
Rename = Callable[[str], str]


class _Asked(msgspec.Struct):
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")


_NONE: Final = msgspec.Raw(b"null")
_EMPTY: Final = msgspec.Raw(b"[]")
_raws: Final = msgspec.json.Decoder(Raws).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_asked: Final = msgspec.json.Decoder(_Asked).decode
_any: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.encode


def requests(server: str, raw: msgspec.Raw, block: Block) -> Steps:
    """`inputRequests` of a result (2026-07-28) in steps; None where nothing in it changes.

    `block` rewrites one content block of a tool's result.
    """
    try:
        members = _raws(raw)
        changed = {}
        for name, one in members.items():
            found = yield from _request(server, one, block)
            if found is not None:
                changed[name] = found
    except FAULTS:
        return None
    return msgspec.Raw(_encode({**members, **changed})) if changed else None


def _request(server: str, raw: msgspec.Raw, block: Block) -> Steps:
    said = _asked(raw)
    if said.method != SAMPLING:
        return None
    params = _raws(said.params)
    messages = yield from _each(params.get("messages", _EMPTY), lambda one: _message(server, one, block))
    if messages is None:
        return None
    return msgspec.Raw(_encode({**_raws(raw), "params": {**params, "messages": messages}}))


def _message(server: str, raw: msgspec.Raw, block: Block) -> Steps:
    members = _raws(raw)
    content = members.get("content", _NONE)
    if bytes(content).lstrip().startswith(b"["):
        found = yield from _each(content, lambda one: _result(server, one, block))
    else:
        found = yield from _result(server, content, block)
    return None if found is None else msgspec.Raw(_encode({**members, "content": found}))


def _result(server: str, raw: msgspec.Raw, block: Block) -> Steps:
    """A block that may be a tool's result."""
    members = _raws(raw)
    if _any(members.get("type", _NONE)) != "tool_result":
        return None
    found = yield from _each(members.get("content", _EMPTY), lambda one: _plain(block(server, one)))
    return None if found is None else msgspec.Raw(_encode({**members, "content": found}))


def _each(raw: msgspec.Raw, change: Callable[[msgspec.Raw], Steps]) -> Steps:
    items, changed = _array(raw), False
    for position, item in enumerate(items):
        found = yield from change(item)
        if found is not None:
            items[position], changed = found, True
        if position % PAUSE == PAUSE - 1:
            yield
    return msgspec.Raw(_encode(items)) if changed else None


def _plain(found: msgspec.Raw | None) -> Steps:
    yield from ()
    return found


def question(server: str, method: str, params: Json) -> Json:
    """The params of a server's own request (up to 2025-11-25) as the client is asked."""
    messages = params.get("messages")
    if method != SAMPLING or not isinstance(messages, list):
        return params
    return {**params, "messages": [_renamed(one, lambda uri: uris.expose(server, uri)) for one in messages]}


def answer(server: str, result: Json) -> Json:
    """A client's result as the server gets it: what is another server's, or nobody's, stays as it is."""
    found: Json = _renamed(result, lambda uri: _own(server, uri))
    return found


def answers(server: str, responses: Any) -> Any:
    """`inputResponses` of a retry (2026-07-28), likewise."""
    if not isinstance(responses, Mapping):
        return responses
    return {name: answer(server, one) if isinstance(one, dict) else one for name, one in responses.items()}


def _own(server: str, uri: str) -> str:
    found = uris.own(uri)
    return found[1] if found is not None and found[0] == server else uri


def _renamed(message: Any, rename: Rename) -> Any:
    """A message of a conversation, with all URIs in the results of tools in it."""
    if not isinstance(message, dict):
        return message
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [_of_result(one, rename) for one in content]}
    return {**message, "content": _of_result(content, rename)} if isinstance(content, dict) else message


def _of_result(block: Any, rename: Rename) -> Any:
    if not isinstance(block, dict) or block.get("type") != "tool_result":
        return block
    content = block.get("content")
    return (
        {**block, "content": [_of_block(one, rename) for one in content]}
        if isinstance(content, list)
        else block
    )


def _of_block(block: Any, rename: Rename) -> Any:
    if not isinstance(block, dict):
        return block
    if block.get("type") == "resource_link":
        return _with_uri(block, rename)
    if block.get("type") == "resource":
        return {**block, "resource": _with_uri(block.get("resource"), rename)}
    return block


def _with_uri(holder: Any, rename: Rename) -> Any:
    if isinstance(holder, dict) and isinstance(holder.get("uri"), str):
        return {**holder, "uri": rename(holder["uri"])}
    return holder
