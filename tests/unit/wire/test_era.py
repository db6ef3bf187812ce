from typing import Any

import pytest

from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import era, meta
from doorward.wire.era import Classified, classify, classify_stdio
from doorward.wire.jsonrpc import Message, Notification, Request, Response

MODERN = "2026-07-28"
ENVELOPE: dict[str, Any] = {meta.PROTOCOL_VERSION: MODERN, meta.CLIENT_CAPABILITIES: {}}
HEADERS = {b"mcp-protocol-version": b"2026-07-28", b"mcp-method": b"tools/call", b"mcp-name": b"echo"}
ECHO = Request(1, "tools/call", {"name": "echo", "arguments": {}, "_meta": ENVELOPE})
LEGACY_ECHO = Request(1, "tools/call", {"name": "echo"})
INITIALIZE = Request(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
ANSWER = Response(1, {}, None)


def call(method: str = "tools/call", envelope: Any = ENVELOPE, **params: Any) -> Request:
    return Request(1, method, {**params, "_meta": envelope})


def refusal(headers: dict[bytes, bytes], message: Message, *, has_session: bool = False) -> CallerError:
    with pytest.raises(CallerError) as caught:
        classify(headers, message, has_session=has_session)
    return caught.value


@pytest.mark.spec("DW-040")
def test_a_modern_request() -> None:
    assert classify(HEADERS, ECHO, has_session=False) == Classified(Era.MODERN, MODERN)


@pytest.mark.spec("DW-103")
def test_white_space_around_header_values_is_not_theirs() -> None:
    padded = {name: b" " + value + b"\t" for name, value in HEADERS.items()}
    assert classify(padded, ECHO, has_session=False).version == MODERN


@pytest.mark.spec("DW-043", "DW-088")
def test_a_session_header_changes_nothing_for_a_modern_request() -> None:
    assert classify(HEADERS | {b"mcp-session-id": b"x"}, ECHO, has_session=True).era is Era.MODERN


@pytest.mark.spec("DW-041", "DW-102")
@pytest.mark.parametrize(
    "change",
    [
        {b"mcp-protocol-version": None},
        {b"mcp-protocol-version": b"2025-11-25"},
        {b"mcp-protocol-version": b"2027-01-01"},
        {b"mcp-protocol-version": b""},
        {b"mcp-protocol-version": b"2026-07-28, 2026-07-28"},
        {b"mcp-protocol-version": b"2026-07-28, 2025-11-25"},
        {b"mcp-protocol-version": b"\xff"},
        {b"mcp-method": None},
        {b"mcp-method": b"tools/list"},
        {b"mcp-method": b"Tools/call"},
        {b"mcp-method": b"tools/call, tools/call"},
        {b"mcp-name": None},
        {b"mcp-name": b"Echo"},
        {b"mcp-name": b"echo, echo"},
        {b"mcp-name": b""},
        {b"mcp-name": b"=?base64?ZWNobw=?="},
        {b"mcp-name": b"=?base64?ZWNobx==?="},
        {b"mcp-name": b"=?BASE64?ZWNobw==?="},
        {b"mcp-name": b"=?base64?//79?="},
        {b"mcp-name": b"ech\xc3\xb6"},
    ],
    ids=str,
)
def test_a_header_that_does_not_repeat_the_body_is_a_mismatch(change: dict[bytes, bytes | None]) -> None:
    headers = {name: value for name, value in (HEADERS | change).items() if value is not None}
    assert refusal(headers, ECHO).reason is Reason.HEADER_MISMATCH
    assert refusal(headers, ECHO, has_session=True).reason is Reason.HEADER_MISMATCH


@pytest.mark.spec("DW-105")
@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("prompts/get", {"name": "grüße"}, b"=?base64?Z3LDvMOfZQ==?="),
        ("resources/read", {"uri": "file:///a"}, b"file:///a"),
        ("tools/call", {"name": "=?base64?x?="}, b"=?base64?PT9iYXNlNjQ/eD89?="),
    ],
)
def test_names_are_compared_after_decoding(method: str, params: dict[str, str], name: bytes) -> None:
    headers = HEADERS | {b"mcp-method": method.encode(), b"mcp-name": name}
    assert classify(headers, call(method, **params), has_session=False).era is Era.MODERN
    assert refusal(headers | {b"mcp-name": b"other"}, call(method, **params)).reason is Reason.HEADER_MISMATCH


@pytest.mark.spec("DW-104")
def test_a_name_that_looks_encoded_must_be_encoded() -> None:
    headers = HEADERS | {b"mcp-name": b"=?base64?eA==?="}
    assert refusal(headers, call(name="=?base64?eA==?=")).reason is Reason.HEADER_MISMATCH


@pytest.mark.spec("DW-078")
def test_a_name_header_without_a_name_is_a_mismatch_and_neither_is_left_to_routing() -> None:
    assert refusal(HEADERS, call(arguments={})).reason is Reason.HEADER_MISMATCH
    assert refusal(HEADERS, call(name=5)).reason is Reason.HEADER_MISMATCH
    without = {name: value for name, value in HEADERS.items() if name != b"mcp-name"}
    assert classify(without, call(arguments={}), has_session=False).era is Era.MODERN


@pytest.mark.spec("DW-040")
def test_a_header_alone_holds_a_message_to_the_modern_rules() -> None:
    assert refusal(HEADERS, LEGACY_ECHO).reason is Reason.META_MISSING
    assert refusal(HEADERS, INITIALIZE).reason is Reason.META_MISSING
    assert (
        refusal({b"mcp-protocol-version": b"9999"}, LEGACY_ECHO, has_session=True).reason
        is Reason.META_MISSING
    )


@pytest.mark.spec("DW-041")
@pytest.mark.parametrize("message", [LEGACY_ECHO, INITIALIZE, ANSWER, ECHO, Notification("n", None)])
@pytest.mark.parametrize("value", [b"2025-11-25, 2025-11-25", b"2026-07-28, 2026-07-28", b","])
def test_a_repeated_version_header_is_a_mismatch_in_either_era(message: Message, value: bytes) -> None:
    headers = HEADERS | {b"mcp-protocol-version": value}
    assert refusal(headers, message, has_session=True).reason is Reason.HEADER_MISMATCH


@pytest.mark.spec("DW-077")
@pytest.mark.parametrize(
    "envelope",
    [
        {meta.PROTOCOL_VERSION: MODERN},
        {meta.CLIENT_CAPABILITIES: {}},
        {meta.PROTOCOL_VERSION: MODERN, meta.CLIENT_CAPABILITIES: None},
        {meta.PROTOCOL_VERSION: MODERN, meta.CLIENT_CAPABILITIES: []},
        {},
        None,
        [],
        "x",
    ],
    ids=str,
)
def test_an_envelope_without_its_required_members(envelope: Any) -> None:
    assert refusal(HEADERS, call(envelope=envelope, name="echo")).reason is Reason.META_MISSING


@pytest.mark.spec("DW-080")
@pytest.mark.parametrize("version", ["2027-01-01", "2025-11-25", "draft", ""])
def test_a_version_that_is_not_served(version: str) -> None:
    headers = HEADERS | {b"mcp-protocol-version": version.encode()}
    error = refusal(headers, call(envelope={**ENVELOPE, meta.PROTOCOL_VERSION: version}, name="echo"))
    assert error.reason is Reason.VERSION_UNSUPPORTED
    assert error.data == {"supported": [MODERN], "requested": version}


@pytest.mark.spec("DW-040")
@pytest.mark.parametrize("version", [None, 20260728, [], {}, True])
def test_a_version_of_another_type_is_still_a_modern_claim(version: Any) -> None:
    message = call(envelope={**ENVELOPE, meta.PROTOCOL_VERSION: version}, name="echo")
    assert refusal(HEADERS, message).reason is Reason.HEADER_MISMATCH
    with pytest.raises(CallerError) as caught:
        classify_stdio(message, has_session=True)
    assert caught.value.reason is Reason.META_MISSING


@pytest.mark.spec("DW-035")
def test_modern_notifications_and_responses() -> None:
    note = Notification("notifications/cancelled", {"requestId": 1})
    headers = {b"mcp-protocol-version": b"2026-07-28", b"mcp-method": b"notifications/cancelled"}
    assert classify(headers, note, has_session=False) == Classified(Era.MODERN, MODERN)
    assert refusal(HEADERS, note).reason is Reason.HEADER_MISMATCH
    assert refusal({b"mcp-protocol-version": b"2026-07-28"}, note).reason is Reason.HEADER_MISMATCH
    unserved = headers | {b"mcp-protocol-version": b"2027-01-01"}
    assert refusal(unserved, note).reason is Reason.VERSION_UNSUPPORTED
    assert refusal(HEADERS, ANSWER).reason is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-044", "DW-045")
@pytest.mark.parametrize("message", [LEGACY_ECHO, Request(1, "ping", None), Notification("n", None), ANSWER])
def test_legacy_messages_need_a_session(message: Message) -> None:
    assert refusal({}, message).reason is Reason.SESSION_REQUIRED
    assert classify({}, message, has_session=True) == Classified(Era.LEGACY, "2025-03-26")
    said = {b"mcp-protocol-version": b"2025-06-18"}
    assert classify(said, message, has_session=True) == Classified(Era.LEGACY, "2025-06-18")


@pytest.mark.spec("DW-042")
def test_initialize_opens_a_legacy_session() -> None:
    assert classify({}, INITIALIZE, has_session=False) == Classified(Era.LEGACY, "2025-11-25")
    modern = call("initialize")
    headers = {b"mcp-protocol-version": b"2026-07-28", b"mcp-method": b"initialize"}
    assert classify(headers, modern, has_session=False).era is Era.MODERN  # whose table has no such method


@pytest.mark.spec("DW-040")
def test_a_meta_without_a_claim_is_no_claim() -> None:
    message = Request(1, "tools/call", {"name": "echo", "_meta": {"progressToken": 1, meta.CLIENT_INFO: {}}})
    assert classify({}, message, has_session=True).era is Era.LEGACY


@pytest.mark.spec("DW-053")
def test_stdio() -> None:
    assert classify_stdio(ECHO) == Classified(Era.MODERN, MODERN)
    assert classify_stdio(ECHO, has_session=True).era is Era.MODERN
    assert classify_stdio(INITIALIZE).era is Era.LEGACY
    assert classify_stdio(LEGACY_ECHO, has_session=True).era is Era.LEGACY
    assert classify_stdio(ANSWER, has_session=True).era is Era.LEGACY
    assert classify_stdio(Notification("notifications/cancelled", {"requestId": 1})).era is Era.MODERN
    for message in (LEGACY_ECHO, ANSWER):
        with pytest.raises(CallerError) as caught:
            classify_stdio(message)
        assert caught.value.reason is Reason.SESSION_REQUIRED


@pytest.mark.spec("DW-053")
@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ({meta.PROTOCOL_VERSION: MODERN}, Reason.META_MISSING),
        ({**ENVELOPE, meta.PROTOCOL_VERSION: "2025-11-25"}, Reason.VERSION_UNSUPPORTED),
    ],
)
def test_the_ladder_on_stdio(envelope: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(CallerError) as caught:
        classify_stdio(call(envelope=envelope, name="echo"))
    assert caught.value.reason is reason


@pytest.mark.spec("DW-111")
def test_the_parameter_functions_are_found_here_too() -> None:
    assert era.invalid_annotations({}) == []
    assert era.param_headers({}, {"a": 1}) == {}
    era.check_param_headers({b"mcp-param-a": b"1"}, {}, {"a": 1})
