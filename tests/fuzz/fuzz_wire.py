"""Fuzz targets of `doorward.wire`: only the promised errors, and agreement with a slow second opinion."""

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import (
    bridge,
    era,
    header_values,
    jsonrpc,
    meta,
    param_headers,
    relocate,
    sse,
    strict,
    uris,
)
from doorward.wire.errors import BridgeUnsupported, WireError
from tests.fuzz.engine import Target


class Refused(ValueError):
    """The second opinion says no."""


def _expect(error: CallerError, *reasons: Reason) -> None:
    assert error.reason in reasons, error.reason


def second_opinion(data: bytes) -> Any:
    """Strict JSON by the standard library. Raises Refused."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate has no UTF-8
    except (ValueError, RecursionError):
        raise Refused from None
    if _depth(value) > strict.MAX_DEPTH:
        raise Refused
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused
    return found


def _refuse(_: str) -> NoReturn:
    raise Refused


def _finite(text: str) -> float:
    value = float(text)
    digits = "".join(filter(str.isdigit, text.lower().partition("e")[0])).strip("0")
    if math.isinf(value) or (digits and not value):
        raise Refused
    if len(digits) > 17 and Decimal(text) != Decimal(repr(value)):
        raise Refused
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        inner = [one for one in level if isinstance(one, dict | list)]
        depth += bool(inner)
        level = [child for one in inner for child in (one.values() if isinstance(one, dict) else one)]
    return depth


def _same(left: Any, right: Any) -> bool:
    return repr(left) == repr(right)  # tells 1 from 1.0 and True, and 0.0 from -0.0


def fuzz_strict(data: bytes) -> None:
    try:
        value = strict.decode(data)
    except CallerError as error:
        _expect(error, Reason.PARSE_ERROR, Reason.INVALID_REQUEST)
        try:
            second_opinion(data)
        except Refused:
            return
        raise AssertionError("refused without a reason") from None
    assert _same(value, second_opinion(data))
    assert _same(strict.decode(strict.encode(value)), value)
    assert strict.depth(data) == _depth(value)


def fuzz_parse(data: bytes) -> None:
    try:
        message = jsonrpc.parse(data)
    except CallerError as error:
        _expect(error, Reason.PARSE_ERROR, Reason.INVALID_REQUEST)
        return
    for one in message.items if isinstance(message, jsonrpc.Batch) else [message]:
        if isinstance(one, jsonrpc.Request):
            assert type(one.id) in (int, str)
            again = jsonrpc.parse(jsonrpc.encode_request(one.id, one.method, one.params))
            assert _same(again, one)
        _split(one)


def _split(message: jsonrpc.Message) -> None:
    if isinstance(message, jsonrpc.Response):
        return
    try:
        _, envelope, rest = meta.split_meta(message.params or {})
    except CallerError as error:
        _expect(error, Reason.INVALID_PARAMS)
        return
    assert meta.ENVELOPE_KEYS.isdisjoint(rest)
    assert type(envelope.progress_token) in (int, str, type(None))


def fuzz_upstream(data: bytes) -> None:
    try:
        message = jsonrpc.parse_upstream(data)
    except WireError:
        return
    seen = json.loads(data.decode("utf-8"))
    assert seen["jsonrpc"] == "2.0"
    if isinstance(message, jsonrpc.UpstreamResult):
        assert _same(json.loads(message.result), seen["result"])
        assert _same(message.id, seen["id"])
        assert b"\n" not in message.result
        for caller in Era:
            _bridge(message.result, caller)


def _bridge(raw: bytes, caller: Era) -> None:
    upstream = Era.LEGACY if caller is Era.MODERN else Era.MODERN
    try:
        found = bridge.result_down(
            raw, "tools/call", upstream_era=upstream, caller_era=caller, caller_version="2025-11-25"
        )
    except (BridgeUnsupported, WireError):
        return
    value = json.loads(found)
    assert value.get("resultType") == ("complete" if caller is Era.MODERN else None)


def fuzz_era(data: bytes) -> None:
    """Three lines of headers, then the body."""
    version, method, name, body = (data.split(b"\n", 3) + [b""] * 3)[:4]
    headers = {b"mcp-protocol-version": version, b"mcp-method": method, b"mcp-name": name}
    headers = {key: value for key, value in headers.items() if value}
    try:
        message = jsonrpc.parse(body)
        if isinstance(message, jsonrpc.Batch):
            return
        seen = era.classify(headers, message, has_session=True)
        era.classify_stdio(message, has_session=True)
    except CallerError:
        return
    claims = era.claims_modern(message) or version.strip().startswith(b"2026")
    assert seen.era is (Era.MODERN if claims else Era.LEGACY)


def fuzz_sse(data: bytes) -> None:
    try:
        whole = sse.SseParser(MAX_EVENT).feed(data)
    except WireError:
        return
    cut = data[0] if data else 0
    parser = sse.SseParser(MAX_EVENT)
    assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == whole
    for event in whole:
        (again,) = sse.SseParser(2 * MAX_EVENT + 64).feed(sse.encode_event(event.data))
        assert again.data == b"\n".join(event.data.splitlines())


MAX_EVENT = 2048


def fuzz_headers(data: bytes) -> None:
    try:
        text = header_values.decode_name(data)
    except CallerError as error:
        _expect(error, Reason.HEADER_MISMATCH)
        return
    assert header_values.decode_name(header_values.encode_name(text).encode("ascii")) == text


def fuzz_schema(data: bytes) -> None:
    """A schema, a line end, the arguments."""
    schema_text, _, arguments_text = data.partition(b"\n")
    try:
        schema, arguments = strict.decode(schema_text), strict.decode(arguments_text)
    except CallerError:
        return
    faults = param_headers.invalid_annotations(schema)
    if not isinstance(arguments, dict):
        return
    found = param_headers.param_headers(schema, arguments)
    assert not (faults and found)
    wire = {name.lower().encode("ascii"): value.encode("ascii") for name, value in found.items()}
    param_headers.check_param_headers(wire, schema, arguments)


def fuzz_uri(data: bytes) -> None:
    server, _, text = data.decode("latin-1").partition("\n")
    found = uris.own(text)
    assert found is None or uris.expose(*found) == text
    if re.fullmatch(r"[a-z0-9-]{1,16}", server):
        assert uris.own(uris.expose(server, text)) == (server, text)


def fuzz_relocate(data: bytes) -> None:
    for method in ("tools/call", "prompts/get", "resources/read"):
        work = relocate.steps("a", method, data)
        while True:
            try:
                next(work)
            except StopIteration as done:
                if done.value != data:
                    assert relocate.may_hold(method, data)
                    msgspec.json.decode(done.value, type=dict[str, msgspec.Raw])
                break
            except WireError:
                break


CALL = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1,2.5,-0,1e3],"b":"\\u00e9'
    b'\\ud83d\\ude00\\n\\\\"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    b'"io.modelcontextprotocol/clientCapabilities":{},"progressToken":"1"}}}'
)
RESULT = (
    b'{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"hi"}],'
    b'"structuredContent":{"n":1.0}}}'
)
MESSAGES = (
    CALL,
    RESULT,
    b'{ "jsonrpc": "2.0", "id": 12345678901234567890, "method": "ping" }',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x","data":[true,false,null]}}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"}]',
    b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","structuredContent":[1],"ttlMs":1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x"}}}',
)
WORDS = (
    *(b'"id":', b'"Id":', b'"method":', b'"params":{', b'"name":', b'"_meta":', b'"result":', b'"error":'),
    *(
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"NaN",
        b"Infinity",
        b"99999999999999999999",
        b'"a":1,',
        b" ",
        b"\n",
        b"\t",
    ),
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b'\\"', b"\\\\", b"\\ud800", b"\\udc00", b"\\u0000"),
    *(b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
)
HEADS = b"2026-07-28\ntools/call\necho\n"
STREAM = (
    b"\xef\xbb\xbfid: 1\r\ndata: {\r\ndata: }\r\n\r\n: c\n\nevent: message\ndata: x\n\n",
    b"retry: 10\rdata:\r\r",
)
SCHEMA = (
    b'{"properties":{"a":{"type":"integer","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"B"}}}'
    b'\n{"a":42,"b":"c"}'
)
LOCATED = (b"a\nfile:///x", b"b\nui://a/{card}", b"1\nx.1+a+ui://c")
LINKS = (
    b'{"content":[{"type":"resource_link","uri":"f:x"},{"type":"resource","resource":{"uri":"f:x"}}]}',
    b'{"content":[],"_meta":{"ui":{"resourceUri":"ui://c"},"ui/resourceUri":"ui://c"}}',
    b'{"messages":[{"role":"user","content":{"type":"resource_link","uri":"f:x"}}]}',
    b'{"contents":[{"uri":"f:x","text":"t"}]}',
)
LINK_WORDS = (b'"content":[', b'"type":"resource_link"', b'"uri":"f:x"', b'"_meta":{', b'"ui":{')

TARGETS = (
    Target("strict", fuzz_strict, MESSAGES, WORDS),
    Target("parse", fuzz_parse, MESSAGES, WORDS),
    Target("upstream", fuzz_upstream, MESSAGES, WORDS),
    Target(
        "era", fuzz_era, (HEADS + CALL, b"2025-11-25\n\n\n" + MESSAGES[2], b"\n\n\n" + MESSAGES[3]), WORDS
    ),
    Target(
        "sse", fuzz_sse, STREAM, (b"\r", b"\n", b"\r\n", b"data", b":", b"id: ", b"\0", b"event:", b"retry:")
    ),
    Target(
        "header",
        fuzz_headers,
        (b"echo", b"=?base64?ZWNobw==?=", b" a b "),
        (b"=?base64?", b"?=", b"=", b"\xc3\xa9"),
    ),
    Target(
        "schema",
        fuzz_schema,
        (SCHEMA,),
        (*WORDS, b'"x-mcp-header":', b'"items":', b'"anyOf":', b'"properties":{'),
    ),
    Target("uri", fuzz_uri, LOCATED, (b"ui://", b"+", b"x.", b"a", b"1", b"/", b":", b"{+a}", b"\n")),
    Target("relocate", fuzz_relocate, LINKS, (*WORDS, *LINK_WORDS)),
)
