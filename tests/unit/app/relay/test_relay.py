"""One client in front of a gateway made of functions: every kind of message, answer and failure."""

import asyncio
import json

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from tests.unit.app.relay.fakes import (
    INITIALIZE,
    INITIALIZED,
    MODERN,
    Asked,
    Client,
    FakeReply,
    echo,
    error,
    legacy_gateway,
    modern,
    notification,
    request,
    result,
    shake_hands,
)

pytestmark = pytest.mark.asyncio


def lost(text: str = "server gateway.test closed the connection") -> UpstreamError:
    return UpstreamError(Reason.UPSTREAM_CONNECTION_LOST, "gateway.test", text)


@pytest.mark.spec("DW-118")
async def test_a_modern_request_is_posted_as_it_is_with_its_headers() -> None:
    client = Client(echo)
    line = json.dumps(modern(7, "tools/call", {"name": "wörter", "arguments": {}}), indent=None).encode()
    client.say(line)

    assert await client.hear() == {"jsonrpc": "2.0", "id": 7, "result": {"echo": "tools/call"}}
    [asked] = client.leg.asked
    assert asked.body == line
    assert asked.headers == {
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "=?base64?d8O2cnRlcg==?=",
    }
    await client.end()
    assert client.leg.verbs() == ["POST"]


async def test_a_legacy_session_is_remembered_listened_to_and_ended() -> None:
    client = Client(legacy_gateway(echo))
    await shake_hands(client)
    answer = await client.ask(request("a", "tools/list"))
    await client.end()

    assert answer["id"] == "a"
    session = {"mcp-protocol-version": "2025-11-25", "mcp-session-id": "s1"}
    assert [(one.verb, one.headers) for one in client.leg.asked] == [
        ("POST", {}),
        ("POST", session),
        ("GET", session),
        ("POST", session),
        ("DELETE", session),
    ]


async def test_what_follows_the_handshake_at_once_waits_for_its_session() -> None:
    accepted = asyncio.Event()

    async def handler(asked: Asked) -> FakeReply:
        if asked.message["method"] == "initialize":
            body = result(0, protocolVersion="2025-06-18")
            return FakeReply(200, body, headers={b"mcp-session-id": b"s1"})
        if asked.message["method"] == "notifications/initialized":
            await accepted.wait()
            return FakeReply(202)
        return await echo(asked)

    client = Client(handler)
    for message in (INITIALIZE, INITIALIZED, request(1, "tools/list")):
        client.say(message)
    assert (await client.hear())["id"] == 0
    assert await client.quiet()
    assert len(client.leg.asked) == 2
    accepted.set()

    assert (await client.hear())["id"] == 1
    posts = [asked for asked in client.leg.asked if asked.verb == "POST"]
    assert posts[-1].headers == {"mcp-protocol-version": "2025-06-18", "mcp-session-id": "s1"}


async def test_requests_are_concurrent_and_a_modern_one_waits_for_no_handshake() -> None:
    slow = asyncio.Event()

    async def handler(asked: Asked) -> FakeReply:
        if asked.message["id"] == 0:
            await slow.wait()
        return await echo(asked)

    client = Client(handler)
    client.say(INITIALIZE)
    client.say(modern(1, "tools/list"))
    assert (await client.hear())["id"] == 1
    slow.set()
    assert (await client.hear())["id"] == 0


async def test_events_are_relayed_as_they_come() -> None:
    more = asyncio.Event()
    progress = json.dumps(
        notification("notifications/progress", {"progressToken": 1, "progress": 1})
    ).encode()

    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(events=[progress, more, result(5, done=True)])

    client = Client(handler)
    client.say(modern(5, "tools/call", {"name": "t"}))
    assert await client.raw() == progress
    assert await client.quiet()
    more.set()
    assert (await client.hear())["result"] == {"done": True}


async def test_a_server_request_and_the_clients_answer_to_it_pass() -> None:
    answered = asyncio.Event()
    asks = json.dumps(request(99, "roots/list")).encode()

    async def then(asked: Asked) -> FakeReply:
        if "result" in asked.message:
            answered.set()
            return FakeReply(202)
        return FakeReply(events=[asks, answered, result(1)])

    client = Client(legacy_gateway(then))
    await shake_hands(client)
    client.say(request(1, "tools/call", {"name": "t"}))
    assert await client.raw() == asks
    client.say(result(99, roots=[]))

    assert (await client.hear())["id"] == 1


@pytest.mark.spec("DW-020")
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_to_another_id_never_passes(stream: bool) -> None:
    stray = result("1", stolen=True)

    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(events=[stray]) if stream else FakeReply(200, stray)

    client = Client(handler)
    answer = await client.ask(modern(1, "tools/list"))

    assert answer["id"] == 1
    assert answer["error"]["code"] == -32603
    reason = "upstream_connection_lost" if stream else "upstream_protocol_error"
    assert answer["error"]["data"]["reason"] == reason
    assert await client.quiet()


async def test_a_second_answer_to_one_id_is_dropped() -> None:
    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(events=[result(1, first=True), result(1, first=False)])

    client = Client(handler)
    assert (await client.ask(modern(1, "tools/list")))["result"] == {"first": True}
    assert await client.quiet()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (FakeReply(200, b"<html>", content_type=b"text/html"), "upstream_protocol_error"),
        (FakeReply(202), "upstream_protocol_error"),
        (FakeReply(events=[b"nonsense", result(1)]), "upstream_protocol_error"),
        (FakeReply(events=[]), "upstream_connection_lost"),
        (FakeReply(events=[lost()]), "upstream_connection_lost"),
        (FakeReply(301), "upstream_http_error"),
        (FakeReply(404, b"gone", content_type=b"text/plain"), "upstream_http_error"),
        (FakeReply(503), "upstream_overloaded"),
        (FakeReply(500, b'{"error":"x"}'), "upstream_http_error"),
    ],
    ids=["html", "no-body", "bad-event", "no-event", "cut", "redirect", "404", "503", "500"],
)
async def test_what_is_no_answer_becomes_an_error_with_the_requests_id(reply: FakeReply, reason: str) -> None:
    async def handler(asked: Asked) -> FakeReply:
        return reply

    client = Client(handler)
    answer = await client.ask(modern(1, "tools/list"))

    assert answer["id"] == 1
    assert answer["error"]["code"] == -32603
    assert answer["error"]["data"]["reason"] == reason
    assert "gateway" in answer["error"]["message"] or reply.status == 404
    assert await client.quiet()


async def test_an_unreachable_gateway_is_told_per_request_reported_once_and_tried_again() -> None:
    down = True

    async def handler(asked: Asked) -> FakeReply:
        if down:
            text = "server gateway.test cannot be reached: Connection refused"
            raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, "gateway.test", text)
        return await echo(asked)

    client = Client(handler)
    for number in (1, 2):
        answer = await client.ask(modern(number, "tools/list"))
        assert answer["id"] == number
        assert (
            answer["error"]["message"] == "the gateway at gateway.test cannot be reached: Connection refused"
        )
        assert answer["error"]["data"]["reason"] == "upstream_unreachable"
        assert answer["error"]["data"]["retryable"] is True
    assert client.reports == ["the gateway at gateway.test cannot be reached: Connection refused"]
    down = False
    assert "result" in await client.ask(modern(3, "tools/list"))
    down = True
    await client.ask(modern(4, "tools/list"))
    assert len(client.reports) == 2


async def test_a_refused_key_is_said_in_the_answer() -> None:
    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(401, error(None, -31010, "unknown key", reason="credential_invalid"))

    client = Client(handler)
    answer = await client.ask(INITIALIZE)
    client.say(INITIALIZED)

    assert answer["id"] == 0
    assert answer["error"]["code"] == -31010
    assert answer["error"]["message"] == "the gateway refused the key: unknown key"
    assert answer["error"]["data"] == {"reason": "credential_invalid"}
    assert await client.quiet()
    assert client.reports == ["the gateway refused the key"]


async def test_a_missing_key_is_said_even_by_a_proxy_without_a_body() -> None:
    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(401)

    client = Client(handler, has_key=False)
    answer = await client.ask(INITIALIZE)

    assert answer["error"]["code"] == -31010
    assert "DOORWARD_KEY" in answer["error"]["message"]
    assert answer["error"]["data"]["reason"] == "credential_missing"


async def test_the_gateways_own_error_passes_unchanged() -> None:
    own = error(3, -32020, "Mcp-Method does not repeat method", reason="header_mismatch")

    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(400, own)

    client = Client(handler)
    client.say(modern(3, "tools/list"))
    assert await client.raw() == own


@pytest.mark.spec("DW-092")
async def test_an_unknown_session_is_relayed_and_a_fresh_initialize_works() -> None:
    gone = error(None, -32600, "no such session", reason="session_unknown")
    alive = "s1"

    async def then(asked: Asked) -> FakeReply:
        return await echo(asked) if asked.headers["mcp-session-id"] == alive else FakeReply(404, gone)

    client = Client(legacy_gateway(then, ["s1", "s2"]))
    await shake_hands(client)
    alive = "s2"
    answer = await client.ask(request(1, "tools/list"))
    assert (answer["id"], answer["error"]["data"]["reason"]) == (1, "session_unknown")

    await client.ask(INITIALIZE)
    client.say(INITIALIZED)
    assert (await client.ask(request(2, "tools/list")))["result"] == {"echo": "tools/list"}
    await client.end()
    ended = [asked.headers["mcp-session-id"] for asked in client.leg.asked if asked.verb == "DELETE"]
    assert ended == ["s2"]


async def test_a_second_initialize_ends_the_first_session() -> None:
    client = Client(legacy_gateway(echo, ["s1", "s2"]))
    await shake_hands(client)
    await client.ask(INITIALIZE)
    await client.until(lambda: "DELETE" in client.leg.verbs())
    await client.end()

    ended = [asked.headers["mcp-session-id"] for asked in client.leg.asked if asked.verb == "DELETE"]
    assert ended == ["s1", "s2"]


@pytest.mark.spec("DW-214")
async def test_a_modern_cancellation_closes_the_stream_and_is_not_posted() -> None:
    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(events=[asyncio.Event()])

    client = Client(handler)
    client.say(modern(1, "tools/call", {"name": "t"}))
    await client.until(lambda: client.leg.asked)
    client.say(notification("notifications/cancelled", {"requestId": "1"}))
    assert await client.quiet()
    assert not client.leg.asked[0].cut
    client.say(notification("notifications/cancelled", {"requestId": 1}))
    await client.until(lambda: client.leg.asked[0].cut)

    assert await client.quiet()
    assert len(client.leg.asked) == 1


@pytest.mark.spec("DW-214")
async def test_a_legacy_cancellation_is_posted() -> None:
    answer = asyncio.Event()

    async def then(asked: Asked) -> FakeReply:
        if asked.message["method"] == "tools/call":
            await answer.wait()
            return FakeReply(200, error(1, -31003, "cancelled"))
        answer.set()
        return FakeReply(202)

    client = Client(legacy_gateway(then))
    await shake_hands(client)
    client.say(request(1, "tools/call", {"name": "t"}))
    await client.until(lambda: b"tools/call" in client.leg.asked[-1].body)
    client.say(notification("notifications/cancelled", {"requestId": 1}))

    assert (await client.hear())["id"] == 1
    assert client.leg.asked[-1].message["method"] == "notifications/cancelled"
    assert client.leg.asked[-1].headers["mcp-session-id"] == "s1"


async def test_a_cancelled_request_that_has_not_left_never_leaves() -> None:
    client = Client(legacy_gateway(echo))
    await shake_hands(client)
    asked = len(client.leg.asked)
    client.leg.unsendable.clear()
    client.say(request(1, "tools/call", {"name": "t"}))
    client.say(notification("notifications/cancelled", {"requestId": 1}))
    assert await client.quiet()
    client.leg.unsendable.set()

    assert await client.quiet()
    assert len(client.leg.asked) == asked


async def test_what_the_session_stream_brings_is_relayed() -> None:
    changed = json.dumps(notification("notifications/tools/list_changed")).encode()
    inner = legacy_gateway(echo)

    async def handler(asked: Asked) -> FakeReply:
        if asked.verb == "GET":
            return FakeReply(events=[changed, result(1, stray=True), asyncio.Event()])
        return await inner(asked)

    client = Client(handler)
    await client.ask(INITIALIZE)
    client.say(INITIALIZED)
    assert await client.raw() == changed
    assert await client.quiet()
    await client.end()
    [stream] = [asked for asked in client.leg.asked if asked.verb == "GET"]
    assert stream.cut


async def test_the_end_of_input_ends_a_subscription_and_lets_a_call_finish() -> None:
    finish = asyncio.Event()

    async def handler(asked: Asked) -> FakeReply:
        forever = asked.message["method"] == "subscriptions/listen"
        return FakeReply(events=[asyncio.Event()] if forever else [finish, result(2, done=True)])

    client = Client(handler)
    client.say(modern(1, "subscriptions/listen"))
    client.say(modern(2, "tools/call", {"name": "t"}))
    await client.until(lambda: len(client.leg.asked) == 2)
    ending = asyncio.create_task(client.end())
    await client.until(lambda: client.leg.asked[0].cut)
    finish.set()

    assert (await client.hear())["id"] == 2
    await ending
    assert not client.leg.asked[1].cut


@pytest.mark.parametrize("has_session", [True, False])
async def test_a_goodbye_that_fails_is_none_of_the_clients_concern(has_session: bool) -> None:
    inner = legacy_gateway(echo)

    async def handler(asked: Asked) -> FakeReply:
        if asked.verb == "DELETE":
            raise lost()
        return await inner(asked)

    client = Client(handler)
    if has_session:
        await shake_hands(client)
    await client.end()

    assert client.leg.verbs().count("DELETE") == has_session
    assert client.reports == []


async def test_an_unreadable_line_is_left_to_the_gateway_to_refuse() -> None:
    refusal = error(None, -32700, "not a JSON text in UTF-8", reason="parse_error")

    async def handler(asked: Asked) -> FakeReply:
        return FakeReply(400, refusal)

    client = Client(handler)
    client.say(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}')
    assert await client.raw() == refusal
    assert client.leg.asked[0].headers == {}


async def test_a_method_that_no_header_can_name_is_refused_here() -> None:
    client = Client(echo)
    answer = await client.ask(modern(1, "tools/list\r\nX-Evil: 1"))

    assert (answer["id"], answer["error"]["code"]) == (1, -32601)
    assert client.leg.asked == []


@pytest.mark.spec("DW-390")
async def test_a_batch_is_answered_as_one() -> None:
    async def then(asked: Asked) -> FakeReply:
        return FakeReply(200, b"[" + result(1) + b"," + result("b") + b"," + result("stray") + b"]")

    client = Client(legacy_gateway(then))
    await shake_hands(client)
    batch = [request(1, "ping"), request("b", "ping"), request(3, "ping"), notification("notifications/x")]
    answers = await client.ask(json.dumps(batch).encode())

    assert [answer["id"] for answer in answers] == [1, "b", 3]
    assert answers[2]["error"]["data"]["reason"] == "upstream_protocol_error"


async def test_a_refused_batch_refuses_each_request_in_it() -> None:
    async def then(asked: Asked) -> FakeReply:
        return FakeReply(400, error(None, -32600, "no batches", reason="batch_unsupported"))

    client = Client(legacy_gateway(then))
    await shake_hands(client)
    answers = await client.ask(json.dumps([request(1, "ping"), request("1", "ping")]).encode())

    assert [(answer["id"], answer["error"]["message"]) for answer in answers] == [
        (1, "no batches"),
        ("1", "no batches"),
    ]


@pytest.mark.spec("DW-118")
async def test_mirrored_arguments_get_their_headers_once_the_tools_were_listed() -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}

    async def handler(asked: Asked) -> FakeReply:
        message = asked.message
        if message["method"] == "tools/list":
            return FakeReply(200, result(message["id"], tools=[{"name": "deploy", "inputSchema": schema}]))
        return await echo(asked)

    client = Client(handler)
    call = {"name": "deploy", "arguments": {"region": "eu"}}
    await client.ask(modern(1, "tools/call", call))
    await client.ask(modern(2, "tools/list"))
    await client.ask(modern(3, "tools/call", call))

    assert "mcp-param-region" not in client.leg.asked[0].headers
    assert client.leg.asked[2].headers["mcp-param-region"] == "eu"
