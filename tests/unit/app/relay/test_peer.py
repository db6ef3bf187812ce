"""Which header fields a line gets, from nothing but the lines and answers before it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.app.relay.peer import MAX_SCHEMAS, Peer
from doorward.model.call import Era
from doorward.wire import era, jsonrpc
from tests.unit.app.relay.fakes import INITIALIZE, INITIALIZED, MODERN, modern, notification, request

CANCELLED = notification("notifications/cancelled", {"requestId": 1})
SCHEMA = {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "R"}}}


def line(message: Any) -> bytes:
    return json.dumps(message).encode()


def fields(peer: Peer, message: Any) -> dict[str, str] | None:
    found = peer.fields(peer.read(line(message)))
    return None if found is None else {name.decode(): value.decode() for name, value in found}


def opened(version: Any = "2025-11-25", session_id: bytes | None = b"s1") -> Peer:
    peer = Peer()
    result = json.dumps({"protocolVersion": version}).encode()
    peer.learn(peer.read(line(INITIALIZE)), result, session_id)
    return peer


def listed(peer: Peer, *tools: Any) -> None:
    peer.learn(peer.read(line(modern(1, "tools/list"))), json.dumps({"tools": list(tools)}).encode(), None)


def test_no_nesting_is_too_deep_to_learn_from() -> None:
    peer = Peer()
    deep = b"[" * 5000 + b"]" * 5000
    peer.learn(peer.read(line(INITIALIZE)), b'{"protocolVersion":"2025-11-25","a":%b}' % deep, None)
    schema = b'{"x-mcp-header":%b}' % deep
    peer.learn(
        peer.read(line(modern(1, "tools/list"))), b'{"tools":[{"name":"a","inputSchema":%b}]}' % schema, None
    )

    assert peer.legacy_version is None
    assert peer._schemas == {}


@pytest.mark.parametrize(
    ("version", "session_id", "expected"),
    [
        ("2025-11-25", b"s1", {"mcp-protocol-version": "2025-11-25", "mcp-session-id": "s1"}),
        ("2025-11-25", None, {"mcp-protocol-version": "2025-11-25"}),
        ("2025-03-26", b"s1", {"mcp-session-id": "s1"}),
        ("1999-01-01\r\nX: y", b"s1", {"mcp-session-id": "s1"}),
        (7, b"s1", {"mcp-session-id": "s1"}),
        ("2025-11-25", b"s 1", {"mcp-protocol-version": "2025-11-25"}),
        ("2025-11-25", b"s\xff", {"mcp-protocol-version": "2025-11-25"}),
        ("2025-11-25", b"", {"mcp-protocol-version": "2025-11-25"}),
    ],
)
def test_a_legacy_message_repeats_what_initialize_agreed_on(
    version: Any, session_id: bytes | None, expected: dict[str, str]
) -> None:
    assert fields(opened(version, session_id), request(1, "tools/list")) == expected


def test_initialize_names_no_session_even_when_there_is_one() -> None:
    assert fields(opened(), INITIALIZE) == {}


def test_only_the_session_that_was_used_is_forgotten() -> None:
    peer = opened(session_id=b"s2")
    peer.forget_session(b"s1")
    peer.forget_session(None)
    assert peer.session_id == b"s2"
    peer.forget_session(b"s2")
    assert peer.session_id is None


@pytest.mark.spec("DW-053")
@pytest.mark.parametrize(
    ("peer", "message", "expected"),
    [
        (Peer(), modern(1, "tools/list"), Era.MODERN),
        (opened(), modern(1, "tools/list"), Era.MODERN),
        (Peer(), request(1, "tools/list"), Era.LEGACY),
        (Peer(), INITIALIZED, Era.LEGACY),
        (Peer(), CANCELLED, Era.MODERN),
        (opened(), CANCELLED, Era.LEGACY),
        (opened("2024-11-05", None), CANCELLED, Era.LEGACY),
        (Peer(), [request(1, "ping")], Era.LEGACY),
        (Peer(), {"jsonrpc": "2.0", "id": 1, "result": {}}, Era.LEGACY),
        (Peer(), "no message", Era.LEGACY),
    ],
)
def test_the_era_of_a_line(peer: Peer, message: Any, expected: Era) -> None:
    assert peer.read(line(message)).era is expected


def test_a_modern_notification_has_the_version_that_was_claimed_last() -> None:
    peer = Peer()
    claim = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}}
    peer.read(line(request(1, "tools/list", claim)))

    assert fields(peer, CANCELLED) == {
        "mcp-protocol-version": "2027-01-01",
        "mcp-method": "notifications/cancelled",
    }


@pytest.mark.parametrize("claim", ["", "a b", "2026\r\nX: y", "ü", 7, None, "x" * 300])
def test_a_claim_that_no_header_can_carry_is_sent_as_ours_so_that_the_gateway_refuses_it(claim: Any) -> None:
    message = request(1, "tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": claim}})
    peer = Peer()

    assert fields(peer, message) == {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}


@pytest.mark.parametrize("method", ["a b", "tools/list\n", "é", "x" * 300])
def test_a_method_that_no_header_can_carry_has_no_fields(method: str) -> None:
    assert fields(Peer(), modern(1, method)) is None


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.spec("DW-118")
@given(
    method=st.sampled_from(["tools/call", "prompts/get", "resources/read", "tools/list", "x/y"]),
    name=names,
    argument=st.none() | names | st.integers() | st.booleans(),
)
def test_a_gateway_finds_no_disagreement_in_what_is_sent(method: str, name: str, argument: Any) -> None:
    peer = Peer()
    listed(peer, {"name": name, "inputSchema": SCHEMA})
    params = {"name": name, "uri": name, "arguments": {"r": argument}}
    flight = peer.read(line(modern(1, method, params)))
    found = peer.fields(flight)
    assert found is not None
    headers = dict(found)
    assert isinstance(flight.message, jsonrpc.Request)

    assert era.classify(headers, flight.message, has_session=False) == era.Classified(Era.MODERN, MODERN)
    if method == "tools/call":
        era.check_param_headers(headers, SCHEMA, {"r": argument})
    assert not any(byte in value for value in headers.values() for byte in b"\r\n\0")


def test_a_tool_that_lost_its_annotation_is_forgotten() -> None:
    peer = Peer()
    call = modern(1, "tools/call", {"name": "t", "arguments": {"r": "eu"}})
    listed(peer, {"name": "t", "inputSchema": SCHEMA}, {"name": "u", "inputSchema": SCHEMA})
    assert (fields(peer, call) or {})["mcp-param-r"] == "eu"
    listed(peer, {"name": "t", "inputSchema": {"type": "object"}})

    assert "mcp-param-r" not in (fields(peer, call) or {})


def test_a_list_that_is_none_changes_nothing() -> None:
    peer = Peer()
    listed(peer, {"name": "t", "inputSchema": SCHEMA})
    listed(peer, {"no": "name", "note": "x-mcp-header"})

    assert "mcp-param-r" in (
        fields(peer, modern(1, "tools/call", {"name": "t", "arguments": {"r": "x"}})) or {}
    )


def test_schemas_are_bounded_and_the_oldest_go_first() -> None:
    peer = Peer()
    listed(peer, *({"name": f"t{number}", "inputSchema": SCHEMA} for number in range(MAX_SCHEMAS + 1)))

    def mirrored(name: str) -> bool:
        return "mcp-param-r" in (
            fields(peer, modern(1, "tools/call", {"name": name, "arguments": {"r": "x"}})) or {}
        )

    assert not mirrored("t0")
    assert mirrored("t1")
    assert mirrored(f"t{MAX_SCHEMAS}")
