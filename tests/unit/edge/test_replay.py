"""Streams of legacy sessions that broke off, and what a client finds when it comes back."""

import asyncio
import json
import re
from typing import Any

import pytest

from doorward.edge import replay
from doorward.edge.exchange import Exchange
from doorward.edge.guard import Guard
from doorward.edge.plane import DataPlane, PlaneSettings
from doorward.edge.replay import KEEP_S, PER_SESSION, PER_STREAM, Replays
from doorward.edge.streams import SessionStreams
from doorward.model.call import Reply
from doorward.model.verdict import Permit
from doorward.wire import jsonrpc
from tests.playbook.house import House, hello, legacy, modern
from tests.unit.edge.exchanges import Channel, exchange
from tests.unit.edge.test_plane import CALL, KEY, SSE, message

pytestmark = pytest.mark.asyncio
LAST = b"last-event-id"


class Face:
    """A data plane whose server says what it is told to, and answers when it is let go."""

    def __init__(self) -> None:
        self.house = House()
        self.replays = Replays()
        self.streams = SessionStreams(self.replays)
        settings = PlaneSettings({"/mcp/bank": "bank"}, Guard(hosts=frozenset(), origins=frozenset()))
        self.plane = DataPlane(
            self.house.door, self.streams, settings, lambda _: {}, "", replays=self.replays
        )
        self.permits: asyncio.Queue[Permit] = asyncio.Queue()
        self.go = asyncio.Event()
        self.house.servers.script = self._answer

    async def _answer(self, permit: Permit) -> Reply:
        self.permits.put_nowait(permit)
        await self.go.wait()
        return await hello(permit)

    async def session(self, **more: Any) -> dict[bytes, bytes]:
        return KEY | (await legacy(self.house, **more)).headers

    def ask(self, method: bytes, fields: dict[bytes, bytes], body: bytes = b"") -> tuple[Exchange, Channel]:
        both = {b"accept": b"application/json, text/event-stream"}
        one, channel = exchange(method, headers=both | fields, body=body)
        self.plane.handle(one)
        return one, channel

    async def get(self, fields: dict[bytes, bytes], last: str | None = None) -> tuple[Exchange, Channel]:
        resumed = {} if last is None else {LAST: last.encode()}
        found = self.ask(b"GET", fields | SSE | resumed)
        await settled()
        return found


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def ids(channel: Channel) -> list[str]:
    return re.findall(r"^id: (.*)$", channel.body.decode(), re.MULTILINE)


def heard(channel: Channel) -> list[Any]:
    """Method of each notification, `answer` for the answer."""
    lines = channel.body.decode().split("\n")
    said = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return [one.get("method", "answer") for one in said]


def progress(number: int) -> bytes:
    return jsonrpc.encode_notification(f"notifications/{number}", {})


async def broken_call(face: Face, fields: dict[bytes, bytes]) -> tuple[Channel, Permit]:
    """A call that has said one thing when its client loses the connection."""
    one, channel = face.ask(b"POST", fields, CALL)
    permit = await face.permits.get()
    await tell(permit, 1)
    one.lose()
    return channel, permit


async def tell(permit: Permit, *numbers: int) -> None:
    events = permit.call.events
    assert events is not None
    for number in numbers:
        await events.emit(progress(number))


@pytest.mark.spec("DW-373")
async def test_an_answer_whose_stream_broke_is_fetched() -> None:
    face = Face()
    fields = await face.session()
    channel, permit = await broken_call(face, fields)
    await tell(permit, 2)
    face.go.set()
    await settled()

    _, again = await face.get(fields, ids(channel)[0])

    assert heard(again) == ["notifications/2", "answer"]
    assert again.ended.is_set()
    assert len(set(ids(channel) + ids(again))) == 3
    assert face.house.happened.count("sent") == 1


@pytest.mark.spec("DW-373")
async def test_a_call_that_still_runs_goes_on_where_its_client_is_now() -> None:
    face = Face()
    fields = await face.session()
    channel, permit = await broken_call(face, fields)

    _, again = await face.get(fields, ids(channel)[0])
    assert heard(again) == []
    await tell(permit, 2)
    face.go.set()
    await settled()

    assert heard(again) == ["notifications/2", "answer"]
    assert again.ended.is_set()


@pytest.mark.spec("DW-225")
async def test_one_message_goes_to_one_stream() -> None:
    face = Face()
    fields = await face.session()
    _, first = face.ask(b"POST", fields, CALL)
    permit = await face.permits.get()
    await tell(permit, 1)

    _, second = await face.get(fields, ids(first)[0])
    face.go.set()
    await settled()

    assert first.ended.is_set()
    assert heard(first) == ["notifications/1"]
    assert heard(second) == ["answer"]


@pytest.mark.spec("DW-373")
async def test_what_was_not_kept_is_said_to_be_lost_and_the_answer_never_is() -> None:
    face = Face()
    fields = await face.session()
    channel, permit = await broken_call(face, fields)
    await tell(permit, *range(2, PER_STREAM + 12))
    face.go.set()
    await settled()

    _, again = await face.get(fields, ids(channel)[0])

    assert b": 11 events were not kept" in again.body
    assert heard(again)[-1] == "answer"
    assert len(heard(again)) == PER_STREAM


@pytest.mark.spec("DW-374")
async def test_an_id_of_another_session_and_an_invented_one_are_refused_alike() -> None:
    face = Face()
    mine, other = await face.session(), await face.session()
    channel, _ = await broken_call(face, mine)
    (known,) = ids(channel)
    token = known.partition(".")[0]

    refused = [
        (await face.get(other, known))[1],
        *[
            (await face.get(mine, forged))[1]
            for forged in (
                f"{token}.2",
                f"{token}.-1",
                f"{token}.01",
                f"{token}.",
                token,
                "",
                "x.1",
                "é.1",
                f"{token}.٣",
            )
        ],
    ]

    assert {one.error for one in refused} == {(400, -32600, "invalid_request")}
    assert len({json.loads(one.body)["error"]["message"] for one in refused}) == 1
    stranger = KEY | {b"authorization": b"Bearer other"}
    assert (await face.get(mine | stranger, known))[1].error == (404, -32600, "session_unknown")


@pytest.mark.spec("DW-373", "DW-378")
@pytest.mark.parametrize(("version", "primed"), [("2025-11-25", True), ("2025-06-18", False)])
async def test_a_call_that_says_nothing_for_long_can_be_found_again(version: str, primed: bool) -> None:
    face = Face()
    fields = await face.session(version=version)
    one, channel = face.ask(b"POST", fields, CALL)
    await face.permits.get()

    face.plane.quiet(one)
    assert (b"retry: 1000\ndata: \n\n" in channel.body) is primed
    one.lose()
    face.go.set()
    await settled()

    if primed:
        _, again = await face.get(fields, ids(channel)[0])
        assert heard(again) == ["answer"]


@pytest.mark.spec("DW-372")
async def test_plain_answers_and_modern_callers_leave_nothing_here() -> None:
    face = Face()
    face.go.set()
    fields = await face.session()
    _, channel = face.ask(b"POST", fields, CALL)
    await channel.ended.wait()
    caller = await modern(face.house)
    params = {"name": "balance", "arguments": {}}
    _one, streamed = face.ask(
        b"POST",
        KEY | caller.fields("tools/call", params),
        json.dumps(caller.message("tools/call", params, id=2)).encode(),
    )
    await streamed.ended.wait()
    assert face.replays._streams == {}
    assert face.replays._primed == {}


@pytest.mark.spec("DW-373")
async def test_the_sessions_own_stream_goes_on_after_a_break() -> None:
    face = Face()
    fields = await face.session()
    session_id = fields[b"mcp-session-id"].decode()
    one, channel = await face.get(fields)
    (primed,) = ids(channel)
    face.streams.push(session_id, progress(1))
    one.lose()

    assert face.streams.push(session_id, progress(2))
    assert face.streams.listener(session_id) is not None
    _, again = await face.get(fields, primed)
    face.streams.push(session_id, progress(3))

    assert heard(channel) == ["notifications/1"]
    assert heard(again) == [f"notifications/{number}" for number in (1, 2, 3)]
    assert not again.ended.is_set()
    face.streams.close_all()


@pytest.mark.spec("DW-375")
async def test_nobody_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    face = Face()
    face.replays = face.streams._replays = face.plane._replays = Replays(lambda: now)
    fields = await face.session()
    channel, _ = await broken_call(face, fields)
    one, own = await face.get(fields)
    one.lose()
    now += KEEP_S + 1
    face.replays.sweep()
    assert (await face.get(fields, ids(channel)[0]))[1].status == 200, "the call still runs"
    assert (await face.get(fields, ids(own)[0]))[1].status == 400
    face.go.set()
    await settled()
    now += KEEP_S + 1
    face.replays.sweep()
    assert (await face.get(fields, ids(channel)[0]))[1].status == 400
    assert face.replays._room.used == 0


@pytest.mark.spec("DW-375")
async def test_a_session_that_ends_takes_what_was_kept_along() -> None:
    face = Face()
    fields = await face.session()
    await broken_call(face, fields)
    face.replays.forget(fields[b"mcp-session-id"].decode())
    assert (face.replays._room.used, face.replays._streams) == (0, {})


@pytest.mark.spec("DW-375")
async def test_one_session_keeps_a_few_streams_and_finished_ones_go_first() -> None:
    replays = Replays()
    streams = []
    for _ in range(PER_SESSION):
        one, _ = exchange()
        one.start(200)
        streams.append(replays.begin("s", one))
    await streams[3].emit(b"{}")
    replays.end(streams[3], b"{}")

    another, _ = exchange()
    replays.begin("s", another)

    assert replays.find("s", streams[3].id) is None
    assert all(replays.find("s", one.id) for one in streams if one is not streams[3])


@pytest.mark.spec("DW-375")
async def test_all_together_keep_no_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BYTES_IN_TOTAL", 1000)
    replays = Replays()
    streams = []
    for number in range(20):
        one, _ = exchange()
        one.start(200)
        one.lose()
        streams.append(replays.begin(f"s{number}", one))
        await streams[-1].emit(b'{"x":"%b"}' % (b"y" * 100))
        replays.end(streams[-1], b"{}")
    assert replays._room.used <= 1000
    assert streams[0].size == 0
    assert streams[-1].size > 0


@pytest.mark.spec("DW-375")
async def test_a_bug_ends_a_stream_that_was_kept() -> None:
    face = Face()
    fields = await face.session()
    _one, channel = face.ask(b"POST", fields, message("tools/call", {"name": "balance"}, id=5))
    permit = await face.permits.get()
    await tell(permit, 1)
    events = permit.call.events
    assert events is not None
    events.lost(asyncio.CancelledError())  # type: ignore[attr-defined]
    assert channel.ended.is_set()
    face.go.set()
