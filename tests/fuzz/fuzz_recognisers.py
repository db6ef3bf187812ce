"""Fuzz targets of the fast ways of `doorward.wire`, each held against the slow way that it spares: what a
fast way accepts the slow one has to read as the same. And of what proxies in front say.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from doorward.edge import forwarded, proxy_v2
from doorward.edge.peers import Networks, canonical
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc, large, meta, replies, shapes, slices, strict
from doorward.wire.errors import WireError
from tests.fuzz.engine import Target
from tests.fuzz.fuzz_wire import CALL, MESSAGES, RESULT
from tests.fuzz.fuzz_wire import WORDS as JSON_WORDS

APART = b"\x1e"
ORIGIN, CLIENT = "192.0.2.1", "203.0.113.9"


def _reason(read: Callable[[], Any]) -> Reason | None:
    """Why it was refused; None when it was not."""
    try:
        read()
    except CallerError as error:
        return error.reason
    return None


def _exhaust(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def fuzz_slices(data: bytes) -> None:
    """One byte chooses how large the pieces are; the rest is the text."""
    piece, text = 2 + (data[0] if data else 0) % 64, data[1:]
    whole = _reason(lambda: strict.decode(text))
    pieces = _reason(lambda: _exhaust(slices.check(text, piece)))
    assert {whole, pieces} <= {None, Reason.PARSE_ERROR, Reason.INVALID_REQUEST}
    assert (whole is None) == (pieces is None) or (pieces is not None and slices.costly(text))


def _in_steps(data: bytes) -> large.Large:
    reading = large.parse(data)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            read: large.Large = done.value
            return read


def fuzz_large(data: bytes) -> None:
    """A message read in steps is the message that is read at once."""
    refused = _reason(lambda: jsonrpc.parse(data))
    in_steps = _reason(lambda: _in_steps(data))
    if data.lstrip(b" \t\r\n")[:1] == b"[" or (in_steps is not None and slices.costly(data)):
        assert in_steps is not None  # no batches, and fewer dear numbers
        return
    assert (refused is None) == (in_steps is None)
    if refused is None:
        read = _in_steps(data)
        assert repr(read.message) == repr(jsonrpc.parse(data))
        if read.spelled is not None:
            assert repr(strict.decode(read.spelled.compact)) == repr(read.spelled.arguments)


def fuzz_shapes(data: bytes) -> None:
    """Messages, RS between them, of which each may be recognised by those before it."""
    known = shapes.Shapes()
    for body in data.split(APART):
        again = known.find(body)
        try:
            message = jsonrpc.parse(body)
            params = (message.params if isinstance(message, jsonrpc.Request) else None) or {}
            bare, envelope, rest = meta.split_meta(params)
        except CallerError:
            assert again is None, "recognised what is refused"
            continue
        if again is None:
            if isinstance(message, jsonrpc.Request):
                known.learn(body, message, "alice")
            continue
        shape, request_id, spelled = again
        assert isinstance(message, jsonrpc.Request)
        assert (request_id, shape.request.method) == (message.id, message.method)
        assert repr(spelled.arguments) == repr(params["arguments"])
        assert repr(strict.decode(spelled.compact)) == repr(spelled.arguments)
        assert {**shape.params, "arguments": None} == {**bare, "arguments": None}
        assert (shape.envelope, shape.meta) == (envelope, rest)


def fuzz_answer_at_sight(data: bytes) -> None:
    """A blank in front keeps a reply from being known at sight; it may not change what is read."""
    outcomes: list[object] = []
    for spelled in (data, b" " + data):
        try:
            message = replies.parse_upstream(spelled)
        except WireError:
            outcomes.append(None)
            continue
        if isinstance(message, replies.UpstreamResult):  # blanks between tokens may be kept or not
            outcomes.append((repr(message.id), msgspec.json.format(message.result, indent=-1)))
        else:
            outcomes.append(repr(message))
    assert outcomes[0] == outcomes[1]


def fuzz_proxy(data: bytes) -> None:
    """A PROXY header names an address or is refused."""
    try:
        proxy_v2.check(data)
        if len(data) < proxy_v2.FIXED:
            return
        end = proxy_v2.FIXED + proxy_v2.following(data[: proxy_v2.FIXED])
        if len(data) < end:
            return
        source = proxy_v2.source(data[: proxy_v2.FIXED], data[proxy_v2.FIXED : end])
    except proxy_v2.ProxyFault:
        return
    assert source is None or canonical(source) == source


def fuzz_forwarded(data: bytes) -> None:
    """What a client writes ahead of what its proxy writes never chooses who the client is."""
    for name, own in ((b"x-forwarded-for", CLIENT.encode()), (b"forwarded", b"for=" + CLIENT.encode())):
        for field in (data + b", " + own, data):
            client = _client({name: field})
            assert client is None or canonical(client) == client
            assert client in (None, CLIENT) or not field.endswith(b", " + own)


def _client(fields: dict[bytes, bytes]) -> str | None:
    """None when the fields are refused."""
    try:
        return forwarded.Proxies(Networks([ORIGIN])).client(ORIGIN, fields)
    except CallerError as error:
        if error.reason is not Reason.FORWARDED_INVALID:
            raise
        return None


PLAIN = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{%b}}}'
LAST = b'{"method":"tools/call","params":{"name":"echo","arguments":{%b}},"jsonrpc":"2.0","id":%d}'
MODERN = (
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":'
    b'"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"echo","arguments":{%b}}}'
)
AGAIN = (
    APART.join((PLAIN % (1, b'"a":1'), PLAIN % (2, b'"a":2,"b":"c"'), PLAIN % (33, b""))),
    APART.join((LAST % (b'"a":1', 1), LAST % (b'"a":{"b":[1,2]}', 2), LAST % (b"", 33))),
    APART.join(
        (MODERN % (1, b'"a":1'), MODERN % (2, b'"arguments":{"a":1}'), MODERN % (3, b'"a":"\\u0041"'))
    ),
    APART.join((PLAIN % (1, b'"a":1'), PLAIN % (1, b'"a":1,"a":1'), PLAIN % (1, b'"a":1}') + b" ")),
)
SIGHTS = (
    RESULT.replace(b'"a"', b"1"),
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
    b'{"id":1,"jsonrpc":"2.0","result":{"a":[]}}',
    b'{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
    b'{"jsonrpc":"2.0","i\\u0064":1,"result":{}}',
)
PREFACES = (
    proxy_v2.SIGNATURE + b"\x21\x11\x00\x0c" + bytes(range(1, 13)),
    proxy_v2.SIGNATURE + b"\x21\x21\x00\x27" + bytes(range(36)) + b"\x04\x00\x00",
    proxy_v2.SIGNATURE + b"\x20\x00\x00\x00",
)
HOPS = (
    b"198.51.100.7, 192.0.2.1",
    b'for="[2001:db8::1]:4711";proto=https;by=203.0.113.43, for=unknown, for=_x',
    b'for="a\\"b",',
    b"::ffff:192.0.2.1, [::1]:80",
)
HOP_WORDS = (
    b"for=",
    b'"',
    b"\\",
    b",",
    b";",
    b"=",
    b"[",
    b"]",
    b":",
    b"192.0.2.1",
    b"proto=http",
    b"unknown",
    b" ",
    b"%",
)

TARGETS = (
    Target("slices", fuzz_slices, tuple(b"\5" + one for one in MESSAGES), JSON_WORDS, guided=True),
    Target("large", fuzz_large, MESSAGES, JSON_WORDS),
    Target(
        "shapes",
        fuzz_shapes,
        (*AGAIN, CALL + APART + CALL),
        (*JSON_WORDS, APART, b'"arguments":', b'{"jsonrpc":"2.0","id":', b'"arguments":{}'),
        guided=True,
    ),
    Target("answer_at_sight", fuzz_answer_at_sight, (*SIGHTS, *MESSAGES), JSON_WORDS, guided=True),
    Target("proxy", fuzz_proxy, PREFACES, (b"\x20", b"\x21", b"\x11", b"\x12", b"\0", b"\xff\xff")),
    Target("forwarded", fuzz_forwarded, HOPS, HOP_WORDS),
)
