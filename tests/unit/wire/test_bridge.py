import json
from typing import Any

import pytest

from doorward.model.call import Era
from doorward.model.target import Kind
from doorward.wire import bridge, meta, methods
from doorward.wire.errors import BridgeUnsupported, WireError

LEGACY, MODERN = Era.LEGACY, Era.MODERN
TEXT = [{"type": "text", "text": "hello"}]


def down(raw: bytes, method: str = "tools/call", *, to: Era, version: str = "2025-11-25") -> Any:
    source = MODERN if to is LEGACY else LEGACY
    return json.loads(
        bridge.result_down(raw, method, upstream_era=source, caller_era=to, caller_version=version)
    )


@pytest.mark.spec("DW-280", "DW-345")
@pytest.mark.parametrize("era", Era)
@pytest.mark.parametrize("raw", [b'{"resultType":"input_required"}', b'{ "a" : 1, "a" : 2 }', b"not json"])
def test_within_one_era_nothing_is_touched(era: Era, raw: bytes) -> None:
    assert bridge.result_down(raw, "tools/call", upstream_era=era, caller_era=era, caller_version="x") is raw


@pytest.mark.spec("DW-273", "DW-306")
def test_to_legacy_the_modern_members_go() -> None:
    raw = {
        "resultType": "complete",
        "contents": [{"uri": "a:b", "text": "x"}],
        "ttlMs": 5,
        "cacheScope": "public",
        "_meta": {meta.SERVER_INFO: {"name": "s"}, "x": 1},
    }
    expected = {"contents": raw["contents"], "_meta": {"x": 1}}
    assert down(json.dumps(raw).encode(), "resources/read", to=LEGACY) == expected
    assert down(json.dumps({"_meta": {meta.SERVER_INFO: {}}}).encode(), to=LEGACY) == {}


@pytest.mark.spec("DW-307")
@pytest.mark.parametrize("raw", [b'{"content":[]}', b'{"resultType":"complete","content":[]}'])
def test_an_absent_result_type_counts_as_complete(raw: bytes) -> None:
    assert down(raw, to=LEGACY) == {"content": []}


@pytest.mark.spec("DW-308")
@pytest.mark.parametrize("kind", [b'"input_required"', b'"task"', b'"later"', b"null", b"1"])
def test_what_is_not_complete_has_no_legacy_form(kind: bytes) -> None:
    with pytest.raises(BridgeUnsupported):
        down(b'{"resultType":%b,"content":[]}' % kind, to=LEGACY)


@pytest.mark.spec("DW-305")
@pytest.mark.parametrize("structured", [[1, 2], "text", 5, None, True])
def test_structured_content_that_is_no_object_becomes_text(structured: Any) -> None:
    raw: dict[str, Any] = {"content": TEXT, "structuredContent": structured}
    assert down(json.dumps(raw).encode(), to=LEGACY) == {"content": TEXT}
    alone = down(json.dumps({"content": [], "structuredContent": structured}).encode(), to=LEGACY)
    assert json.loads(alone["content"][0]["text"]) == structured
    assert "structuredContent" not in alone


@pytest.mark.spec("DW-305")
def test_structured_content_goes_to_those_who_know_it() -> None:
    raw = json.dumps({"content": TEXT, "structuredContent": {"a": 1}}).encode()
    assert down(raw, to=LEGACY, version="2025-06-18") == {"content": TEXT, "structuredContent": {"a": 1}}
    assert down(raw, to=LEGACY, version="2025-03-26") == {"content": TEXT}


@pytest.mark.spec("DW-270", "DW-273", "DW-306")
def test_to_modern_a_result_is_complete_and_nobody_elses() -> None:
    assert down(b'{"content":[]}', to=MODERN) == {"content": [], "resultType": "complete"}
    for method in bridge.CACHEABLE:
        found = down(b'{"resultType":"task","ttlMs":9,"cacheScope":"public","n":1.0}', method, to=MODERN)
        assert found == {"n": 1.0, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


@pytest.mark.spec("DW-302")
def test_values_that_are_not_converted_keep_their_spelling() -> None:
    raw = b'{"big":123456789012345678901234567890,"f":1.10,"e":1E5}'
    found = bridge.result_down(
        raw, "tools/call", upstream_era=LEGACY, caller_era=MODERN, caller_version="2026-07-28"
    )
    assert found == raw[:-1] + b',"resultType":"complete"}'


@pytest.mark.spec("DW-308")
@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'{"a":}', b'{"a":' * 100_000])
def test_what_is_no_object_is_the_upstreams_fault(raw: bytes) -> None:
    for era in Era:
        with pytest.raises(WireError):
            down(raw, to=era)


@pytest.mark.spec("DW-305")
def test_structured_text_that_is_no_utf8_is_the_upstreams_fault() -> None:
    with pytest.raises(WireError):
        down(b'{"structuredContent":"\xff"}', to=LEGACY)


@pytest.mark.spec("DW-281")
@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (-32020, {"a": 1}, (-32603, "m", None)),
        (-32022, {"supported": []}, (-32603, "m", None)),
        (-32021, {"requiredCapabilities": {}}, (-32021, "m", {"requiredCapabilities": {}})),
        (-32602, {"uri": "a:b"}, (-32002, "m", {"uri": "a:b"})),
        (-32602, {"uri": 5}, (-32602, "m", {"uri": 5})),
        (-32602, None, (-32602, "m", None)),
        (-32601, None, (-32601, "m", None)),
        (-1, "x", (-1, "m", "x")),
    ],
)
def test_modern_errors_for_legacy_callers(code: int, data: Any, expected: tuple[int, str, Any]) -> None:
    assert bridge.error_down(code, "m", data, upstream_era=MODERN, caller_era=LEGACY) == expected
    assert bridge.error_down(code, "m", data, upstream_era=MODERN, caller_era=MODERN) == (code, "m", data)


@pytest.mark.spec("DW-282")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-32002, -32602),
        (-32042, -32603),
        (-32020, -32603),
        (-32099, -32603),
        (-32000, -32000),
        (-32019, -32019),
    ],
)
def test_legacy_errors_for_modern_callers(code: int, expected: int) -> None:
    found = bridge.error_down(code, "m", {"uri": "a"}, upstream_era=LEGACY, caller_era=MODERN)
    assert found == (expected, "m", {"uri": "a"})
    assert bridge.error_down(code, "m", 1, upstream_era=LEGACY, caller_era=LEGACY) == (code, "m", 1)


@pytest.mark.spec("DW-282")
@pytest.mark.parametrize(("code", "expected"), [(-32002, -32602), (-32042, -32603)])
def test_codes_of_before_reach_no_modern_caller(code: int, expected: int) -> None:
    found = bridge.error_down(code, "m", {"uri": "a"}, upstream_era=MODERN, caller_era=MODERN)
    assert found == (expected, "m", {"uri": "a"})


@pytest.mark.spec("DW-282")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"requiredCapabilities": {"roots": {}}}, -32021),
        ({"requiredCapabilities": []}, -32603),
        ({}, -32603),
        (None, -32603),
    ],
)
def test_a_legacy_server_may_name_what_a_modern_caller_lacks(data: Any, expected: int) -> None:
    found = bridge.error_down(-32021, "m", data, upstream_era=LEGACY, caller_era=MODERN)
    assert found == (expected, "m", data)


@pytest.mark.spec("DW-312")
def test_the_method_of_the_upstream_leg() -> None:
    for version in methods.TABLES:
        assert bridge.method_up("tools/call", upstream_version=version) == "tools/call"
    for method, version in [
        ("resources/subscribe", "2026-07-28"),
        ("logging/setLevel", "2026-07-28"),
        ("subscriptions/listen", "2025-11-25"),
        ("roots/list", "2025-11-25"),
        ("notifications/cancelled", "2025-11-25"),
        ("tasks/get", "2025-11-25"),
    ]:
        with pytest.raises(BridgeUnsupported):
            bridge.method_up(method, upstream_version=version)


OBJECT = {"type": "object", "$defs": {"a": {"$anchor": "b"}}}


@pytest.mark.spec("DW-188")
@pytest.mark.parametrize("output", [{"type": "array"}, {}, True, None, {"type": ["object"]}], ids=str)
def test_an_output_schema_of_no_object_is_not_shown_to_legacy_clients(output: Any) -> None:
    listed = {"name": "t", "inputSchema": OBJECT, "outputSchema": output, "x": 1}
    expected = {"name": "t", "inputSchema": OBJECT, "x": 1}
    assert bridge.definition_down(Kind.TOOL, listed, "2025-11-25") == expected
    assert bridge.definition_down(Kind.TOOL, listed, "2026-07-28") == listed
    assert listed["outputSchema"] == output


@pytest.mark.spec("DW-188")
def test_what_every_revision_can_read_is_relayed_untouched() -> None:
    listed = {
        "name": "t",
        "title": "T",
        "inputSchema": OBJECT,
        "outputSchema": OBJECT,
        "icons": [],
        "_meta": {},
    }
    for version in methods.TABLES:
        assert bridge.definition_down(Kind.TOOL, listed, version) == listed
    assert bridge.definition_down(Kind.PROMPT, {"name": "p"}, "2024-11-05") == {"name": "p"}


@pytest.mark.spec("DW-188")
def test_an_input_schema_is_of_type_object_or_not_shown() -> None:
    implied = bridge.definition_down(
        Kind.TOOL, {"name": "t", "inputSchema": {"properties": {}}}, "2025-11-25"
    )
    assert implied == {"name": "t", "inputSchema": {"type": "object", "properties": {}}}
    unusable: list[Any] = [None, True, [], {"type": "string"}, {"type": ["object", "null"]}]
    for schema in unusable:
        assert bridge.definition_down(Kind.TOOL, {"name": "t", "inputSchema": schema}, "2025-11-25") is None
    assert bridge.definition_down(Kind.TOOL, {"name": "t"}, "2025-11-25") is None


@pytest.mark.spec("DW-049", "DW-050")
def test_the_handshakes() -> None:
    capabilities: dict[str, Any] = {"tools": {}, "extensions": {"x": {}}, "tasks": {}}
    assert bridge.initialize_result(
        version="2025-06-18", capabilities=capabilities, server_info={"name": "s"}, instructions="do"
    ) == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}, "tasks": {}},
        "serverInfo": {"name": "s"},
        "instructions": "do",
    }
    assert bridge.discover_result(capabilities=capabilities, server_info={"name": "s"}) == {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}, "extensions": {"x": {}}},
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {meta.SERVER_INFO: {"name": "s"}},
    }
    assert "instructions" not in bridge.initialize_result(version="x", capabilities={}, server_info={})
    assert bridge.discover_result(capabilities={}, server_info={}, instructions="i")["instructions"] == "i"


@pytest.mark.spec("DW-271")
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('"ttlMs":5,"cacheScope":"public"', 5),
        ('"ttlMs":5,"cacheScope":"private"', 5),
        ('"cacheScope":"public","cache\\u0053cope":"public"', 0),
        ('"ttlMs":-1', 0),
        ('"ttlMs":1e300', 0),
        ('"ttlMs":"60000"', 0),
        ('"ttlMs":true', 0),
        ('"ttlMs":null', 0),
        ('"ttlMs":9223372036854775807', bridge.MAX_TTL_MS),
        ('"ttlMs":99999999999999999999999999', bridge.MAX_TTL_MS),
        ('"ttlMs":1,"ttlMs":2', 2),
    ],
)
def test_what_a_caller_keeps_it_keeps_for_itself_and_not_for_ever(said: str, kept: int) -> None:
    result = '{"contents":[{"uri":"a:b","text":"\\u00e9 1.50"}],' + said + ',"x":1.50}'

    private = bridge.kept_by_one(result.encode())

    assert private.count(b"cacheScope") == private.count(b"ttlMs") == 1
    assert json.loads(private)["cacheScope"] == "private"
    assert json.loads(private)["ttlMs"] == kept
    assert b'"contents":[{"uri":"a:b","text":"\\u00e9 1.50"}]' in private
    assert b'"x":1.50' in private


@pytest.mark.spec("DW-308")
def test_what_is_no_object_can_be_kept_by_nobody() -> None:
    with pytest.raises(WireError):
        bridge.kept_by_one(b"[]")
