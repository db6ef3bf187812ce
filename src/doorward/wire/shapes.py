"""The call that comes again: a client spells its calls of one tool alike, but for their ids and arguments.

Guarantees: a call is recognised only when the very text around its id and its arguments was read strictly
before, with another id and other arguments in these two places (`Shapes.learn` proves that it is these two),
and when what now stands there is one whole integer and one whole object in strict JSON. As JSON has one
reading, the message is then what it was, but for these two. Everything else is left to `jsonrpc.parse`.
"""

import re
from collections import Counter
from typing import Any, Final

import msgspec

from doorward.model.call import RequestId, Series, Spelled
from doorward.model.errors import CallerError
from doorward.wire import jsonrpc, meta, strict

MAX_SHAPES: Final = 4096
MAX_TAUGHT: Final = 512
"""Shapes that one caller may teach, or try to: by itself nobody can push out what others have taught."""
MAX_CALLERS: Final = 65_536
MAX_TAILS: Final = 4
"""Of one head and one caller: whoever has more writes something new into every call."""
MOST_TAILS: Final = 16
"""Of one head, whoever taught them: they are tried one after the other."""
MAX_TEXT: Final = 1024
"""Bytes of a head or a tail."""
MAX_BODY: Final = 256 * 1024
"""Longer ones are read as if for the first time: the whole message has bounds that its parts do not."""
_ARGUMENTS: Final = b'"arguments":'
_SKIP: Final = len(_ARGUMENTS)
_ID_FIRST: Final = b'{"jsonrpc":"2.0","id":'
_ID_AT: Final = len(_ID_FIRST)
_ID_AFTER_METHOD: Final = b'{"jsonrpc":"2.0","method":"tools/call","id":'
"""As the Java SDK writes it, its ids being texts."""
_DIGITS: Final = 16
_TEXT_MOST: Final = 66
_text_id: Final = re.compile(rb'"([A-Za-z0-9_.-]{1,64})"').fullmatch
"""Texts of these stand for themselves in JSON."""
_ONE: Final = b"1"
_NEW: Final = frozenset({"progressToken", "traceparent", "tracestate"})
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
    teacher: str
    """The caller that was the first to spell a call so."""
    series: dict[tuple[object, ...], Series] = {}
    """By what of a head makes a difference: for whoever reads calls of this shape."""


class Shapes:
    """Remembers spellings, within bounds. One per process; used from one event loop."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Shape, ...]] = {}
        """By the text before the arguments, without the id where the id comes first."""
        self._shapes = 0
        self._taught: dict[str, int] = {}
        """By caller."""

    def find(self, body: bytes) -> tuple[Shape, RequestId, Spelled] | None:
        """The shape, the id and the arguments of a call whose like was read before. Never raises."""
        if len(body) > MAX_BODY:
            return None
        at = body.find(_ARGUMENTS) + _SKIP
        if body.startswith(_ID_FIRST):
            end = body.find(b",", _ID_AT, _ID_AT + _TEXT_MOST + 1)
            digits = body[_ID_AT:end]
            stop = len(body)
            shapes = self._known.get(body[end:at])
        elif body.startswith(_ID_AFTER_METHOD):
            start = len(_ID_AFTER_METHOD)
            end = body.find(b",", start, start + _TEXT_MOST + 1)
            digits = body[start:end]
            stop = len(body)
            shapes = self._known.get(_ID_AFTER_METHOD + body[end:at])
        else:
            stop = body.rfind(b":") + 1
            digits = body[stop:-1] if body.endswith(b"}") and len(body) - stop <= _TEXT_MOST + 1 else b""
            shapes = self._known.get(body[:at])
        if shapes is None:
            return None
        request_id: RequestId
        if digits.isdigit() and digits >= _ONE and len(digits) <= _DIGITS:  # zeros at the front are no JSON
            request_id = int(digits)
        elif (text := _text_id(digits)) is not None:
            request_id = text[1].decode()
        else:
            return None
        for shape in shapes:
            if body.endswith(shape.tail, at, stop):
                found = strict.compact(body[at : stop - len(shape.tail)])
                if found is not None:
                    return shape, request_id, found
        return None

    def learn(self, body: bytes, request: jsonrpc.Request, caller: str) -> None:
        """`body` was read strictly as `request` of that caller, and found good."""
        if request.method != "tools/call" or len(body) > MAX_BODY or _always_new(request):
            return
        holes = _holes(body, request)
        if holes is None or self._beside(holes, caller) is None or not self._may_teach(caller):
            return
        shape = _prove(holes, request, caller)
        tails = self._beside(holes, caller)
        if shape is not None and tails is not None:
            self._shapes += 1 + len(tails) - len(self._known.get(holes.head, ()))
            # The longest first: a call that says `_meta` after its arguments ends like one without, too.
            tails = (*tails, shape)
            self._known[holes.head] = tuple(sorted(tails, key=lambda one: len(one.tail), reverse=True))

    def _beside(self, holes: "_Holes", caller: str) -> tuple[Shape, ...] | None:
        """Those of the same head that stay when this caller teaches one more; None where it may not.

        Where there is no more room one makes way of whoever has the most, if that is fairer than before.
        """
        shapes = self._known.get(holes.head, ())
        held = Counter(shape.teacher for shape in shapes)
        if held[caller] >= MAX_TAILS or any(shape.tail == holes.tail for shape in shapes):
            return None
        if len(shapes) < MOST_TAILS:
            return shapes
        [(greediest, most)] = held.most_common(1)
        if most < held[caller] + 2:
            return None
        out = next(shape for shape in shapes if shape.teacher == greediest)
        return tuple(shape for shape in shapes if shape is not out)

    def _may_teach(self, caller: str) -> bool:
        """Also counts it."""
        if self._shapes >= MAX_SHAPES or len(self._taught) >= MAX_CALLERS:
            self._known.clear()
            self._taught.clear()
            self._shapes = 0
        taught = self._taught.get(caller, 0)
        self._taught[caller] = taught + 1
        return taught < MAX_TAUGHT


class _Holes(msgspec.Struct, frozen=True):
    """A spelling without its id and its arguments."""

    head: bytes
    """The key: the text before the arguments; where the id stands in it, what is before that only as far as
    it has to tell one form from another."""
    before: bytes
    """What is before the id, or before the arguments where the id is last."""
    between: bytes
    """What is between the two, whichever comes first."""
    tail: bytes
    """What is after the arguments; without the end where the id is last."""
    id_last: bool

    def filled(self, request_id: bytes, arguments: bytes) -> bytes:
        if self.id_last:
            return b"".join((self.before, arguments, self.tail, request_id, b"}"))
        return b"".join((self.before, request_id, self.between, arguments, self.tail))


def _always_new(request: jsonrpc.Request) -> bool:
    """Whether no call is spelled like it again: the SDKs number progress as they number calls, and each call
    has a span of its own (SEP-414)."""
    given = (request.params or {}).get("_meta")
    return isinstance(given, dict) and not _NEW.isdisjoint(given)


def _holes(body: bytes, request: jsonrpc.Request) -> _Holes | None:
    arguments = (request.params or {}).get("arguments")
    at = body.find(_ARGUMENTS) + _SKIP
    id_text = strict.encode(request.id)
    if at < _SKIP or not isinstance(arguments, dict):
        return None
    written = strict.encode(arguments)
    if not body.startswith(written, at):
        return None
    after = body[at + len(written) :]
    found = None
    for opening, key in ((_ID_FIRST, b""), (_ID_AFTER_METHOD, _ID_AFTER_METHOD)):
        if body.startswith(opening + id_text + b","):
            between = body[len(opening) + len(id_text) : at]
            found = _Holes(key + between, opening, between, after, id_last=False)
    if found is None and after.endswith(b":" + id_text + b"}"):
        found = _Holes(body[:at], body[:at], b"", after[: -len(id_text) - 1], id_last=True)
    if found is None or len(found.head) > MAX_TEXT or len(found.tail) > MAX_TEXT:
        return None
    return found


def _prove(holes: _Holes, request: jsonrpc.Request, caller: str) -> Shape | None:
    """Fill the holes with something else and read that: nothing but the id and the arguments may be new.

    One value of JSON may stand wherever another one does, so a number proves the place for texts as well.
    """
    probe = holes.filled(b"%d" % _OTHER_ID, strict.encode(_OTHER_ARGUMENTS))
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
    return Shape(holes.tail, said, bare, envelope, rest, plain, caller)
