"""Hostile and broken HTTP+SSE servers: one clear answer each, nothing sent twice, nothing left open."""

import asyncio
import json
from typing import Any

import pytest

from doorward.model.call import Era, Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import sse
from doorward.upstream.server import Server
from tests.attack.hostile_server import Events, http, permit, until
from tests.attack.hostile_stream import Post, Stream, StreamLab, event, stream_lab

pytestmark = [pytest.mark.asyncio]


async def ask(server: Server, text: str = "hi", **options: Any) -> str:
    reply = await server.send(permit(params={"name": "echo", "arguments": {"text": text}}, **options))
    assert reply.outcome is Outcome.OK
    found: str = json.loads(reply.result or b"")["content"][0]["text"]
    return found


def silent(post: Post) -> None:
    """Takes it and never answers."""


async def refused(server: Server, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError, match="server lab") as caught:
        await ask(server, **options)
    return caught.value


@pytest.mark.spec("DW-167")
async def test_it_is_found_by_the_rule_of_the_transport_and_served() -> None:
    async with stream_lab() as (lab, server):
        assert await ask(server) == "hi"
        assert (await server.list("tools/list"))[0]["name"] == "echo"
        assert (server.era, server.version, server.state.transport) == (Era.LEGACY, "2024-11-05", "sse")
        posts = {post.method: post for post in lab.seen}
        assert "mcp-protocol-version" not in posts["tools/call"].headers  # unknown before 2025-06-18


async def test_each_caller_has_a_stream_of_its_own_which_ends_with_its_session() -> None:
    async with stream_lab() as (lab, server):
        await asyncio.gather(*(ask(server, agent=agent) for agent in ("a", "b", "a")))
        paths = {post.path for post in lab.seen if post.method == "tools/call"}
        assert len(paths) == 2
        assert len(lab.open) == 3  # and discovery's
        owner = permit(agent="a").principal.owner
        server.close_conversation(owner)
        await until(lambda: len(lab.open) == 2)
        assert await ask(server, agent="a") == "hi"


@pytest.mark.spec("DW-166")
@pytest.mark.parametrize(
    "elsewhere",
    ["http://other.example/messages", "//127.0.0.1:1/x", "https://127.0.0.1/messages", "http://[::1]/m"],
)
async def test_an_endpoint_of_another_origin_is_never_used(elsewhere: str) -> None:
    lab = StreamLab()
    lab.begin = lambda stream: stream.say(elsewhere, "endpoint")
    async with stream_lab(lab) as (_, server):
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_PROTOCOL_ERROR
        assert "another origin" in error.message
        assert lab.seen == []
        assert server.state.level == "down"


@pytest.mark.parametrize(
    "nonsense", ["http://u:p@127.0.0.1/m", "/a b", "/" + "x" * 5000, "http://h:99999/", "/ü"]
)
async def test_an_endpoint_that_is_no_url_is_refused(nonsense: str) -> None:
    lab = StreamLab()
    lab.begin = lambda stream: stream.say(nonsense, "endpoint")
    async with stream_lab(lab) as (_, server):
        assert "no usable endpoint" in (await refused(server)).message


async def test_an_absolute_endpoint_of_its_own_origin_is_used() -> None:
    lab = StreamLab()
    lab.begin = lambda stream: stream.say(lab.url.replace("/sse", stream.path), "endpoint")
    async with stream_lab(lab) as (_, server):
        assert await ask(server) == "hi"


async def test_a_stream_that_names_no_endpoint_is_given_up_in_time() -> None:
    lab = StreamLab()
    lab.begin = lambda stream: stream.say({"method": "notifications/message", "params": {"level": "info"}})
    async with stream_lab(lab, probe_s=0.3) as (_, server):
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_PROTOCOL_ERROR
        assert "named no endpoint" in error.message
        await until(lambda: not lab.open)


async def test_what_speaks_neither_transport_is_told_by_its_answer_to_initialize() -> None:
    lab = StreamLab()
    lab.get = http(404, b"<h1>no</h1>", "text/html")
    async with stream_lab(lab) as (_, server):
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_HTTP_ERROR
        assert "405" in error.message


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_a_stream_that_is_refused_says_why(status: int) -> None:
    lab = StreamLab()
    lab.get = http(status)
    async with stream_lab(lab) as (_, server):
        assert str(status) in (await refused(server)).message


@pytest.mark.spec("DW-166")
async def test_a_second_endpoint_is_not_followed() -> None:
    async with stream_lab() as (lab, server):
        await ask(server)
        for stream in lab.streams:
            stream.say("/elsewhere", "endpoint")
            stream.say("http://other.example/", "endpoint")
        await until(lambda: server.dropped.get("endpoint named again") == 4)
        assert await ask(server) == "hi"
        assert {post.path for post in lab.seen} == {stream.path for stream in lab.streams}


async def test_a_stream_that_ends_fails_its_calls_and_no_others_and_nothing_is_sent_again() -> None:
    async with stream_lab() as (lab, server):
        await ask(server, agent="b")
        lab.acts["tools/call"] = silent
        waiting = [asyncio.create_task(ask(server, agent=agent)) for agent in ("a", "b")]
        await until(lambda: lab.times("tools/call") == 3)
        own = next(post.stream for post in lab.seen[::-1] if post.method == "tools/call")
        assert own is not None
        own.writer.close()
        with pytest.raises(UpstreamError) as caught:
            await waiting[0]
        assert caught.value.reason is Reason.UPSTREAM_CONNECTION_LOST
        assert "ended its event stream" in caught.value.message
        assert not waiting[1].done()
        waiting[1].cancel()
        del lab.acts["tools/call"]
        assert await ask(server, agent="a") == "hi"  # on a new stream
        assert lab.times("tools/call") == 4


def _closes(stream: Stream) -> None:
    stream.say(stream.path, "endpoint")
    stream.writer.close()


async def test_discovery_opens_its_stream_again_with_growing_pauses() -> None:
    async with stream_lab() as (lab, server):
        await ask(server)
        lab.begin = _closes
        before = len(lab.streams)
        for stream in lab.streams:
            stream.writer.close()
        await asyncio.sleep(1.5)
        assert before < len(lab.streams) <= before + 8


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, Reason.UPSTREAM_HTTP_ERROR),
        (404, Reason.UPSTREAM_HTTP_ERROR),
        (401, Reason.UPSTREAM_AUTH_FAILED),
        (503, Reason.UPSTREAM_OVERLOADED),
        (307, Reason.UPSTREAM_HTTP_ERROR),
    ],
)
async def test_a_refused_post_ends_its_call(status: int, reason: Reason) -> None:
    async with stream_lab() as (lab, server):
        await ask(server)
        lab.acts["tools/call"] = lambda _: http(status)
        error = await refused(server)
        assert error.reason is reason
        assert str(status) in error.message
        assert lab.times("tools/call") == 2
        del lab.acts["tools/call"]
        assert await ask(server) == "hi"


async def test_a_post_without_any_answer_is_lost_but_an_early_answer_counts() -> None:
    async with stream_lab(timeout_s=3.0) as (lab, server):
        await ask(server)

        async def answers_first(post: Post) -> None:
            post.text("early")
            await asyncio.sleep(10)

        lab.acts["tools/call"] = answers_first
        async with asyncio.timeout(2.7):
            assert await ask(server) == "early"

        async def hangs(post: Post) -> None:
            await asyncio.sleep(10)

        lab.acts["tools/call"] = hangs
        assert (await refused(server)).reason is Reason.UPSTREAM_TIMEOUT


@pytest.mark.spec("DW-025")
async def test_answers_to_nothing_reach_nobody() -> None:
    def act(post: Post) -> None:
        assert post.stream is not None
        number = post.message["id"]
        for wrong in (str(number), number + 1000, None, True):
            post.stream.say({"id": wrong, "result": {"content": []}})
        post.stream.say("not JSON")
        post.stream.say({"id": 1}, "ping")
        post.text("mine")
        post.text("again")

    async with stream_lab() as (lab, server):
        lab.acts["tools/call"] = act
        assert await ask(server) == "mine"
        await until(lambda: sum(server.dropped.values()) >= 7)
        assert await ask(server) == "mine"


async def test_an_endless_event_ends_the_stream() -> None:
    def act(post: Post) -> None:
        assert post.stream is not None
        post.stream.writer.write(b"data: " + b"x" * 100_000)

    async with stream_lab(max_reply_bytes=50_000) as (lab, server):
        lab.acts["tools/call"] = act
        assert (await refused(server)).reason is Reason.UPSTREAM_REPLY_TOO_LARGE


async def test_a_field_that_is_not_utf_8_is_not_called_too_large() -> None:
    def act(post: Post) -> None:
        assert post.stream is not None
        post.stream.writer.write(b"id: \xff\ndata: {}\n\n")

    async with stream_lab() as (lab, server):
        lab.acts["tools/call"] = act
        error = await refused(server)
    assert error.reason is Reason.UPSTREAM_PROTOCOL_ERROR
    assert error.message == "server lab sent what is not an event stream: an event field is not UTF-8"


async def test_progress_logs_and_questions() -> None:
    def act(post: Post) -> None:
        assert post.stream is not None
        token = post.message["params"]["_meta"]["progressToken"]
        for number in range(3):
            params = {"progressToken": token, "progress": number}
            post.stream.say({"method": "notifications/progress", "params": params})
        post.stream.say({"id": "q", "method": "sampling/createMessage", "params": {}})
        post.stream.say({"id": "p", "method": "ping"})
        post.text("done")

    async with stream_lab() as (lab, server):
        lab.acts["tools/call"] = act
        events = Events()
        assert await ask(server, events=events, token=7) == "done"
        assert [one["params"]["progressToken"] for one in events.got] == [7, 7, 7]
        await until(lambda: sum("method" not in post.message for post in lab.seen) == 2)
        answers = {post.message["id"]: post.message for post in lab.seen if "method" not in post.message}
        assert answers["q"]["error"]["code"] == -32601
        assert answers["p"]["result"] == {}


async def test_a_flood_of_questions_is_not_answered_without_bound() -> None:
    taken = asyncio.Event()

    async def slow(post: Post) -> None:
        await taken.wait()

    async with stream_lab() as (lab, server):
        await ask(server)
        lab.acts[""] = slow
        for number in range(500):
            lab.streams[0].say({"id": number, "method": "ping"})
        too_many = "message to a server that is slow to take it"
        await until(lambda: server.dropped.get(too_many, 0) == 500 - sse.MAX_TELLING)
        await until(lambda: lab.times("") == sse.MAX_TELLING)
        taken.set()
        await asyncio.sleep(0.1)
        assert lab.times("") == sse.MAX_TELLING


async def test_a_flood_of_events_that_nobody_asked_for_is_heard_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "REST_S", 0.1)
    async with stream_lab() as (lab, server):
        told: list[str] = []
        server.on_notification = lambda *heard: told.append(heard[1])
        await server.list("tools/list")
        flood = event({"method": "notifications/tools/list_changed"}) * (sse.BURST * 10)
        lab.streams[0].writer.write(flood)
        await until(lambda: len(told) >= sse.BURST)
        await asyncio.sleep(0.15)
        assert len(told) < sse.BURST * 5
        await until(lambda: len(told) == sse.BURST * 10)


async def test_lists_that_change_are_heard() -> None:
    async with stream_lab() as (lab, server):
        told: list[tuple[str | None, str]] = []
        server.on_notification = lambda *heard: told.append(heard[:2])
        await server.list("tools/list")
        lab.streams[0].say({"method": "notifications/tools/list_changed"})
        await until(lambda: told == [(None, "notifications/tools/list_changed")])


@pytest.mark.spec("DW-216")
async def test_timeout_and_cancellation_reach_the_server() -> None:
    async with stream_lab(timeout_s=0.5) as (lab, server):
        await ask(server)
        lab.acts["tools/call"] = silent
        assert (await refused(server)).reason is Reason.UPSTREAM_TIMEOUT
        await until(lambda: lab.times("notifications/cancelled") == 1)
        task = asyncio.create_task(ask(server))
        await until(lambda: lab.times("tools/call") == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: lab.times("notifications/cancelled") == 2)
        called = [post.message["id"] for post in lab.seen if post.method == "tools/call"][1:]
        cancelled = [
            post.message["params"]["requestId"]
            for post in lab.seen
            if post.method == "notifications/cancelled"
        ]
        assert cancelled == called


async def test_a_silent_stream_is_asked_whether_somebody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "QUIET_S", 0.2)
    async with stream_lab(timeout_s=0.5) as (lab, server):
        await ask(server)
        await until(lambda: lab.times("ping") >= 2)
        assert len(lab.streams) == 2  # whoever answers keeps its stream
        lab.acts["ping"] = silent
        await until(lambda: len(lab.streams) >= 3)


async def test_idle_streams_are_ended_although_they_are_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "QUIET_S", 0.1)
    async with stream_lab(conversation_idle_s=0.5) as (lab, server):
        await ask(server)
        assert len(lab.open) == 2
        await until(lambda: len(lab.open) == 1)


@pytest.mark.spec("DW-344")
async def test_a_server_that_was_upgraded_is_found_again() -> None:
    async with stream_lab() as (lab, server):
        await ask(server)
        lab.get = http(405)
        lab.on_url = http(500)
        for stream in list(lab.streams):
            stream.writer.close()
        await asyncio.sleep(0.1)
        error = await refused(server)
        assert error.reason is Reason.UPSTREAM_HTTP_ERROR
        await until(lambda: server.state.level == "down")
        assert server.state.transport == "http"


async def test_a_stream_that_breaks_off_in_the_handshake_is_no_call_that_may_have_run() -> None:
    lab = StreamLab()
    lab.acts["initialize"] = lambda post: post.stream and post.stream.writer.close()
    async with stream_lab(lab) as (_, server):
        assert (await refused(server)).reason is Reason.UPSTREAM_UNREACHABLE
