"""A large message read in steps: as strictly as `jsonrpc.parse`, and never for long at a time.

Its members are decoded as far as routing and rules look at them. What is large among the arguments stays the
text that arrived: it has been judged whole (`slices`), it is what is sent, and whoever wants to look into it
decodes it.
"""

from collections.abc import Generator
from typing import Any, Final, NoReturn

import msgspec

from doorward.model.call import Spelled
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc, slices

SMALL: Final = 1536
"""Bytes; even the costliest text of this size is read in 4 ms."""
LARGE: Final = 16 * 1024
"""Bytes; a text of up to this size is read at once, unless it may be costly."""
LEAF: Final = 8 * 1024
"""Bytes; a larger value among the arguments stays a msgspec.Raw."""
MAX_MEMBER: Final = 64 * 1024
"""Bytes of every other member of a message and its params that the protocol knows."""
_BRACE: Final = ord("{")
_OPENED: Final = frozenset({"arguments", "inputResponses"})
_INTRODUCTION: Final = frozenset({"capabilities", "clientInfo"})  # bounded with `initialize` as a whole

_decode = msgspec.json.Decoder().decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Large(msgspec.Struct, frozen=True, gc=False):
    """What was read."""

    message: jsonrpc.Message
    spelled: Spelled | None
    """Of `params.arguments`, when they are an object."""


def takes_long(data: bytes) -> bool:
    """Whether a text of more than SMALL bytes is to be read in steps."""
    return len(data) > LARGE or slices.costly(data)


def parse(data: bytes) -> Generator[None, None, Large]:
    """Yields between steps of which none takes long.

    Raises CallerError as `jsonrpc.parse` and `slices.check` do, with INVALID_REQUEST for a member that is
    larger than MAX_MEMBER, and BATCH_UNSUPPORTED for every batch.
    """
    yield from slices.check(data)
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)  # one line, as a server on stdio needs it
        yield
    start = data.lstrip(b" \t")[:1]
    if start == b"[":
        raise CallerError(Reason.BATCH_UNSUPPORTED, "not a batch that could be taken apart here")
    if start != b"{":
        _refuse("a message must be an object")
    members = _decode_members(data)
    yield
    outer: dict[str, Any] = {}
    spelled = None
    for name, raw in members.items():
        if name == "params" and _is_object(raw):
            outer[name], spelled = yield from _params(raw)
        elif name in ("result", "error") and _is_object(raw):
            outer[name] = yield from _opened(raw)
        else:
            outer[name] = _small(name, raw) if name in jsonrpc.MEMBERS else None
            yield
    return Large(jsonrpc.message_of(outer), spelled)


def _params(raw: msgspec.Raw) -> Generator[None, None, tuple[dict[str, Any], Spelled | None]]:
    members = _decode_members(raw)
    yield
    params: dict[str, Any] = {}
    spelled = None
    for name, member in members.items():
        if name in _OPENED and _is_object(member):
            params[name] = yield from _opened(member)
            if name == "arguments":
                text = bytes(member)
                spelled = Spelled(params[name], text, text, raw=True)
        elif name in jsonrpc.PARAMS and name not in _INTRODUCTION:
            params[name] = _small(f"params.{name}", member)
        else:
            params[name] = _leaf(member)
        yield
    return params, spelled


def _opened(raw: msgspec.Raw) -> Generator[None, None, dict[str, Any]]:
    members = _decode_members(raw)
    yield
    opened: dict[str, Any] = {}
    for name, member in members.items():
        opened[name] = _leaf(member)
        if len(memoryview(member)) > LEAF // 8:
            yield
    return opened


def _leaf(raw: msgspec.Raw) -> Any:
    return raw if len(memoryview(raw)) > LEAF else _decode(raw)


def _small(name: str, raw: msgspec.Raw) -> Any:
    if len(memoryview(raw)) > MAX_MEMBER:
        _refuse(f"{name} is larger than {MAX_MEMBER} bytes")
    return _decode(raw)


def _is_object(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == _BRACE


def _refuse(message: str) -> NoReturn:
    raise CallerError(Reason.INVALID_REQUEST, message)
