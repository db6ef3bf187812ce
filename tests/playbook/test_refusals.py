"""What bad input gets: status and code of the brief's tables 2.2 and 2.3, one record, nothing sent."""

from dataclasses import replace
from typing import Any

import pytest

from doorward.wire import meta
from tests.playbook.house import ERAS, MODERN, Caller, House, body, error, legacy, modern, request

pytestmark = pytest.mark.asyncio
CALL = {"name": "balance"}
H = b"mcp-protocol-version"
V = MODERN.encode()


class Unopened:
    """A reader that nobody may ask."""

    def read(self, *_: Any) -> Any:
        raise AssertionError("the body was looked at")

    confirm = read


@pytest.mark.spec("DW-024", "DW-087", "DW-400")
@pytest.mark.parametrize(
    ("secret", "reason", "challenge"),
    [
        (None, "credential_missing", b'Bearer realm="doorward"'),
        ("nobody", "credential_invalid", b'Bearer realm="doorward", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize(
    "given", [b"\xff not json", b'[{"jsonrpc"', b'{"jsonrpc":"2.0","id":7,"method":"ping"}']
)
async def test_an_unknown_caller_is_refused_before_its_body_is_looked_at(
    secret, reason, challenge, given
) -> None:
    house = House()
    house.door.swap(replace(house.gateway, reader=Unopened()))

    answer = await house.send(given, secret=secret, headers={b"mcp-session-id": b"x"})

    assert error(answer) == (401, -31010, reason)
    assert "id" not in body(answer)
    assert dict(answer.headers)[b"www-authenticate"] == challenge
    assert [(record["kind"], record["reason"]) for record in house.log.records] == [("refusal", reason)]
    assert house.log.records[0]["peer"] == "192.0.2.0/24"


@pytest.mark.spec("DW-400")
async def test_an_unknown_caller_is_refused_with_a_full_disk_too() -> None:
    house = House()
    house.log.broken = {"refusal"}

    answer = await house.send(b"{}", secret=None)

    assert error(answer) == (401, -31010, "credential_missing")


DEEP = b"[" * 200 + b"]" * 200
CALLS = b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"balance","arguments":{"a":%b}},"id":%b}'


@pytest.mark.spec("DW-425")
@pytest.mark.parametrize(
    ("given", "id"),
    [
        (CALLS % (DEEP, b"7"), 7),
        (CALLS % (DEEP, b'"seven"'), "seven"),
        (CALLS % (b'{"b":1,"b":2}', b"7"), 7),
        (CALLS % (b"1e999", b"7"), 7),
        (CALLS % (b'"%b",' % (b"x" * 70_000) + b'"b":%b' % DEEP, b"7"), 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7),
    ],
)
async def test_a_malformed_request_of_a_session_is_answered_by_its_id(given: bytes, id: object) -> None:  # noqa: A002
    """Some SDKs drop their session over a status of 400; one request is no reason to."""
    house = House()
    caller = await legacy(house)
    before = len(house.log.records)

    answer = await house.send(given, headers=caller.headers)

    assert error(answer) == (200, -32600, "invalid_request")
    assert body(answer)["id"] == id
    assert [one["decision"]["reason"] for one in house.log.records[before:]] == ["invalid_request"]
    assert "result" in body(await caller.ask("ping"))


@pytest.mark.spec("DW-425")
async def test_on_stdio_too_a_malformed_request_is_answered_by_its_id() -> None:
    answer = await House().send(CALLS % (DEEP, b"7"), transport="stdio")
    assert body(answer)["id"] == 7


@pytest.mark.spec("DW-425")
async def test_a_session_of_somebody_else_changes_nothing() -> None:
    house = House()
    caller = await legacy(house)
    answer = await house.send(CALLS % (DEEP, b"7"), headers=caller.headers, endpoint="files")
    assert (answer.status, "id" in body(answer)) == (400, False)


@pytest.mark.spec("DW-425")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (CALLS % (b"[" * 20_000 + b"]" * 20_000, b"7"), -32600),
        (CALLS % (DEEP, b"null"), -32600),
        (CALLS % (DEEP, b"1.5"), -32600),
        (CALLS % (b"NaN", b"7"), -32700),
        (b'{"jsonrpc":"2.0","id":7,"result":{"a":%b}}' % DEEP, -32600),
        (DEEP, -32600),
    ],
)
async def test_what_has_no_readable_id_stays_a_bad_request(given: bytes, code: int) -> None:
    house = House()
    caller = await legacy(house)

    answer = await house.send(given, headers=caller.headers)

    assert error(answer)[:2] == (400, code)
    assert "id" not in body(answer)


@pytest.mark.spec("DW-001", "DW-002", "DW-008", "DW-009", "DW-075", "DW-076")
@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (b"", -32700, "parse_error"),
        (b"{", -32700, "parse_error"),
        (b'{"a":NaN}', -32700, "parse_error"),
        (b"\xef\xbb\xbf{}", -32700, "parse_error"),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600, "invalid_request"),
        (b'{"id":1,"method":"ping"}', -32600, "invalid_request"),
        (b"[" * 100_000, -32600, "invalid_request"),
        (b"[]", -32600, "invalid_request"),
    ],
)
async def test_malformed_bytes_of_a_known_caller(given: bytes, code: int, reason: str) -> None:
    house = House()

    answer = await house.send(given, headers={b"mcp-session-id": b"x"})

    assert error(answer) == (400, code, reason)
    (record,) = house.log.records
    assert record["kind"] == "decision"
    assert record["decision"]["effect"] == "refuse"
    assert record["decision"]["reason"] == reason
    assert record["actor"]["agent"] == "ci-bot"


def enveloped(
    method: str = "tools/call", params: dict[str, Any] | None = None, **envelope: Any
) -> dict[str, Any]:
    full = {meta.PROTOCOL_VERSION: MODERN, meta.CLIENT_CAPABILITIES: {}} | envelope
    kept = {key: value for key, value in full.items() if value is not ...}
    return request(method, {**(CALL if params is None else params), "_meta": kept}, id=5)


GOOD_HEADERS = {H: V, b"mcp-method": b"tools/call", b"mcp-name": b"balance"}


@pytest.mark.spec("DW-035", "DW-077", "DW-078")
@pytest.mark.parametrize(
    ("message", "headers", "expected"),
    [
        (request("tools/call", CALL, id=5), GOOD_HEADERS, (400, -32602, "meta_missing")),
        (enveloped(**{meta.CLIENT_CAPABILITIES: ...}), GOOD_HEADERS, (400, -32602, "meta_missing")),
        (enveloped(), {}, (400, -32020, "header_mismatch")),
        (enveloped(), GOOD_HEADERS | {H: b"2025-11-25"}, (400, -32020, "header_mismatch")),
        (enveloped(), GOOD_HEADERS | {b"mcp-method": b"tools/list"}, (400, -32020, "header_mismatch")),
        (enveloped(), GOOD_HEADERS | {b"mcp-name": b"transfer"}, (400, -32020, "header_mismatch")),
        (enveloped(), GOOD_HEADERS | {b"mcp-name": b"balance, balance"}, (400, -32020, "header_mismatch")),
        (
            enveloped(**{meta.PROTOCOL_VERSION: "2030-01-01"}),
            GOOD_HEADERS | {H: b"2030-01-01"},
            (400, -32022, "version_unsupported"),
        ),
        (
            {"jsonrpc": "2.0", "id": 5, "result": {}},
            GOOD_HEADERS,
            (400, -32600, "invalid_request"),
        ),
    ],
)
async def test_the_modern_ladder(message, headers, expected) -> None:
    house = House()

    answer = await house.send(message, headers=headers)

    assert error(answer) == expected
    assert house.happened == ["decision"]
    assert house.servers.sent == []
    assert house.log.records[0]["decision"]["reason"] == expected[2]


@pytest.mark.spec("DW-080")
async def test_an_unserved_version_learns_which_are() -> None:
    house = House()
    message = enveloped(**{meta.PROTOCOL_VERSION: "2030-01-01"})

    answer = await house.send(message, headers=GOOD_HEADERS | {H: b"2030-01-01"})

    data = body(answer)["error"]["data"]
    assert (data["supported"], data["requested"]) == ([MODERN], "2030-01-01")


@pytest.mark.spec("DW-052")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "method", ["tools/steal", "tasks/get", "notifications/cancelled", "sampling/createMessage"]
)
async def test_an_unknown_method(era, method) -> None:
    house = House()
    caller = await era(house)

    answer = await caller.ask(method, {})

    assert error(answer) == (404 if caller.modern else 200, -32601, "method_not_found")
    assert body(answer)["id"] == 1
    assert house.happened == ["decision"]


@pytest.mark.spec("DW-081")
@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe"])
async def test_what_the_modern_revision_does_not_have_or_we_do_not_serve(method) -> None:
    house = House()
    caller = await modern(house)

    assert error(await caller.ask(method, {"uri": "doc://rates"})) == (404, -32601, "method_not_found")


@pytest.mark.spec("DW-052")
@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen"])
async def test_what_legacy_revisions_do_not_have(method) -> None:
    caller = await legacy(House())

    assert error(await caller.ask(method, {})) == (200, -32601, "method_not_found")


@pytest.mark.spec("DW-048")
@pytest.mark.parametrize(
    ("params", "word"),
    [({}, "protocolVersion"), ({"protocolVersion": "2025-11-25"}, "capabilities"),
     ({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": 1}, "clientInfo")],
)  # fmt: skip
async def test_an_initialize_without_its_members(params, word) -> None:
    house = House()

    answer = await house.send(request("initialize", params, id=1))

    assert error(answer) == (200, -32602, "invalid_params")
    assert word in body(answer)["error"]["message"]
    assert len(house.sessions) == 0


@pytest.mark.spec("DW-048")
async def test_an_initialize_that_its_session_would_have_to_keep() -> None:
    house = House()
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x" * 65_536}}

    answer = await house.send(request("initialize", params, id=1))

    assert error(answer) == (200, -32602, "invalid_params")
    assert len(house.sessions) == 0


@pytest.mark.spec("DW-044", "DW-090", "DW-091")
async def test_a_missing_session_and_an_unknown_one() -> None:
    house = House()
    ping = request("ping", id=3)

    missing = await house.send(ping)
    unknown = await house.send(ping, headers={b"mcp-session-id": b"not-a-session"})

    assert error(missing) == (400, -32600, "session_required")
    assert error(unknown) == (404, -32600, "session_unknown")
    assert body(unknown)["id"] == 3
    assert house.happened == ["decision"] * 2


@pytest.mark.spec("DW-094")
async def test_a_session_of_another_principal_or_endpoint_is_unknown() -> None:
    house = House()
    caller = await legacy(house)
    nobody = await house.send(request("ping", id=3), headers={b"mcp-session-id": b"nobody"})

    thief = Caller(house, caller.headers, modern=False, endpoint="bank", secret="other")
    elsewhere = Caller(house, caller.headers, modern=False, endpoint="files", secret="bot")

    for stranger in (thief, elsewhere):
        answer = await stranger.ask("ping", id=3)
        assert error(answer) == (404, -32600, "session_unknown")
        assert body(answer)["error"]["message"] == body(nobody)["error"]["message"]
    assert body(await caller.ask("ping"))["result"] == {}


@pytest.mark.spec("DW-059")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": "balance", "arguments": []}),
        ("prompts/get", {}),
        ("resources/read", {}),
        ("completion/complete", {}),
        ("completion/complete", {"ref": {"type": "ref/tool", "name": "balance"}}),
        ("completion/complete", {"ref": {"type": "ref/resource"}}),
    ],
)
async def test_params_that_do_not_say_what_is_meant(era, method, params) -> None:
    house = House()
    caller = await era(house)

    assert error(await caller.ask(method, params)) == (200, -32602, "invalid_params")
    assert house.happened == ["decision"]


@pytest.mark.spec("DW-083", "DW-183")
@pytest.mark.parametrize("era", ERAS)
async def test_a_cursor_that_we_did_not_issue(era) -> None:
    caller = await era(House())

    assert error(await caller.ask("tools/list", {"cursor": "page2"})) == (200, -32602, "cursor_unknown")


@pytest.mark.spec("DW-057")
async def test_a_log_level_that_is_none() -> None:
    caller = await legacy(House())

    assert error(await caller.ask("logging/setLevel", {"level": "loud"})) == (200, -32602, "invalid_params")
    assert body(await caller.ask("logging/setLevel", {"level": "error"}))["result"] == {}


@pytest.mark.spec("DW-030", "DW-085")
@pytest.mark.parametrize("era", ERAS)
async def test_an_accepted_notification_is_202_without_a_record(era) -> None:
    house = House()
    caller = await era(house)

    answer = await house.send(
        caller.message("notifications/cancelled", {"requestId": 9}),
        headers=caller.fields("notifications/cancelled"),
    )

    assert (answer.status, answer.body) == (202, b"")
    assert house.log.records == []


@pytest.mark.spec("DW-033")
async def test_a_posted_response_is_accepted_in_a_legacy_session() -> None:
    house = House()
    caller = await legacy(house)

    answer = await house.send({"jsonrpc": "2.0", "id": 4, "result": {}}, headers=caller.headers)

    assert (answer.status, answer.body) == (202, b"")
