import pytest

from doorward.model.call import Era
from doorward.wire.headers import decode_name, encode_name, upstream_headers

SCHEMA = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


@pytest.mark.spec("DW-132")
def test_legacy_sends_what_was_negotiated() -> None:
    params = {"name": "echo"}
    assert upstream_headers(Era.LEGACY, "2025-11-25", "tools/call", params, session_id="s1") == [
        (b"mcp-protocol-version", b"2025-11-25"),
        (b"mcp-session-id", b"s1"),
    ]
    assert upstream_headers(Era.LEGACY, None, "initialize", {}) == []
    assert upstream_headers(Era.LEGACY, "2025-03-26", "ping", None) == []  # the header is younger than that


@pytest.mark.spec("DW-110", "DW-134")
def test_modern_repeats_the_body() -> None:
    params = {"name": "grüße", "arguments": {"region": "eu, west"}}
    assert upstream_headers(Era.MODERN, "2026-07-28", "tools/call", params, input_schema=SCHEMA) == [
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"tools/call"),
        (b"mcp-name", b"=?base64?Z3LDvMOfZQ==?="),
        (b"mcp-param-region", b"eu, west"),
    ]
    assert upstream_headers(Era.MODERN, "2026-07-28", "resources/read", {"uri": "a:b"})[2] == (
        b"mcp-name",
        b"a:b",
    )


@pytest.mark.spec("DW-134")
def test_modern_methods_without_a_name_have_none() -> None:
    for method, params in (
        ("tools/list", {"name": "x"}),
        ("server/discover", None),
        ("tools/call", {"name": 5}),
    ):
        fields = upstream_headers(Era.MODERN, "2026-07-28", method, params, input_schema=SCHEMA)
        assert [name for name, _ in fields] == [b"mcp-protocol-version", b"mcp-method"]


@pytest.mark.spec("DW-133")
def test_a_session_is_never_sent_to_a_modern_server() -> None:
    fields = upstream_headers(Era.MODERN, "2026-07-28", "tools/list", None, session_id="s1")
    assert b"mcp-session-id" not in dict(fields)


@pytest.mark.spec("DW-104")
def test_values_are_wrapped_by_the_same_functions() -> None:
    assert decode_name(encode_name("é").encode()) == "é"
