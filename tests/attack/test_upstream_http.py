"""Hostile and broken servers over HTTP: one clear answer, nobody else notices, nothing is resent."""

import asyncio
import json
from typing import Any

import pytest

from doorward.model.call import Era, Outcome, Session
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.upstream import http as http_leg
from tests.attack.hostile_server import (
    END,
    STREAM,
    Events,
    Request,
    closes,
    event,
    http,
    lab,
    permit,
    raw,
    silent,
    until,
)

pytestmark = [pytest.mark.asyncio]


async def refused(server: Any, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await server.send(permit(**options))
    assert caught.value.server == "lab"
    assert "server lab " in caught.value.message
    return caught.value


def plain(status: int, body: bytes = b"", kind: str = "application/json", extra: str = "") -> Any:
    return raw(http(status, body, kind, extra))


@pytest.mark.spec("DW-021")
async def test_a_call_is_answered_and_keeps_its_connection() -> None:
    async with lab() as (made, server):
        for _ in range(5):
            reply = await server.send(permit())
            assert reply.outcome is Outcome.OK
            assert json.loads(reply.result or b"")["content"][0]["text"] == "hi"
        assert await server.list("tools/list") == [{"name": "echo", "inputSchema": {"type": "object"}}]
        assert await server.list("prompts/list") == []
        assert server.state.level == "up"
        assert made.connections <= 2
        sent = [one for one in made.seen if one.method == "tools/call"]
        assert [one.message["params"]["name"] for one in sent] == ["echo"] * 5
        assert len({one.id for one in sent}) == 5
        assert not {"origin", "cookie", "authorization"} & set(sent[0].headers)
        assert sent[0].headers["mcp-protocol-version"] == "2025-11-25"


@pytest.mark.spec("DW-284")
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.UPSTREAM_AUTH_FAILED),
        (403, Reason.UPSTREAM_AUTH_FAILED),
        (429, Reason.UPSTREAM_OVERLOADED),
        (503, Reason.UPSTREAM_OVERLOADED),
        (500, Reason.UPSTREAM_HTTP_ERROR),
        (502, Reason.UPSTREAM_HTTP_ERROR),
        (302, Reason.UPSTREAM_HTTP_ERROR),
        (400, Reason.UPSTREAM_HTTP_ERROR),
        (202, Reason.UPSTREAM_PROTOCOL_ERROR),
    ],
)
async def test_an_http_status_becomes_its_reason(status: int, reason: Reason) -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = plain(
            status, b"<html>no</html>", "text/html", "Location: http://127.0.0.1:1/\r\n"
        )
        assert (await refused(server)).reason is reason
        assert made.times("tools/call") == 1


@pytest.mark.spec("DW-280")
async def test_a_json_rpc_error_in_a_4xx_is_the_servers_word() -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = lambda request, writer: writer.write(
            http(
                400,
                json.dumps(
                    {"jsonrpc": "2.0", "id": request.id, "error": {"code": -32602, "message": "no"}}
                ).encode(),
            )
        )
        reply = await server.send(permit())
        assert reply.error is not None
        assert (reply.error.code, reply.error.message) == (-32602, "no")
        assert reply.outcome is Outcome.INVALID_ARGUMENTS


@pytest.mark.spec("DW-025")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0","id":999999,"result":{}}',
        b'{"jsonrpc":"2.0","id":"1","result":{}}',
        b'{"jsonrpc":"2.0","method":"ping","id":1}',
        b'{"jsonrpc":"2.0","method":"notifications/progress"}',
        b"[" * 50000,
        b"\xff\xfe",
    ],
)
async def test_what_is_no_answer_to_the_request_is_refused(body: bytes) -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = plain(200, body)
        assert (await refused(server)).reason is Reason.UPSTREAM_PROTOCOL_ERROR


@pytest.mark.spec("DW-284")
@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n",
    ],
)
async def test_broken_http_ends_the_connection(data: bytes) -> None:
    async with lab(timeout_s=5.0) as (made, server):
        made.acts["tools/call"] = raw(data)
        assert (await refused(server)).reason is Reason.UPSTREAM_PROTOCOL_ERROR
        del made.acts["tools/call"]
        assert (await server.send(permit())).outcome is Outcome.OK


@pytest.mark.spec("DW-441")
async def test_a_reply_beyond_the_limit_is_not_read() -> None:
    async with lab(max_reply_bytes=10_000) as (made, server):
        made.acts["tools/call"] = raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{"
        )
        assert (await refused(server)).reason is Reason.UPSTREAM_REPLY_TOO_LARGE

        async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            while True:
                writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")
                await writer.drain()

        made.acts["tools/call"] = endless
        assert (await refused(server)).reason is Reason.UPSTREAM_REPLY_TOO_LARGE
        made.acts["tools/call"] = raw(STREAM + event(b" " * 20_000))
        assert (await refused(server)).reason is Reason.UPSTREAM_REPLY_TOO_LARGE


@pytest.mark.spec("DW-216")
async def test_a_silent_server_times_out_and_is_told() -> None:
    async with lab(timeout_s=0.3) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = silent
        assert (await refused(server)).reason is Reason.UPSTREAM_TIMEOUT
        await made.until("notifications/cancelled")
        call = next(one for one in made.seen if one.method == "tools/call")
        told = next(one for one in made.seen if one.method == "notifications/cancelled")
        assert told.message["params"]["requestId"] == call.id


@pytest.mark.spec("DW-216")
async def test_an_endless_stream_times_out() -> None:
    async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(event({"jsonrpc": "2.0", "method": "notifications/x"}))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with lab(timeout_s=0.4) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = endless
        assert (await refused(server)).reason is Reason.UPSTREAM_TIMEOUT


@pytest.mark.spec("DW-161")
async def test_a_connection_lost_after_sending_is_never_a_second_call() -> None:
    def half(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
        writer.close()

    async with lab() as (made, server):
        await server.send(permit())
        made.acts["tools/call"] = closes
        assert (await refused(server)).reason is Reason.UPSTREAM_CONNECTION_LOST
        made.acts["tools/call"] = half
        assert (await refused(server)).reason is Reason.UPSTREAM_CONNECTION_LOST
        made.acts["tools/call"] = raw(STREAM + END)
        assert (await refused(server)).reason is Reason.UPSTREAM_CONNECTION_LOST
        assert made.times("tools/call") == 4


@pytest.mark.spec("DW-161")
async def test_a_server_that_closes_idle_connections_costs_no_call() -> None:
    def answer_and_close(request: Request, writer: asyncio.StreamWriter) -> None:
        made.honest(request, writer)
        writer.close()

    async with lab() as (made, server):
        await server.send(permit())
        made.acts["tools/call"] = answer_and_close
        for _ in range(5):
            assert (await server.send(permit())).outcome is Outcome.OK
            await asyncio.sleep(0.02)
        assert made.times("tools/call") == 6


@pytest.mark.spec("DW-025", "DW-440")
async def test_a_second_reply_never_meets_the_next_call() -> None:
    def twice(request: Request, writer: asyncio.StreamWriter) -> None:
        made.honest(request, writer)
        writer.write(http(200, request.result({"content": [{"type": "text", "text": "smuggled"}]})))

    async with lab() as (made, server):
        made.acts["tools/call"] = twice
        for number in range(5):
            params = {"name": "x", "arguments": {"text": str(number)}}
            reply = await server.send(permit(params=params))
            assert json.loads(reply.result or b"")["content"][0]["text"] == str(number)


@pytest.mark.spec("DW-145", "DW-201")
async def test_a_stream_brings_progress_log_and_answer() -> None:
    def work(request: Request, writer: asyncio.StreamWriter) -> None:
        token = request.message["params"]["_meta"]["progressToken"]
        assert type(token) is int
        for given in (token, "stranger", token + 1):
            params = {"progressToken": given, "progress": 1}
            writer.write(
                (STREAM if given == token else b"")
                + event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            )
        for level in ("debug", "error"):
            params = {"level": level, "data": "x"}
            writer.write(event({"jsonrpc": "2.0", "method": "notifications/message", "params": params}))
        writer.write(event({"jsonrpc": "2.0", "id": 424242, "result": {}}))
        writer.write(event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
        writer.write(event(request.result({"content": []})) + END)

    async with lab() as (made, server):
        told: list[Any] = []
        server.on_notification = lambda *what: told.append(what)
        made.acts["tools/call"] = work
        events = Events()
        for _ in range(2):
            reply = await server.send(permit(events=events, token="mine", log_level="warning"))
        assert reply.outcome is Outcome.EMPTY
        assert [one["params"].get("progressToken", one["params"].get("level")) for one in events.got] == [
            "mine",
            "error",
        ] * 2
        assert server.dropped == {
            "progress for no live token": 4,
            "log message nobody asked for": 2,
            "answer to nothing we asked": 2,
        }
        assert told == [("tenant|subject|agent", "notifications/tools/list_changed", {})] * 2
        assert made.times("logging/setLevel") == 1
        assert made.connections <= 3


@pytest.mark.spec("DW-242")
async def test_a_request_to_the_client_is_answered_and_never_hangs() -> None:
    answered = asyncio.Event()
    answers: dict[Any, Any] = {}

    def posted(request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.method:
            answers[request.id] = request.message
            if len(answers) == 2:
                answered.set()
        writer.write(http(202))

    async def ask(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            STREAM + event({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}})
        )
        writer.write(event({"jsonrpc": "2.0", "id": 7, "method": "ping"}))
        await writer.drain()
        async with asyncio.timeout(20):
            await answered.wait()
        writer.write(event(request.result({"content": [{"type": "text", "text": "done"}]})) + END)

    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = ask
        made.acts["POST"] = posted
        assert (await server.send(permit())).outcome is Outcome.OK
        assert answers["q"]["error"]["code"] == -32601
        assert answers[7]["result"] == {}


@pytest.mark.spec("DW-160")
async def test_a_dead_session_is_replaced_and_the_call_sent_once_more() -> None:
    def gone(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("mcp-session-id") == dead:
            body = {
                "jsonrpc": "2.0",
                "id": "server-error",
                "error": {"code": -32600, "message": "Session not found"},
            }
            writer.write(http(404, json.dumps(body).encode()))
        else:
            made.honest(request, writer)

    async with lab() as (made, server):
        await server.send(permit())
        dead = next(one for one in made.seen if one.method == "tools/call").headers["mcp-session-id"]
        made.acts["tools/call"] = gone
        assert (await server.send(permit())).outcome is Outcome.OK
        assert made.times("tools/call") == 3
        made.acts["tools/call"] = plain(404)
        assert (await refused(server)).reason is Reason.UPSTREAM_HTTP_ERROR
        assert made.times("tools/call") == 5


@pytest.mark.spec("DW-162", "DW-164")
async def test_callers_have_sessions_of_their_own() -> None:
    async with lab() as (made, server):
        session = Session("outer", "tenant|subject|a", None, "2025-11-25", {}, {})
        await asyncio.gather(*(server.send(permit(agent=agent)) for agent in ("a", "b", "a", "b")))
        await server.send(permit(agent="a", session=session))
        used = {one.headers["mcp-session-id"] for one in made.seen if one.method == "tools/call"}
        assert len(used) == 3
        assert made.times("initialize") == 4
        server.close_conversation("outer")
        await until(lambda: any(one.verb == "DELETE" for one in made.seen))


@pytest.mark.spec("DW-211")
async def test_cancelling_the_task_cancels_the_call() -> None:
    async with lab() as (made, server):
        await server.send(permit())
        made.acts["tools/call"] = silent
        task = asyncio.create_task(server.send(permit()))
        await made.until("tools/call", 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await made.until("notifications/cancelled")
        del made.acts["tools/call"]
        assert (await server.send(permit())).outcome is Outcome.OK


@pytest.mark.spec("DW-226")
async def test_a_subscription_opens_the_sessions_stream() -> None:
    async def listen(request: Request, writer: asyncio.StreamWriter) -> None:
        note = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "memo:1"}}
        writer.write(STREAM + event(note))
        await writer.drain()
        await asyncio.sleep(5)

    async with lab() as (made, server):
        made.acts["GET"] = listen
        heard: asyncio.Queue[Any] = asyncio.Queue()
        server.on_notification = lambda *what: heard.put_nowait(what)
        session = Session("caller-session", "tenant|subject|agent", None, "2025-11-25", {}, {})
        subscribe = permit(
            method="resources/subscribe",
            params={"uri": "memo:1"},
            session=session,
            kind=Kind.RESOURCE,
            name="memo:1",
        )
        await server.send(subscribe)
        async with asyncio.timeout(20):
            assert await heard.get() == (
                "caller-session",
                "notifications/resources/updated",
                {"uri": "memo:1"},
            )


@pytest.mark.spec("DW-184")
async def test_pages_in_a_circle_are_refused() -> None:
    async with lab() as (made, server):
        made.acts["tools/list"] = lambda request, writer: writer.write(
            http(200, request.result({"tools": [], "nextCursor": ""}))
        )
        with pytest.raises(UpstreamError, match="repeats a cursor"):
            await server.list("tools/list")
        assert made.times("tools/list") == 2


@pytest.mark.spec("DW-342")
async def test_an_unreachable_server_is_named_and_comes_back() -> None:
    async with lab(connect_s=1.0) as (made, server):
        made.acts["server/discover"] = made.acts["initialize"] = plain(401)
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_AUTH_FAILED
        assert server.state.level == "down"
        assert "401" in (server.state.cause or "")
        made.acts.clear()
        await until(lambda: server.state.level == "up")
        assert (await server.send(permit())).outcome is Outcome.OK


@pytest.mark.spec("DW-211", "DW-340")
async def test_a_modern_server_is_served_without_sessions() -> None:
    def discover(request: Request, writer: asyncio.StreamWriter) -> None:
        result = {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "private",
        }
        writer.write(http(200, request.result(result)))

    async with lab() as (made, server):
        made.acts["server/discover"] = discover
        reply = await server.send(permit())
        assert server.era is Era.MODERN
        assert reply.outcome is Outcome.OK
        call = next(one for one in made.seen if one.method == "tools/call")
        assert call.headers["mcp-method"] == "tools/call"
        assert call.headers["mcp-name"] == "echo"
        assert "mcp-session-id" not in call.headers
        assert made.times("initialize") == 0
        made.acts["tools/call"] = silent
        task = asyncio.create_task(server.send(permit()))
        await made.until("tools/call", 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert made.times("notifications/cancelled") == 0


@pytest.mark.spec("DW-349")
async def test_closing_lets_calls_end() -> None:
    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        made.honest(request, writer)

    async with lab() as (made, server):
        await server.send(permit())
        made.acts["tools/call"] = slow
        task = asyncio.create_task(server.send(permit()))
        await made.until("tools/call", 2)
        await server.close(2.0)
        assert (await task).outcome is Outcome.OK
        assert (await refused(server)).reason is Reason.UPSTREAM_UNREACHABLE


DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "ttlMs": 0,
    "cacheScope": "private",
}


@pytest.mark.spec("DW-243")
async def test_a_modern_server_that_answers_in_event_streams_only_is_known_as_modern() -> None:
    def stream(request: Request, writer: asyncio.StreamWriter) -> None:
        result = DISCOVERED if request.method == "server/discover" else {"content": [], "x": 1}
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}
        asks = {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}}
        answer = event(json.loads(request.result(result)))
        writer.write(STREAM + event(note) + event(asks) + answer + END)

    async with lab() as (made, server):
        made.acts["server/discover"] = made.acts["tools/call"] = stream
        reply = await server.send(permit(era=Era.MODERN))
        assert json.loads(reply.result or b"")["x"] == 1
        assert server.era is Era.MODERN
        assert made.times("initialize") == 0
        assert server.dropped["request that may not be made"] == 2


@pytest.mark.spec("DW-341")
@pytest.mark.parametrize(
    "stream",
    [
        STREAM + event({"jsonrpc": "2.0", "id": 999_999, "result": DISCOVERED}) + END,
        STREAM + event(b"no json") + END,
        STREAM + END,
        STREAM,
        STREAM + b"nonsense",
    ],
)
async def test_a_probe_s_stream_without_its_answer_proves_nothing_modern(stream: bytes) -> None:
    async with lab(probe_s=0.2) as (made, server):
        made.acts["server/discover"] = raw(stream)
        reply = await server.send(permit())
        assert reply.outcome is Outcome.OK
        assert server.era is Era.LEGACY
        assert made.times("server/discover") == 1


async def until_cut(writer: asyncio.StreamWriter) -> None:
    """Comments on a stream until the other side has cut it."""
    while not writer.is_closing():
        writer.write(b"3\r\n:\n\n\r\n")
        await asyncio.sleep(0.005)


@pytest.mark.spec("DW-211")
async def test_a_cancelled_call_closes_its_stream_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the modern era the closed stream is the cancellation; waiting would let the call run on."""
    monkeypatch.setattr(http_leg, "LINGER_S", 60.0)
    gone = asyncio.Event()

    async def streams(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}))
        await writer.drain()
        await until_cut(writer)
        gone.set()

    async with lab() as (made, server):
        made.acts["tools/call"] = streams
        calling = asyncio.create_task(server.send(permit()))
        await made.until("tools/call")
        await asyncio.sleep(0.05)
        calling.cancel()
        async with asyncio.timeout(20.0):
            await gone.wait()


@pytest.mark.spec("DW-164")
async def test_the_stream_of_an_ended_session_is_closed_though_its_server_keeps_it() -> None:
    opened: list[str] = []
    cut: list[str] = []

    async def keeps(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await writer.drain()
        opened.append(request.headers["mcp-session-id"])
        await until_cut(writer)
        cut.append(request.headers["mcp-session-id"])

    session = Session("s-1", "default|me|agent", None, "2025-11-25", {}, {})
    async with lab() as (made, server):
        made.acts["GET"] = keeps
        made.acts["DELETE"] = raw(http(405))
        await server.send(
            permit(
                method="resources/subscribe",
                params={"uri": "u:1"},
                session=session,
                kind=Kind.RESOURCE,
                name="u:1",
            )
        )
        await until(lambda: len(opened) == 1)
        server.close_conversation(session.id)
        await until(lambda: cut == opened[:1])


@pytest.mark.spec("DW-349")
async def test_a_call_that_waits_for_a_server_which_is_closed_has_not_cancelled() -> None:
    async with lab() as (made, server):
        made.acts["server/discover"] = silent
        calling = asyncio.create_task(server.send(permit()))
        await made.until("server/discover")
        await server.close(1.0)
        with pytest.raises(UpstreamError) as caught:
            await calling
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
