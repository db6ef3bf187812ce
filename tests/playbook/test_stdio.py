"""The same door without HTTP: no headers, no status, and silence where JSON-RPC has no answer."""

import pytest

from tests.playbook.house import House, body, error, modern, request

pytestmark = pytest.mark.asyncio
PARAMS = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c"}}


@pytest.mark.spec("DW-036", "DW-053")
async def test_a_legacy_client_shakes_hands_and_calls() -> None:
    house = House()
    opened = await house.send(request("initialize", PARAMS, id=1), transport="stdio")
    session = {b"mcp-session-id": dict(opened.headers)[b"mcp-session-id"]}

    called = await house.send(
        request("tools/call", {"name": "balance"}, id=2), transport="stdio", headers=session
    )

    assert body(opened)["result"]["protocolVersion"] == "2025-06-18"
    assert body(called)["result"]["content"]
    assert {record["mcp"]["transport"] for record in house.log.kind("decision")} == {"stdio"}


@pytest.mark.spec("DW-053")
async def test_a_modern_client_needs_no_headers() -> None:
    house = House()
    caller = await modern(house)

    answer = await house.send(caller.message("tools/call", {"name": "balance"}, id=1), transport="stdio")

    assert "result" in body(answer)


@pytest.mark.spec("DW-053")
async def test_a_request_before_the_handshake_is_refused() -> None:
    answer = await House().send(request("ping", id=1), transport="stdio")

    assert error(answer)[1:] == (-32600, "session_required")


@pytest.mark.spec("DW-031")
@pytest.mark.parametrize(
    "message",
    [{"jsonrpc": "2.0", "id": 3, "result": {}}, request("notifications/initialized", {"_meta": 1})],
)
async def test_what_wants_no_answer_gets_none_even_when_it_is_refused(message) -> None:
    house = House()

    refused = await house.send(message, transport="stdio", headers={b"mcp-session-id": b"nobody"})
    over_http = await house.send(message, headers={b"mcp-session-id": b"nobody"})

    assert refused.body == b""
    assert error(over_http)[0] == 404
    assert [record["decision"]["effect"] for record in house.log.records] == ["refuse", "refuse"]


@pytest.mark.spec("DW-024")
async def test_bytes_that_are_no_message_are_answered_without_an_id() -> None:
    answer = await House().send(b"hello", transport="stdio")

    assert error(answer)[1:] == (-32700, "parse_error")
    assert "id" not in body(answer)
