"""What a legacy server asks about a modern caller's call on the stream that belongs to none: nothing hangs.

A server that keeps no events forgets what it says while nobody listens, as the official SDKs do.
"""

import asyncio
from pathlib import Path

import pytest

from doorward.upstream import session
from tests.attack.hostile_server import STREAM, event, http
from tests.spec.peers import MODERN, Asked, Json
from tests.spec.scene import full, over_sockets
from tests.spec.world import Client, Said, World, world

pytestmark = over_sockets
FORM = {"message": "Who?", "requestedSchema": {"type": "object"}}
FORMS: Json = {"elicitation": {"form": {}}}
QUESTIONS: Json = {"elicitation": "elicitation/create", "roots": "roots/list"}


class Forgetful:
    """Asks on the stream of the session, and only of who listens at that moment; its calls wait for that."""

    def __init__(self, *, late_s: float = 0.0, asks: bool = True) -> None:
        self.peer = full()
        self.late_s = late_s
        self.asks = asks
        self.streams: dict[str, asyncio.StreamWriter] = {}
        """By session; one of them is the gateway's own, in which no call is made."""
        self.lost = 0
        self.session = ""
        self._number = 0
        self.peer.acts |= {"GET": self.listen, "tools/call": self.call}

    async def listen(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.late_s)
        writer.write(STREAM)
        await writer.drain()
        self.streams[asked.headers["mcp-session-id"]] = writer
        await asyncio.sleep(60)

    def call(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.session = asked.headers["mcp-session-id"]
        if self.asks:
            self.ask()

    def ask(self, kind: str = "elicitation") -> None:
        self._number += 1
        question = {"jsonrpc": "2.0", "id": f"q{self._number}", "method": QUESTIONS[kind], "params": FORM}
        stream = self.streams.get(self.session)
        if stream is None:
            self.lost += 1
        else:
            stream.write(event(question))

    def cut(self) -> None:
        for stream in self.streams.values():
            stream.close()
        self.streams.clear()

    async def until_heard(self) -> None:
        async with asyncio.timeout(20):
            while self.session not in self.streams:  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0.01)

    async def until_told(self, number: int = 1) -> Json:
        """What the question got."""
        async with asyncio.timeout(20):
            while True:
                for one in self.peer.seen:
                    if one.id == f"q{number}" and not one.method:
                        return one.message
                await asyncio.sleep(0.01)


def unbridged(said: Said) -> None:
    error = said.message["error"]
    assert (error["code"], error["data"]["reason"]) == (-32603, "bridge_unsupported")
    assert (error["data"]["server"], said.status) == ("lab", 200)


async def modern(made: World, **declared: Json) -> Client:
    return await made.client(version=MODERN, **declared)


async def test_the_first_call_is_sent_when_the_server_has_somebody_to_ask(tmp_path: Path) -> None:
    made = Forgetful(late_s=1.5)
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        unbridged(await (await modern(around, **FORMS)).call())
        assert made.lost == 0
        assert (await made.until_told())["error"]["code"] == -32601


async def test_the_refusal_goes_first_and_the_cancellation_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 of the official Python SDK loses its session when both meet in it."""
    monkeypatch.setattr(session, "CANCEL_AFTER_S", 3.0)
    made = Forgetful()
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        unbridged(await (await modern(around, **FORMS)).call())
        await made.until_told()
        assert made.peer.asked("notifications/cancelled") == []
        cancelled = await made.peer.until("notifications/cancelled")
        assert cancelled.params["requestId"] == made.peer.last().id


async def test_a_call_in_the_gap_of_a_reconnect_waits_for_the_stream(tmp_path: Path) -> None:
    made = Forgetful(asks=False)
    made.peer.acts.pop("tools/call")
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        client = await modern(around, **FORMS)
        assert (await client.call()).result
        made.peer.acts["tools/call"], made.asks, made.late_s = made.call, True, 0.5
        for number in (1, 2):
            made.cut()
            await asyncio.sleep(0.05)  # until we know
            unbridged(await client.call())
            assert made.lost == 0
            await made.until_told(number)


async def test_a_question_after_a_cut_in_the_middle_of_a_call_ends_it(tmp_path: Path) -> None:
    made = Forgetful(asks=False)
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        client = await modern(around, **FORMS)
        call = asyncio.create_task(client.call())
        await made.peer.until("tools/call")
        made.cut()
        await made.until_heard()
        made.ask()
        unbridged(await call)


async def test_a_question_that_is_lost_costs_no_more_than_the_time_of_the_call(tmp_path: Path) -> None:
    """In the middle of a call a stream may be cut and the question be forgotten: nobody can know."""
    made = Forgetful(asks=False)
    settings = {"may_ask": ["elicitation"], "timeout": "2s"}
    async with world(tmp_path, {"lab": made.peer}, lab=settings) as around:
        call = asyncio.create_task((await modern(around, **FORMS)).call())
        await made.peer.until("tools/call")
        made.cut()
        made.ask()
        assert (await call).reason == "upstream_timeout"
        assert made.lost == 1


@pytest.mark.parametrize(
    ("may_ask", "declared", "reason"),
    [(["elicitation"], {}, "capability_missing"), ([], FORMS, "upstream_timeout")],
)
async def test_who_cannot_be_asked_is_listened_for_all_the_same(
    tmp_path: Path, may_ask: list[str], declared: Json, reason: str
) -> None:
    """The server was told of nothing that could be asked, and asks: it is told no, and its call is not left
    waiting for what the server does not get."""
    made = Forgetful()
    settings = {"may_ask": may_ask, "timeout": "2s"}
    async with world(tmp_path, {"lab": made.peer}, lab=settings) as around:
        said = await (await modern(around, **declared)).call()
        assert (said.reason, made.lost) == (reason, 0)
        assert (await made.until_told())["error"]["code"] == -32601


async def test_a_question_about_one_of_several_calls_ends_none(tmp_path: Path) -> None:
    """Nothing says which of them is meant: the server is told why nobody answers, and may say so itself."""
    made = Forgetful(asks=False)
    waits: list[tuple[Asked, asyncio.StreamWriter]] = []
    made.peer.acts["tools/call"] = lambda *call: waits.append(call)
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        client = await modern(around, **FORMS)
        calls = [asyncio.create_task(client.call(a=number)) for number in range(2)]
        await made.peer.until("tools/call", 2)
        made.session = waits[0][0].headers["mcp-session-id"]
        made.ask()
        refusal = (await made.until_told())["error"]
        assert refusal["code"] == -32601
        assert "bridge_unsupported: elicitation is not carried across eras" in refusal["message"]
        for asked, writer in waits:
            writer.write(http(200, asked.result({"content": []})))
        assert [(await call).result["content"] for call in calls] == [[], []]


async def test_what_asks_nobody_stands_in_no_ones_way(tmp_path: Path) -> None:
    """A completion is under way as well: only calls, prompts and resources bring questions."""
    made = Forgetful(asks=False)
    made.peer.acts["completion/complete"] = lambda *_: None
    async with world(tmp_path, {"lab": made.peer}, lab={"may_ask": ["elicitation"]}) as around:
        client = await modern(around, **FORMS)
        about = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": "b"}}
        beside = asyncio.create_task(client.ask("completion/complete", about))
        await made.peer.until("completion/complete")
        call = asyncio.create_task(client.call())
        await made.peer.until("tools/call")
        await asyncio.sleep(0.05)
        made.ask()
        unbridged(await call)
        beside.cancel()


async def test_a_server_that_keeps_its_head_back_holds_up_one_call_a_little(tmp_path: Path) -> None:
    made = Forgetful(late_s=60.0, asks=False)
    made.peer.acts.pop("tools/call")
    async with world(tmp_path, {"lab": made.peer}) as around:
        client = await modern(around)
        for _ in range(3):
            assert (await client.call()).result
        assert len(made.peer.asked("GET")) == 1


async def test_a_server_that_offers_no_stream_is_called_at_once(tmp_path: Path) -> None:
    peer = full()
    async with world(tmp_path, {"lab": peer}, lab={"may_ask": ["roots"]}) as around:
        client = await modern(around, roots={})
        assert (await client.call()).result
        assert (await client.call()).result
        assert len({one.headers["mcp-session-id"] for one in peer.asked("GET")}) == len(peer.asked("GET"))
