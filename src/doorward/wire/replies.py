"""What an upstream sends, read with the blame on its side: WireError, never CallerError.

The envelope is read strictly; `result` stays the raw bytes that arrived, so that what is delivered can be
digested, scanned and spliced without being built as a tree first.
"""

from typing import Any, Final

import msgspec

from doorward.model.call import RequestId
from doorward.wire import versions
from doorward.wire.errors import WireError
from doorward.wire.members import members_of
from doorward.wire.slices import costly


class UpstreamResult(msgspec.Struct, frozen=True):
    """`result` is the raw JSON object."""

    id: RequestId
    result: bytes


class UpstreamError(msgspec.Struct, frozen=True):
    """`id` is None where the server could not, or did not, say which request it means."""

    id: RequestId | None
    code: int
    message: str
    data: Any
    """A msgspec.Raw when it is large."""


class UpstreamRequest(msgspec.Struct, frozen=True):
    """The server asks the client something (legacy only)."""

    id: RequestId
    method: str
    params: dict[str, Any] | None


class UpstreamNotification(msgspec.Struct, frozen=True):
    """The server tells the client something."""

    method: str
    params: dict[str, Any] | None


UpstreamMessage = UpstreamResult | UpstreamError | UpstreamRequest | UpstreamNotification


class _ErrorBody(msgspec.Struct):
    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _PlainResult(msgspec.Struct, gc=False):
    """The usual answer: these members and no other."""

    jsonrpc: str
    id: int
    result: msgspec.Raw


_ABSENT: Final = msgspec.Raw()
_BLANKS: Final = b" \t\r\n"


class _Kind(msgspec.Struct):
    method: msgspec.Raw = _ABSENT


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_plain = msgspec.json.Decoder(_PlainResult).decode
_decode_error = msgspec.json.Decoder(_ErrorBody).decode
_decode_params = msgspec.json.Decoder(dict[str, Any]).decode
_decode_method = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

MAX_DECODED: Final = 64 * 1024
"""Bytes of what is decoded of a server's message: params; an error's data stay raw when they are longer."""
DENSE: Final = 256 * 1024
"""Bytes beyond which a message may not be made of brackets: the decoder's slowest way to skip a value."""
_SMALL: Final = 1536
_VERSION: Final = b'"2.0"'
# Numbers, because CPython 3.11 looks for bytes in bytes by raising and dropping a TypeError first.
_LF: Final = 10
_CR: Final = 13
_PLAIN: Final = len('{"jsonrpc":"2.0","id":,"result":}')


def parse_upstream(data: bytes) -> UpstreamMessage:
    """One message of an upstream. White space between tokens is not kept, so a result fits into one stdio
    line.

    Raises WireError for what is not UTF-8, not JSON, not one JSON-RPC 2.0 message, has an envelope member
    twice, params larger than MAX_DECODED, or is large and nothing but brackets. So is a batch: see `batched`.
    """
    if len(data) > DENSE and dense(data):
        raise WireError("hardly anything in it but brackets")
    try:
        plain = _plain(data)
        return plain if plain is not None else _message(_members(data))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise WireError("not a JSON-RPC message in UTF-8") from None
    except RecursionError:
        raise WireError("nested too deeply") from None


def batched(data: bytes) -> list[bytes]:
    """The messages of a batch, which a server of 2025-03-26 may send and its client must take ("Batching").

    Each is to be parsed by itself. Answers come last: what else is there is about what they end. Empty for
    anything else, for a batch in a batch, and for more than versions.MAX_BATCH messages.
    """
    if not data.lstrip(_BLANKS).startswith(b"[") or (len(data) > DENSE and dense(data)):
        return []
    try:
        found = [(_decode_kind(one).method == _ABSENT, bytes(one)) for one in _decode_batch(data)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    if len(found) > versions.MAX_BATCH:
        return []
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def dense(data: bytes) -> bool:
    """Whether there is hardly anything in it but brackets. A megabyte of those takes 5.5 ms to skip. A list
    of empty lists, with one opening bracket in three bytes, is the most that passes."""
    return 20 * (data.count(b"[") + data.count(b"{")) > 7 * len(data)


def _plain(data: bytes) -> UpstreamResult | None:
    """The usual answer, in one step instead of a dozen; None leaves the judgement to the strict way.

    Each of the three members is there, and the text is as long as their shortest spelling: so there is room
    for no other member, no second one of a name, no escape in a name and no white space around any of them.
    """
    if _LF in data or _CR in data:
        return None
    if not data.isascii():
        data.decode()
    try:
        found = _decode_plain(data)
    except msgspec.MsgspecError:
        return None
    result = bytes(found.result)
    whole = _PLAIN + len(str(found.id)) + len(result)
    if len(data) != whole or found.jsonrpc != "2.0" or not result.startswith(b"{"):
        return None
    return UpstreamResult(found.id, result)


def _members(data: bytes) -> dict[str, msgspec.Raw]:
    """The envelope's members, each exactly once. msgspec.Raw does not check the encoding of strings: done
    here."""
    if not data.isascii():
        data.decode()
    if _LF not in data and _CR not in data:
        members = members_of(data)
        if _length(members) == len(data):
            return members
    compact = msgspec.json.format(data, indent=-1)  # keeps repeated members
    members = members_of(compact)
    if _length(members) != len(compact):
        raise WireError("a member of the envelope is repeated or its name is escaped")
    return members


def _length(members: dict[str, msgspec.Raw]) -> int:
    """Of these members written out compactly. A text that has one of them twice is longer than that: no other
    spelling of a name is shorter than its encoding, and nothing else is left out."""
    return 1 + sum([len(_encode(name)) + len(memoryview(raw)) + 2 for name, raw in members.items()])


def _message(members: dict[str, msgspec.Raw]) -> UpstreamMessage:
    if "jsonrpc" not in members or bytes(members["jsonrpc"]) != _VERSION:
        raise WireError('jsonrpc is not "2.0"')
    kinds = members.keys() & {"method", "result", "error"}
    if len(kinds) != 1:
        raise WireError("neither or more than one of method, result and error")
    if "result" in members:
        result = bytes(members["result"])
        if not result.startswith(b"{"):
            raise WireError("result is not an object")
        return UpstreamResult(_id(members), result)
    if "error" in members:
        error = _decode_error(members["error"])
        data = msgspec.Raw(bytes(error.data)) if _takes_long(error.data) else _decode_any(error.data)
        return UpstreamError(_error_id(members), error.code, error.message, data)
    method = _decode_method(members["method"])
    params = None
    if "params" in members:
        if _takes_long(members["params"]):
            raise WireError(f"a notification or a request of a server takes too long to read: {method[:40]}")
        params = _decode_params(members["params"])
    if "id" in members:
        return UpstreamRequest(_id(members), method, params)
    return UpstreamNotification(method, params)


def _takes_long(raw: msgspec.Raw) -> bool:
    """Whether decoding it would hold the event loop for more than some 5 ms."""
    size = len(memoryview(raw))
    return size > _SMALL and (size > MAX_DECODED or costly(bytes(raw)))


def _id(members: dict[str, msgspec.Raw]) -> RequestId:
    value = _decode_any(members["id"]) if "id" in members else None
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise WireError("id is neither a string nor an integer")


def _error_id(members: dict[str, msgspec.Raw]) -> RequestId | None:
    """SDKs write `"id":null` where no id was readable (research brief 2.7), the schemas leave the member
    out."""
    if "id" not in members or bytes(members["id"]) == b"null":
        return None
    return _id(members)
