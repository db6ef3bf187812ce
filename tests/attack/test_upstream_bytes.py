"""Bytes of a hostile server: each kind has its answer, which names the server; none reaches another call."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from doorward.model.call import Era, Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.pipeline import rescue
from doorward.upstream.server import Server
from doorward.upstream.settings import NoAuth
from tests.attack.hostile_server import (
    END,
    STREAM,
    Request,
    event,
    http,
    lab,
    permit,
    raw,
    until,
)

pytestmark = [pytest.mark.asyncio]

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
PROTOCOL, LARGE, LOST = (
    Reason.UPSTREAM_PROTOCOL_ERROR,
    Reason.UPSTREAM_REPLY_TOO_LARGE,
    Reason.UPSTREAM_CONNECTION_LOST,
)


async def refused(server: Server, **options: Any) -> UpstreamError:
    """The error, which is checked to be answered as one that names its server."""
    with pytest.raises(UpstreamError) as caught:
        await server.send(permit(**options))
    error = caught.value
    assert error.message.startswith("server lab ")
    assert error.message.isprintable()
    answer = rescue.failed(error, request_id=1, era=Era.LEGACY, call=None, decision_id="d")
    said = json.loads(answer.body)["error"]
    assert answer.status == 200
    assert said["data"]["server"] == "lab"
    assert said["data"]["reason"] == error.reason.value
    return error


# what does not end


def forever(first: bytes, again: bytes) -> Callable[[Request, asyncio.StreamWriter], Any]:
    async def act(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0)

    return act


@pytest.mark.spec("DW-441")
@pytest.mark.parametrize(
    ("first", "again", "reason"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 500 + b"\r\n", PROTOCOL, id="header fields"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 500, PROTOCOL, id="one header field"),
        pytest.param(b"HTTP/1.1 200 ", b"y" * 500, PROTOCOL, id="the reason phrase"),
        pytest.param(b"", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", PROTOCOL, id="interim answers"),
        pytest.param(CHUNKED, b"400\r\n" + b" " * 1024 + b"\r\n", LARGE, id="chunks"),
        pytest.param(CHUNKED + b"2;", b"y" * 500, PROTOCOL, id="a chunk extension"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n", PROTOCOL, id="trailers"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"y" * 500, PROTOCOL, id="one trailer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n\r\n", b"y" * 500, LARGE, id="until it closes"
        ),
        pytest.param(STREAM + b"6\r\ndata: \r\n", b"3e8\r\n" + b"y" * 1000 + b"\r\n", LARGE, id="an event"),
        pytest.param(STREAM, b"7\r\ndata:x\n\r\n", LARGE, id="lines of an event"),
    ],
)
async def test_what_does_not_end_is_ended(first: bytes, again: bytes, reason: Reason) -> None:
    async with lab(max_reply_bytes=50_000, timeout_s=20.0) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = forever(first, again)
        async with asyncio.timeout(10.0):
            assert (await refused(server)).reason is reason
        assert made.times("tools/call") == 1
        del made.acts["tools/call"]
        assert (await server.send(permit())).outcome is Outcome.OK


# what is too large, or compressed


@pytest.mark.spec("DW-441")
async def test_an_event_of_a_megabyte_arrives_and_one_beyond_the_limit_does_not() -> None:
    size = 1 << 20

    def megabyte(request: Request, writer: asyncio.StreamWriter) -> None:
        result = {"content": [{"type": "text", "text": "x" * size}]}
        writer.write(STREAM + event(request.result(result)) + END)

    async with lab() as (made, server):
        made.acts["tools/call"] = megabyte
        reply = await server.send(permit())
        assert len(json.loads(reply.result or b"")["content"][0]["text"]) == size
    async with lab(max_reply_bytes=size) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = megabyte
        assert (await refused(server)).reason is LARGE


@pytest.mark.spec("DW-443")
@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"deflate, gzip", b"zstd", b"x"])
@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
async def test_what_is_compressed_is_not_opened(coding: bytes, kind: bytes) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(head % (kind, coding, len(bomb)) + bomb)
        error = await refused(server)
        assert error.reason is PROTOCOL
        assert "compressed" in error.message
        made.acts["tools/call"] = raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        )
        assert (await refused(server)).reason is PROTOCOL


# what comes at the wrong time


@pytest.mark.spec("DW-025")
async def test_an_answer_before_any_question_is_nobody_s() -> None:
    """It comes on a new connection, before a request: the connection is given up, and no call is sent."""
    eager = 0

    async with lab() as (made, origin):

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal eager
            eager += 1
            if eager <= 2:
                result = {"content": [{"type": "text", "text": "smuggled"}]}
                for number in range(8):
                    ahead = {"jsonrpc": "2.0", "id": number, "result": result}
                    writer.write(http(200, json.dumps(ahead).encode()))
                await writer.drain()
                await asyncio.sleep(0.05)
            await made.serve(reader, writer)

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
        server = Server(msgspec.structs.replace(origin.settings, url=url))
        try:
            await server.start()
            await asyncio.sleep(0.1)
            assert (await refused(server)).reason is Reason.UPSTREAM_UNREACHABLE
            await until(lambda: server.up)
            reply = await server.send(permit())
            assert json.loads(reply.result or b"")["content"][0]["text"] == "hi"
            assert made.times("tools/call") == 1
        finally:
            await server.close(0.5)
            listener.close()


@pytest.mark.spec("DW-025")
async def test_an_answer_between_two_calls_meets_neither() -> None:
    async with lab() as (made, server):
        writers: list[asyncio.StreamWriter] = []

        def honest(request: Request, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            made.honest(request, writer)

        made.acts["tools/call"] = honest
        for number in range(5):
            params = {"name": "x", "arguments": {"text": str(number)}}
            reply = await server.send(permit(params=params))
            assert json.loads(reply.result or b"")["content"][0]["text"] == str(number)
            ahead = json.dumps({"jsonrpc": "2.0", "id": number + 100, "result": {"content": []}}).encode()
            writers[-1].write(http(200, ahead))
            await asyncio.sleep(0.02)
        assert len({id(writer) for writer in writers}) == 5


FORMS: list[Callable[[bytes], bytes]] = [
    lambda body: http(200, body),
    lambda body: CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    lambda body: STREAM + event(body) + END,
]


@pytest.mark.parametrize("first", FORMS, ids=["length", "chunks", "stream"])
@pytest.mark.parametrize("second", FORMS, ids=["length", "chunks", "stream"])
async def test_two_answers_in_one_piece_are_cut_apart(
    first: Callable[[bytes], bytes], second: Callable[[bytes], bytes]
) -> None:
    """The second is nobody's, though it has the next call's id."""
    smuggled = b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"smuggled"}]}}'

    def both(request: Request, writer: asyncio.StreamWriter) -> None:
        text = request.message["params"]["arguments"]["text"]
        own = request.result({"content": [{"type": "text", "text": text}]})
        writer.write(first(own) + second(smuggled % (int(request.id or 0) + 1)))

    async with lab() as (made, server):
        made.acts["tools/call"] = both
        for number in range(4):
            params = {"name": "x", "arguments": {"text": str(number)}}
            reply = await server.send(permit(params=params))
            assert json.loads(reply.result or b"")["content"][0]["text"] == str(number)


@pytest.mark.parametrize(
    "half",
    [
        http(200, b"{" + b" " * 90)[:-50],
        CHUNKED + b"5\r\n{}   \r\n",
        CHUNKED + b"5\r\n{}",
        CHUNKED,
        CHUNKED[:40],
        b"HTTP",
        STREAM + b"10\r\ndata: {",
        STREAM + b"4\r\n:\n\n\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_an_answer_that_is_cut_off_is_lost(half: bytes) -> None:
    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(half)
        writer.close()

    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = act
        assert (await refused(server)).reason is LOST
        assert made.times("tools/call") == 1


# bodies


@pytest.mark.spec("DW-443")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text/html", Reason.UPSTREAM_HTTP_ERROR),
        ("application/json-seq", Reason.UPSTREAM_HTTP_ERROR),
        ("application/jsonx", Reason.UPSTREAM_HTTP_ERROR),
        ("", Reason.UPSTREAM_HTTP_ERROR),
    ],
)
async def test_another_content_type_is_no_answer(kind: str, reason: Reason) -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = lambda request, writer: writer.write(
            http(200, request.result({"content": []}), kind)
        )
        assert (await refused(server)).reason is reason


@pytest.mark.spec("DW-443")
@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
async def test_a_content_type_may_be_written_in_any_way(kind: str) -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = lambda request, writer: writer.write(
            http(200, request.result({"content": []}), kind)
        )
        assert (await server.send(permit())).outcome is Outcome.EMPTY


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\\ud800\xff"]
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_that_is_no_utf8_is_refused(text: bytes, streamed: bool) -> None:
    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        body = b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"%b"}]}}' % (
            request.id,
            text,
        )
        writer.write(STREAM + event(body) + END if streamed else http(200, body))

    async with lab() as (made, server):
        made.acts["tools/call"] = act
        assert (await refused(server)).reason is PROTOCOL


# statuses and fields


@pytest.mark.spec("DW-148")
async def test_a_redirect_takes_our_credentials_nowhere() -> None:
    async with lab() as (other, _):
        heard = len(other.seen)
        async with lab(auth_headers=NoAuth([(b"authorization", b"Bearer s3cret")])) as (made, server):
            await server.list("tools/list")
            for status in (301, 302, 303, 307, 308):
                made.acts["tools/call"] = raw(http(status, extra=f"Location: {other.url}\r\n"))
                error = await refused(server)
                assert error.reason is Reason.UPSTREAM_HTTP_ERROR
                assert "never followed" in error.message
                assert other.url not in error.message
        await asyncio.sleep(0.05)
        assert not any("s3cret" in str(one.headers) for one in other.seen[heard:])
        assert other.times("tools/call") == 0


@pytest.mark.spec("DW-289")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("99999999999999999999", 86400), ("-1", None), ("soon", None), ("", None)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_server_says_when(status: int, value: str, seconds: int | None) -> None:
    async with lab() as (made, server):
        made.acts["tools/call"] = raw(http(status, extra=f"Retry-After: {value}\r\n"))
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_OVERLOADED
        answer = rescue.failed(error, request_id=1, era=Era.LEGACY, call=None, decision_id=None)
        data = json.loads(answer.body)["error"]["data"]
        assert data["retryable"] is True
        assert data.get("retry_after") == seconds
        assert made.times("tools/call") == 1


@pytest.mark.spec("DW-285")
async def test_a_challenge_is_told_to_the_operator_only() -> None:
    said = (
        'Bearer error="invalid_token", scope="tools:read", resource_metadata="https://as.test/.well-known/x"'
    )
    async with lab(auth_headers=NoAuth([(b"authorization", b"Bearer s3cret")])) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(http(401, extra=f"WWW-Authenticate: {said}\r\n"))
        made.acts["initialize"] = made.acts["server/discover"] = made.acts["tools/call"]
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_AUTH_FAILED
        answer = rescue.failed(error, request_id=1, era=Era.LEGACY, call=None, decision_id=None)
        assert b"as.test" not in answer.body
        assert b"tools:read" not in answer.body
        assert "scope=tools:read, resource_metadata=https://as.test/.well-known/x" in (
            server.state.details or ""
        )
        assert "s3cret" not in str(server.state)


@pytest.mark.spec("DW-163")
@pytest.mark.parametrize("session_id", [b"a b", b"a\tb", b"\xff", b"a\x7f", b"x" * 600, b"a\xc2\xa0b", b""])
async def test_a_session_id_that_would_break_our_head_is_refused(session_id: bytes) -> None:
    def initialize(request: Request, writer: asyncio.StreamWriter) -> None:
        made.honest(request, _Replacing(writer, b"Mcp-Session-Id: " + session_id))

    async with lab(timeout_s=3.0) as (made, server):
        made.acts["initialize"] = initialize
        error = await refused(server)
        assert error.reason in (PROTOCOL, Reason.UPSTREAM_UNREACHABLE)
        assert made.times("tools/call") == 0


class _Replacing:
    def __init__(self, writer: asyncio.StreamWriter, new: bytes) -> None:
        self._writer, self._new = writer, new

    def write(self, data: bytes) -> None:
        self._writer.write(re.sub(rb"Mcp-Session-Id: s\d+", lambda _: self._new, data))


def modern(request: Request, writer: asyncio.StreamWriter) -> None:
    result = {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "resultType": "complete",
    }
    writer.write(http(200, request.result({**result, "ttlMs": 0, "cacheScope": "private"})))


@pytest.mark.spec("DW-130")
async def test_what_a_caller_says_cannot_become_a_header_field() -> None:
    """A modern request repeats the name of its target in a field: whatever it is, it stays one value."""

    async with lab() as (made, server):
        made.acts["server/discover"] = modern
        for name in ("a\r\nEvil: 1", "a\nEvil: 1", "a\0b", "é\r\n\r\nGET / HTTP/1.1", " a "):
            await server.send(permit(name=name))
            call = made.seen[-1]
            assert call.method == "tools/call"
            assert "evil" not in call.headers
            assert call.message["params"]["name"] == name
        assert made.times("tools/call") == 5


# cancelling, both ways


@pytest.mark.spec("DW-217")
async def test_a_server_that_takes_back_its_own_question_is_answered_once_and_nobody_else_hears_of_it() -> (
    None
):
    answers: list[Any] = []

    def posted(request: Request, writer: asyncio.StreamWriter) -> None:
        answers.append(request.message)
        writer.write(http(202))

    async def ask(request: Request, writer: asyncio.StreamWriter) -> None:
        question = {"jsonrpc": "2.0", "id": "q1", "method": "roots/list"}
        withdrawn = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q1"}}
        ours = {**withdrawn, "params": {"requestId": request.id}}
        writer.write(STREAM + event(question) + event(withdrawn) + event(ours))
        await writer.drain()
        await until(lambda: bool(answers))
        writer.write(event(request.result({"content": []})) + END)

    async with lab() as (made, server):
        told: list[Any] = []
        server.on_notification = lambda *what: told.append(what)
        made.acts["tools/call"], made.acts["POST"] = ask, posted
        assert (await server.send(permit())).outcome is Outcome.EMPTY
        await asyncio.sleep(0.05)
        assert [one["id"] for one in answers] == ["q1"]
        assert told == []
        assert server.dropped["notification for no live call"] == 2


@pytest.mark.spec("DW-211")
async def test_a_cancelled_call_is_cancelled_there_and_its_late_answer_meets_nobody() -> None:
    async with lab() as (made, server):
        await server.send(permit())
        late: list[tuple[Request, asyncio.StreamWriter]] = []
        made.acts["tools/call"] = lambda request, writer: late.append((request, writer))
        calling = asyncio.create_task(server.send(permit()))
        await until(lambda: bool(late))
        calling.cancel()
        await asyncio.wait([calling])
        await made.until("notifications/cancelled")
        request, writer = late[0]
        told = next(one for one in made.seen if one.method == "notifications/cancelled")
        assert told.message["params"]["requestId"] == request.id
        if not writer.is_closing():
            writer.write(http(200, request.result({"content": [{"type": "text", "text": "late"}]})))
        del made.acts["tools/call"]
        for _ in range(3):
            reply = await server.send(permit())
            assert json.loads(reply.result or b"")["content"][0]["text"] == "hi"


@pytest.mark.spec("DW-211")
async def test_a_cancelled_call_to_a_modern_server_is_cut_before_its_answer_has_begun() -> None:
    gone = asyncio.Event()

    async def thinks(request: Request, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():  # it learns of it by writing to nobody
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.005)
        gone.set()

    async with lab() as (made, server):
        made.acts["server/discover"], made.acts["tools/call"] = modern, thinks
        calling = asyncio.create_task(server.send(permit()))
        await made.until("tools/call")
        calling.cancel()
        async with asyncio.timeout(20.0):
            await gone.wait()
        assert made.times("notifications/cancelled") == 0


@pytest.mark.spec("DW-442")
async def test_a_server_that_floods_one_caller_leaves_the_others_alone() -> None:
    async with lab(max_reply_bytes=1 << 20, timeout_s=5.0) as (made, server):
        await server.send(permit())
        honest = made.honest

        async def some(request: Request, writer: asyncio.StreamWriter) -> None:
            if request.message["params"]["arguments"].get("text") == "flood":
                await forever(STREAM, event({"jsonrpc": "2.0", "method": "notifications/x"}) * 50)(
                    request, writer
                )
            else:
                honest(request, writer)

        made.acts["tools/call"] = some
        params = {"name": "x", "arguments": {"text": "flood"}}
        flooded = asyncio.create_task(server.send(permit(params=params)))
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            assert (await server.send(permit(agent="other"))).outcome is Outcome.OK
        assert asyncio.get_running_loop().time() - began < 4.0
        flooded.cancel()
        await asyncio.wait([flooded])
