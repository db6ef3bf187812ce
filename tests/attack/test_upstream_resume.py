"""Streams that end before their answer: continued where the server offers it; the call is not sent again."""

import asyncio
import json
import time
from typing import Any

import pytest

from doorward.model.call import Outcome, Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import events as events_module
from doorward.upstream.server import Server
from tests.attack.hostile_server import (
    END,
    SESSION,
    STREAM,
    Events,
    Lab,
    Request,
    event,
    http,
    lab,
    permit,
    raw,
    until,
)

pytestmark = [pytest.mark.asyncio]

NOTE = {"jsonrpc": "2.0", "method": "notifications/progress"}


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


def primed(event_id: str, retry_ms: int = 100) -> bytes:
    return chunk(f"id: {event_id}\nretry: {retry_ms}\ndata:\n\n".encode())


class Story:
    """A server that ends the stream of a call after its first event, and answers on the `turns`-th GET."""

    def __init__(self, made: Lab, turns: int = 1) -> None:
        self.made, self.turns, self.retry_ms = made, turns, 100
        self.asked_with: list[str | None] = []
        self.at: list[float] = []
        self.call: Request | None = None
        made.acts["tools/call"] = self.begin
        made.acts["GET"] = self.go_on

    def begin(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.call = request
        self.at.append(time.monotonic())
        writer.write(STREAM + primed("e0", self.retry_ms) + END)

    def go_on(self, request: Request, writer: asyncio.StreamWriter) -> None:
        assert self.call is not None
        self.asked_with.append(request.headers.get("last-event-id"))
        self.at.append(time.monotonic())
        turn = len(self.asked_with)
        writer.write(STREAM)
        if turn < self.turns:
            writer.write(primed(f"e{turn}") + END)
            return
        token = self.call.message["params"].get("_meta", {}).get("progressToken")
        if token is not None:
            writer.write(event({**NOTE, "params": {"progressToken": token, "progress": 1}}))
        writer.write(event(self.call.result({"content": [{"type": "text", "text": "at last"}]})) + END)


def said(reply: Reply) -> str:
    return str(json.loads(reply.result or b"")["content"][0]["text"])


async def refused(server: Server, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await server.send(permit(**options))
    assert caught.value.message.startswith("server lab ")
    return caught.value


@pytest.mark.spec("DW-376")
async def test_the_rest_of_an_answer_is_asked_for_and_the_call_is_not() -> None:
    async with lab() as (made, server):
        story = Story(made, turns=3)
        events = Events()
        reply = await server.send(permit(events=events, token="mine"))
        assert said(reply) == "at last"
        assert story.asked_with == ["e0", "e1", "e2"]
        assert made.times("tools/call") == 1
        assert [one["params"]["progressToken"] for one in events.got] == ["mine"]
        gets = [one for one in made.seen if one.verb == "GET"]
        call = next(one for one in made.seen if one.method == "tools/call")
        assert {one.headers["mcp-session-id"] for one in gets} == {call.headers["mcp-session-id"]}


@pytest.mark.spec("DW-376")
async def test_the_server_s_wish_to_wait_is_kept_and_bounded() -> None:
    async with lab() as (made, server):
        story = Story(made)
        story.retry_ms = 400
        await server.send(permit())
        assert 0.35 <= story.at[1] - story.at[0] < 10.0


@pytest.mark.spec("DW-376")
async def test_a_stream_that_breaks_off_is_continued_too() -> None:
    async with lab() as (made, server):
        story = Story(made)

        def breaks(request: Request, writer: asyncio.StreamWriter) -> None:
            story.call = request
            writer.write(STREAM + primed("e0") + chunk(b"id: e1\ndata: {"))
            writer.close()

        made.acts["tools/call"] = breaks
        assert said(await server.send(permit())) == "at last"
        assert story.asked_with == ["e0"]  # e1 was cut off, so it has to come again


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(405), "does not continue it"),
        (http(404), "does not continue it"),
        (http(500), "does not continue it"),
        (http(200, b"{}"), "does not continue it"),
        (STREAM + END, "without an answer"),
    ],
)
async def test_what_is_not_continued_is_lost(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "SHORTEST_RETRY_S", 0.01)
    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(STREAM + primed("e0", retry_ms=10) + END)
        made.acts["GET"] = raw(answer)
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_CONNECTION_LOST
        assert words in error.message
        assert made.times("tools/call") == 1
        assert sum(one.verb == "GET" for one in made.seen) <= 5


async def test_a_server_that_never_comes_to_the_point_meets_the_deadline() -> None:
    turns = 0

    def again(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal turns
        turns += 1
        writer.write(STREAM + primed(f"e{turns}") + END)

    async with lab(timeout_s=0.8) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = made.acts["GET"] = again
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_TIMEOUT
        await made.until("notifications/cancelled")
        assert turns <= 10
        assert made.times("tools/call") == 1


async def test_a_silent_continuation_meets_the_deadline() -> None:
    async with lab(timeout_s=0.6) as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(STREAM + primed("e0") + END)
        made.acts["GET"] = raw(STREAM)
        began = time.monotonic()
        assert (await refused(server)).reason is Reason.UPSTREAM_TIMEOUT
        assert time.monotonic() - began < 10.0


async def test_cancelling_ends_the_continuation_and_tells_the_server() -> None:
    gone = asyncio.Event()

    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await writer.drain()
        while not writer.is_closing():
            writer.write(chunk(b":\n\n"))
            await asyncio.sleep(0.01)
        gone.set()

    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(STREAM + primed("e0") + END)
        made.acts["GET"] = wait
        calling = asyncio.create_task(server.send(permit()))
        await until(lambda: any(one.verb == "GET" for one in made.seen))
        calling.cancel()
        async with asyncio.timeout(20.0):
            await gone.wait()
        await made.until("notifications/cancelled")


@pytest.mark.parametrize("event_id", ["", "x\x01y", "x" * 600, "bad\0id"])
async def test_an_id_that_cannot_be_repeated_resumes_nothing(event_id: str) -> None:
    async with lab() as (made, server):
        await server.list("tools/list")
        made.acts["tools/call"] = raw(STREAM + primed(event_id) + END)
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_CONNECTION_LOST
        assert error.message == "server lab ended its stream without an answer"
        assert not any(one.verb == "GET" for one in made.seen)


@pytest.mark.spec("DW-377")
async def test_a_modern_server_s_stream_is_the_call() -> None:
    def discover(request: Request, writer: asyncio.StreamWriter) -> None:
        result = {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "resultType": "complete",
        }
        writer.write(http(200, request.result({**result, "ttlMs": 0, "cacheScope": "private"})))

    async with lab() as (made, server):
        made.acts["server/discover"] = discover
        made.acts["tools/call"] = raw(STREAM + primed("e0") + END)
        assert (await refused(server)).reason is Reason.UPSTREAM_CONNECTION_LOST
        assert not any(one.verb == "GET" for one in made.seen)


@pytest.mark.spec("DW-376")
async def test_a_session_s_own_stream_goes_on_after_its_last_event() -> None:
    asked_with: list[str | None] = []

    def listen(request: Request, writer: asyncio.StreamWriter) -> None:
        asked_with.append(request.headers.get("last-event-id"))
        writer.write(STREAM + primed(f"n{len(asked_with)}") + END)

    async with lab() as (made, server):
        made.acts["GET"] = listen
        assert (
            await server.send(permit(method="resources/subscribe", params={"uri": "a:b"}, session=SESSION))
        ).outcome is Outcome.OK
        async with asyncio.timeout(6.0):
            while len(asked_with) < 2:  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0.02)
        assert asked_with[:2] == [None, "n1"]
