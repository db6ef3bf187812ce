"""Servers that misuse what we keep open to hear of changes: nobody is told what they did not ask for."""

import asyncio
import json
import socket
from typing import Any

import pytest

from doorward.model.call import Era, Outcome, Session
from doorward.model.target import Kind
from doorward.ports.watched import Wish
from doorward.upstream import listening, watches
from doorward.upstream.names import Endpoint
from doorward.upstream.race import KEEPALIVE, connect_tcp
from doorward.upstream.server import Server
from tests.attack.hostile_server import (
    END,
    INITIALIZED,
    STREAM,
    Events,
    Lab,
    Message,
    Request,
    event,
    http,
    lab,
    permit,
    raw,
    until,
)

pytestmark = [pytest.mark.asyncio]
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
UPDATED = "notifications/resources/updated"
LISTS = {f"notifications/{name}/list_changed" for name in ("tools", "prompts", "resources")}
CAPABLE = {"tools": {"listChanged": True}, "resources": {"subscribe": True, "listChanged": True}}
DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": CAPABLE,
    "ttlMs": 0,
    "cacheScope": "private",
}
SESSION = Session("mine", "tenant/subject/agent", None, "2025-11-25", {}, {})


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "LOOK_S", 0.05)
    monkeypatch.setattr(watches, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(listening, "ACK_S", 0.2)


def note(method: str, listen_id: Any, **params: Any) -> bytes:
    return event(
        {"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": {SUBSCRIPTION: listen_id}}}
    )


def ack(request: Request, honoured: Any = None) -> bytes:
    asked = request.message["params"]["notifications"]
    said = asked if honoured is None else honoured
    return note("notifications/subscriptions/acknowledged", request.id, notifications=said)


class Modern:
    """A modern server that acknowledges, and keeps the streams of its listens."""

    def __init__(self, made: Lab) -> None:
        self.open: list[tuple[Request, asyncio.StreamWriter]] = []
        made.acts["server/discover"] = self.discover
        made.acts["subscriptions/listen"] = self.listen

    def discover(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, request.result(DISCOVERED)))

    def listen(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.open.append((request, writer))
        writer.write(STREAM + ack(request))


class Heard:
    """What the server makes known, with who would be told."""

    def __init__(self, server: Server) -> None:
        self.got: list[tuple[str, Any, list[tuple[str, str]]]] = []
        server.on_notification = self._take
        self._server = server

    def _take(self, key: str | None, method: str, params: Message) -> None:
        uri = params.get("uri")
        told = self._server.holders(key, uri) if isinstance(uri, str) else []
        self.got.append((method, uri, told))

    @property
    def methods(self) -> set[str]:
        return {method for method, _, _ in self.got}

    @property
    def told(self) -> list[list[tuple[str, str]]]:
        return [told for _, _, told in self.got if told]


def subscribe(
    method: str = "resources/subscribe", uri: str = "note://one", events: Events | None = None
) -> Any:
    return permit(
        method=method, params={"uri": uri}, kind=Kind.RESOURCE, name=uri, session=SESSION, events=events
    )


def wish(*uris: str) -> Wish:
    return Wish(None, "tenant/subject/agent", {uri: uri for uri in uris})


@pytest.mark.spec("DW-230")
async def test_updates_of_what_nobody_subscribed_to_reach_nobody() -> None:
    async with lab() as (made, server):
        modern, heard = Modern(made), Heard(server)
        server.want("listen:1", wish("note://one"))
        await until(lambda: bool(modern.open))
        request, writer = modern.open[0]
        for uri in (
            "note://two",
            "note://",
            "note://on",
            "note://one2",
            "NOTE://one",
            "",
            7,
            None,
            ["note://one"],
        ):
            writer.write(note(UPDATED, request.id, uri=uri))
        writer.write(note(UPDATED, request.id, uri="note://one"))
        await until(lambda: len(heard.got) >= 10)
        assert heard.told == [[("listen:1", "note://one")]]


@pytest.mark.spec("DW-230")
async def test_answers_to_other_requests_end_no_listen() -> None:
    async with lab() as (made, server):
        modern, heard = Modern(made), Heard(server)
        server.want("listen:1", wish("note://one"))
        await until(lambda: bool(modern.open))
        request, writer = modern.open[0]
        assert isinstance(request.id, int)
        for other in (request.id + 1, str(request.id)):
            writer.write(event({"jsonrpc": "2.0", "id": other, "result": {"resultType": "complete"}}))
        writer.write(event({"jsonrpc": "2.0", "id": request.id, "method": "ping"}))  # a question, no answer
        writer.write(note(UPDATED, request.id, uri="note://one"))
        await until(lambda: bool(heard.told))
        assert heard.told == [[("listen:1", "note://one")]]
        assert len(modern.open) == 1, "it was not begun again"


@pytest.mark.spec("DW-230")
async def test_acknowledgements_of_other_listens_count_for_nothing() -> None:
    async with lab() as (made, server):
        modern = Modern(made)

        def foreign(request: Request, writer: asyncio.StreamWriter) -> None:
            assert isinstance(request.id, int)
            asked = request.message["params"]["notifications"]
            writer.write(STREAM)
            for listen_id in (request.id + 1, str(request.id), None):
                writer.write(note("notifications/subscriptions/acknowledged", listen_id, notifications=asked))

        made.acts["subscriptions/listen"] = foreign
        await server.list("tools/list")
        sent = asyncio.create_task(server.send(subscribe()))
        with pytest.raises(Exception, match="does not let us listen now"):
            await sent
        assert modern.open == []
        assert server.wishes == {}
        assert server.dropped["acknowledgement of nothing we asked"] >= 3


@pytest.mark.spec("DW-228")
async def test_a_listen_that_is_always_ended_at_once_is_opened_again_at_a_measured_pace() -> None:
    async with lab() as (made, server):
        modern = Modern(made)

        def brief(request: Request, writer: asyncio.StreamWriter) -> None:
            modern.listen(request, writer)
            writer.write(END)

        made.acts["subscriptions/listen"] = brief
        server.want("listen:1", wish("note://one"))
        await asyncio.sleep(1.0)
        assert 2 <= len(modern.open) <= 22


@pytest.mark.spec("DW-234")
@pytest.mark.parametrize(
    "answer",
    [
        http(404),
        http(500, b"{}"),
        http(200, b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        http(404, b'{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"}}'),
        STREAM + END,
        STREAM + event(b"{not json") + END,
    ],
    ids=["404", "500", "json", "unknown method", "nothing", "garbage"],
)
async def test_a_server_that_takes_no_listen_goes_on_serving_calls(answer: bytes) -> None:
    async with lab() as (made, server):
        Modern(made)
        made.acts["subscriptions/listen"] = raw(answer)
        server.want("listen:1", wish("note://one"))
        await made.until("subscriptions/listen", 2)
        reply = await server.send(permit(era=Era.MODERN))
        assert reply.outcome in (Outcome.OK, Outcome.EMPTY)
        assert server.state.level == "up"


@pytest.mark.spec("DW-228")
async def test_both_ways_of_ending_a_listen_are_understood_and_it_is_asked_for_again() -> None:
    async with lab() as (made, server):
        modern = Modern(made)
        server.want("listen:1", wish("note://one"))
        for number in range(2):
            await until(lambda: len(modern.open) > number)  # noqa: B023 - awaited at once
            request, writer = modern.open[number]
            if number:
                said: Message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
                writer.write(event({**said, "params": {"requestId": request.id}}))
            else:
                writer.write(event(request.result({"resultType": "complete"})))
        await until(lambda: len(modern.open) == 3)


@pytest.mark.spec("DW-231")
async def test_a_flood_is_heard_without_holding_up_a_call() -> None:
    async with lab() as (made, server):
        modern, heard = Modern(made), Heard(server)
        server.want("listen:1", wish("note://one"))
        await until(lambda: bool(modern.open))
        request, writer = modern.open[0]
        writer.write(note(UPDATED, request.id, uri="note://one") * 5_000)
        async with asyncio.timeout(20.0):
            reply = await server.send(permit(era=Era.MODERN))
        assert json.loads(reply.result or b"")["content"][0]["text"] == "hi"
        await until(lambda: len(heard.got) == 5_000)


class Legacy:
    """A legacy server with a GET stream for each session."""

    def __init__(self, made: Lab) -> None:
        self.streams: dict[str, asyncio.StreamWriter] = {}
        self.made = made
        made.acts["initialize"] = self.initialize
        made.acts["GET"] = self.get

    def initialize(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.made.sessions += 1
        said = request.result({**INITIALIZED, "capabilities": CAPABLE})
        writer.write(http(200, said, extra=f"Mcp-Session-Id: s{self.made.sessions}\r\n"))

    def get(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.streams[request.headers["mcp-session-id"]] = writer
        writer.write(STREAM)


@pytest.mark.spec("DW-230")
async def test_a_legacy_server_cannot_tell_one_session_about_another_one_s_subscriptions() -> None:
    async with lab() as (made, server):
        legacy, heard = Legacy(made), Heard(server)
        other = Session("other", "tenant/subject/agent", None, "2025-11-25", {}, {})
        await server.send(subscribe())
        theirs = permit(
            method="resources/subscribe",
            params={"uri": "note://two"},
            kind=Kind.RESOURCE,
            name="note://two",
            session=other,
        )
        await server.send(theirs)
        await until(lambda: len(legacy.streams) == 2)
        for writer in legacy.streams.values():
            writer.write(event({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "note://two"}}))
        await until(lambda: len(heard.got) == 2)
        assert heard.told == [[("other", "note://two")]]


@pytest.mark.spec("DW-226")
async def test_a_subscription_outlives_the_idle_time_of_its_conversation() -> None:
    async with lab(conversation_idle_s=0.2) as (made, server):
        legacy, heard = Legacy(made), Heard(server)
        await server.send(subscribe())
        await until(lambda: bool(legacy.streams))
        await asyncio.sleep(0.8)
        assert made.times("DELETE") == 0
        (writer,) = legacy.streams.values()
        writer.write(event({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "note://one"}}))
        await until(lambda: heard.told == [[("mine", "note://one")]])

        await server.send(subscribe("resources/unsubscribe"))
        await until(lambda: any(one.verb == "DELETE" for one in made.seen))


@pytest.mark.spec("DW-160")
async def test_a_session_that_the_server_forgets_is_opened_and_subscribed_again() -> None:
    async with lab() as (made, server):
        legacy, heard = Legacy(made), Heard(server)
        await server.send(subscribe())
        await until(lambda: bool(legacy.streams))
        first = next(iter(legacy.streams))

        def get(request: Request, writer: asyncio.StreamWriter) -> None:
            if request.headers["mcp-session-id"] == first:
                writer.write(http(404))
            else:
                legacy.get(request, writer)

        made.acts["GET"] = get
        legacy.streams[first].write(END)
        await made.until("resources/subscribe", 2)
        await until(lambda: heard.told == [[("mine", "note://one")]])  # what was missed is asked for
        assert made.sessions >= 2


@pytest.mark.spec("DW-226")
async def test_a_subscription_is_answered_when_the_server_is_listened_to() -> None:
    """What a server without an event store says before its stream is there, nobody hears."""
    async with lab() as (made, server):
        legacy, heard = Legacy(made), Heard(server)

        async def late(request: Request, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.3)
            legacy.get(request, writer)

        made.acts["GET"] = late
        await server.send(subscribe())
        (writer,) = legacy.streams.values()
        writer.write(event({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "note://one"}}))
        await until(lambda: heard.told == [[("mine", "note://one")]])


@pytest.mark.spec("DW-228")
async def test_what_a_broken_stream_may_have_missed_is_asked_for_when_it_is_there_again() -> None:
    async with lab() as (made, server):
        legacy, heard = Legacy(made), Heard(server)
        server.want("gateway", Wish(None, "", {}, lists=True))
        await server.send(subscribe())
        await until(lambda: len(legacy.streams) == 2 and len(heard.got) == len(LISTS))
        heard.got.clear()

        away = asyncio.Event()

        async def get(request: Request, writer: asyncio.StreamWriter) -> None:
            if away.is_set():
                writer.write(http(503))
            else:
                legacy.get(request, writer)

        made.acts["GET"] = get
        away.set()
        for writer in legacy.streams.values():
            writer.write(END)
        before = made.times("GET")
        await until(lambda: made.times("GET") >= before + 4)
        assert heard.got == []
        away.clear()
        await until(lambda: heard.told == [[("mine", "note://one")]] and heard.methods >= LISTS)


@pytest.mark.spec("DW-228")
async def test_a_peer_that_vanished_without_a_word_is_noticed() -> None:
    """The kernel looks after connections on which nothing is said: half-open ones end."""
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with listener:
        address = listener.sockets[0].getsockname()
        with await connect_tcp(Endpoint(socket.AF_INET, address)) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in KEEPALIVE.items():
                assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
