"""The call that comes again: a client spells its calls of one tool alike, but for their ids and arguments.

Guarantees: a call is recognised only when the very text around its id and its arguments was read strictly
before, with another id and other arguments in these two places (`Shapes.learn` proves that it is these two),
and when what now stands there is one whole integer and one whole object in strict JSON. As JSON has one
reading, the message is then what it was, but for these two. Everything else is left to `jsonrpc.parse`.
"""

from typing import Any, Final

import msgspec

from doorward.model.call import Series, Spelled
from doorward.model.errors import CallerError
from doorward.wire import jsonrpc, meta, strict

MAX_HEADS: Final = 1024
MAX_TAILS: Final = 4
"""Of one head: whoever has more writes something new into every call."""
MAX_TEXT: Final = 1024
"""Bytes of a head or a tail."""
MAX_BODY: Final = 256 * 1024
"""Longer ones are read as if for the first time: the whole message has bounds that its parts do not."""
_MAX_TRIES: Final = 20_000
"""Messages that taught nothing; then nobody tries any more."""

_ARGUMENTS: Final = b'"arguments":'
_SKIP: Final = len(_ARGUMENTS)
_ID_FIRST: Final = b'{"jsonrpc":"2.0","id":'
_ID_AT: Final = len(_ID_FIRST)
_DIGITS: Final = 16
_ID_MOST: Final = _ID_AT + _DIGITS
_ONE: Final = b"1"
# Put into the two places to see what they are.
_OTHER_ID: Final = 715_302_846_991_357
_OTHER_ARGUMENTS: Final = {"\x00": _OTHER_ID}


class Shape(msgspec.Struct, eq=False):
    """What one spelling of a `tools/call` says. Shared by all calls of it: never to be changed."""

    tail: bytes
    request: jsonrpc.Request
    """Its id and its arguments are somebody else's."""
    params: dict[str, Any]
    """Without `_meta`."""
    envelope: meta.Envelope
    meta: dict[str, Any]
    """What else `_meta` held."""
    plain: bool
    """Nothing but a name and arguments is in `params`, and nothing beside them has to be sent on."""
    series: dict[tuple[object, ...], Series] = {}
    """By what of a head makes a difference: for whoever reads calls of this shape."""


class Shapes:
    """Remembers spellings, within bounds. One per process; used from one event loop."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Shape, ...]] = {}
        """By the text before the arguments, without the id where the id comes first."""
        self._tries = _MAX_TRIES

    def find(self, body: bytes) -> tuple[Shape, int, Spelled] | None:
        """The shape, the id and the arguments of a call whose like was read before. Never raises."""
        if len(body) > MAX_BODY:
            return None
        at = body.find(_ARGUMENTS) + _SKIP
        if body.startswith(_ID_FIRST):
            end = body.find(b",", _ID_AT, _ID_MOST)
            digits = body[_ID_AT:end]
            stop = len(body)
            shapes = self._known.get(body[end:at])
        else:
            stop = body.rfind(b":") + 1
            digits = body[stop:-1] if body.endswith(b"}") and len(body) - stop <= _DIGITS else b""
            shapes = self._known.get(body[:at])
        if shapes is None or not digits.isdigit() or digits < _ONE:  # zeros at the front are no JSON
            return None
        for shape in shapes:
            if body.endswith(shape.tail, at, stop):
                found = strict.compact(body[at : stop - len(shape.tail)])
                return None if found is None else (shape, int(digits), found)
        return None

    def learn(self, body: bytes, request: jsonrpc.Request) -> None:
        """`body` was read strictly as `request` and found good."""
        if self._tries <= 0 or request.method != "tools/call" or len(body) > MAX_BODY:
            return
        holes = _holes(body, request)
        if holes is None or not self._room(holes[0], holes[1]):
            return
        self._tries -= 1
        shape = _prove(*holes, request)
        if shape is None:
            return
        self._tries += 1
        head = holes[0]
        if len(self._known) >= MAX_HEADS:
            self._known.clear()
        self._known[head] = (*self._known.get(head, ()), shape)

    def _room(self, head: bytes, tail: bytes) -> bool:
        shapes = self._known.get(head, ())
        return len(shapes) < MAX_TAILS and all(shape.tail != tail for shape in shapes)


def _holes(body: bytes, request: jsonrpc.Request) -> tuple[bytes, bytes, bool] | None:
    """The text before and after the arguments, without the id, and whether the id comes first."""
    params = request.params or {}
    arguments = params.get("arguments")
    at = body.find(_ARGUMENTS) + _SKIP
    id_text = str(request.id).encode()
    if at < _SKIP or not isinstance(arguments, dict) or type(request.id) is not int:
        return None
    written = strict.encode(arguments)
    if not body.startswith(written, at):
        return None
    after = body[at + len(written) :]
    if body.startswith(_ID_FIRST + id_text + b","):
        head, tail, first = body[_ID_AT + len(id_text) : at], after, True
    elif after.endswith(b":" + id_text + b"}"):
        head, tail, first = body[:at], after[: -len(id_text) - 1], False
    else:
        return None
    return (head, tail, first) if len(head) <= MAX_TEXT and len(tail) <= MAX_TEXT else None


def _prove(head: bytes, tail: bytes, id_first: bool, request: jsonrpc.Request) -> Shape | None:
    """Fill the holes with something else and read that: nothing but the id and the arguments may be new."""
    other_id, other = b"%d" % _OTHER_ID, strict.encode(_OTHER_ARGUMENTS)
    if id_first:
        probe = b"".join((_ID_FIRST, other_id, head, other, tail))
    else:
        probe = b"".join((head, other, tail, other_id, b"}"))
    params = {**(request.params or {}), "arguments": _OTHER_ARGUMENTS}
    try:
        said = jsonrpc.parse(probe)
    except CallerError:
        return None
    if said != jsonrpc.Request(_OTHER_ID, request.method, params):
        return None
    bare, envelope, rest = meta.split_meta(params)
    named = len(bare) == 2 and isinstance(bare.get("name"), str)
    plain = named and envelope.progress_token is None and not rest
    return Shape(tail, said, bare, envelope, rest, plain)
