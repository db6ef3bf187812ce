"""A lane is taken only where the long way would have found the same."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from doorward.model.call import Era, Outcome, Reply, Series, Session
from doorward.model.errors import UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.ports.waits import Arrival
from doorward.upstream import lanes as module
from doorward.upstream.conversation import Conversation
from doorward.upstream.conversations import Conversations
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Connection, Response
from doorward.upstream.http import HttpLeg, SessionGone
from doorward.upstream.introduction import Introduction
from doorward.upstream.lanes import Lanes, Ways
from doorward.upstream.live import Answer
from doorward.upstream.relay import Relay
from doorward.upstream.session import HttpConversation, Means
from doorward.upstream.settings import ServerSettings, ServerState
from doorward.wire import jsonrpc
from tests.support.calls import tool_call

ALICE = Principal("default", "alice", "coder", "key")
TOOL = Target("files", Kind.TOOL, "read", OperationClass.READ)
ARGUMENTS = {"path": "/a"}
LONG = Reply(b"{}", None, Outcome.EMPTY)


class Auth:
    def __init__(self) -> None:
        self.fields = [(b"authorization", b"Bearer one")]

    def __call__(self) -> list[tuple[bytes, bytes]]:
        return self.fields


class Pool:
    """Has one connection that is ready; notes how it came back."""

    def __init__(self) -> None:
        self.connection: Any = Connection("files", 4.0, lambda _: None)
        self.back: list[str] = []

    def take(self, now: float) -> Any:
        return self.connection

    def give_usual(self, connection: Any, now: float) -> None:
        self.back.append("usual")


class Seen:
    """Stands in for discovery."""

    def __init__(self) -> None:
        self.state = ServerState("files", "up", None, None, None, 0.0)
        self.problems: list[UpstreamError] = []
        self.successes = 0

    def failed(self, error: UpstreamError) -> None:
        self.problems.append(error)

    def succeeded(self) -> None:
        self.successes += 1


class Place:
    """Needs a running loop: lanes whose connection answers with `answer`."""

    def __init__(self, answer: Callable[[bytes], bytes | Exception | int]) -> None:
        self.auth, self.pool, self.seen = Auth(), Pool(), Seen()
        self.sent: list[bytes] = []
        self.finished: list[Answer] = []
        self.long: list[Permit] = []
        settings = ServerSettings(name="files", url="http://127.0.0.1:9/mcp", auth_headers=self.auth)
        leg: Any = HttpLeg(settings, Deadlines(asyncio.get_running_loop()), Relay())
        leg.pool = self.pool
        leg.leave = lambda _: self.pool.back.append("left")
        leg.go = self._go
        self._answer = answer
        means = Means(settings, leg, Relay(), lambda work: work.close())
        made = (means, "s1", Era.LEGACY, Introduction("2025-11-25", {}, {}, None), b"theirs")
        self.conversation = HttpConversation(*made)
        self.conversations = Conversations("files", self._open, most=9, idle_s=9.0, stop_s=0.1)
        ways = Ways(self._long, self._finish, itertools.count(1), None)
        seen: Any = self.seen
        self.lanes = Lanes(settings, leg, self.conversations, seen, ways)

    async def ready(self) -> "Place":
        await self.conversations.get("s1")
        self.lanes.learn(permit_of(), "s1", self.conversation)
        return self

    async def _open(self, key: str | None) -> Conversation:
        return self.conversation

    def _go(self, connection: Connection, request: bytes, due: float) -> Arrival:
        self.sent.append(request)
        found = self._answer(request)
        arrival = Arrival(asyncio.get_running_loop(), asyncio.CancelledError)
        if isinstance(found, Exception):
            arrival.set_exception(found)
        elif isinstance(found, int):
            arrival.set_result(Response(found, {}, b"application/json", False, b""))
        else:
            arrival.set_result(Response(200, {}, b"application/json", False, found))
        return arrival

    async def _long(self, permit: Permit) -> Reply:
        self.long.append(permit)
        return LONG

    async def _finish(
        self, permit: Permit, conversation: Conversation, answer: Answer, began: float
    ) -> Reply:
        self.finished.append(answer)
        return LONG


SERIES = Series(
    Session("s1", "alice", None, "2025-11-25", {}, {}), "2025-11-25", {}, {}, None, "files__read", plain=True
)


def permit_of(target: Target = TOOL, **changes: Any) -> Permit:
    call = tool_call("files__read", ARGUMENTS, id=7, session=SERIES.session, scope="s1", series=SERIES)
    return Permit(msgspec.structs.replace(call, **changes), ALICE, target, "id", ())


def well(request: bytes) -> bytes:
    number = json.loads(request.partition(b"\r\n\r\n")[2])["id"]
    return b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"%b"}]}}' % (
        number,
        b"x" * 300,
    )


async def reply_of(under_way: Awaitable[Reply] | None) -> Reply:
    assert under_way is not None
    return await under_way


@pytest.mark.asyncio
async def test_a_usual_answer_is_the_reply() -> None:
    place = await Place(well).ready()
    reply = await reply_of(place.lanes.send(permit_of()))
    assert reply.outcome is Outcome.OK
    assert reply.result is not None
    assert reply.result.startswith(b'{"content"')
    body = json.loads(place.sent[0].partition(b"\r\n\r\n")[2])
    assert body["params"] == {"name": "read", "arguments": ARGUMENTS}
    assert place.pool.back == ["usual"]
    assert place.conversation.busy == 0
    assert not place.finished
    assert not place.long


@pytest.mark.asyncio
async def test_says_that_a_server_is_up_again() -> None:
    place = await Place(well).ready()
    place.seen.state = ServerState("files", "down", "refused", None, None, 0.0)
    await reply_of(place.lanes.send(permit_of()))
    assert place.seen.successes == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"series": None},
        {"series": msgspec.structs.replace(SERIES)},
        {"spelled": None},
        {"params": {"name": "files__read", "arguments": {"path": "/changed"}}},
        {"target": Target("files", Kind.TOOL, "read", OperationClass.READ)},
    ],
    ids=["no series", "another series", "not spelled", "changed arguments", "another target"],
)
async def test_what_differs_has_no_lane(changes: dict[str, Any]) -> None:
    place = await Place(well).ready()
    assert place.lanes.send(permit_of(**changes)) is None


@pytest.mark.asyncio
async def test_a_conversation_that_has_ended_has_no_lane() -> None:
    place = await Place(well).ready()
    place.conversations.end("s1")
    assert place.lanes.send(permit_of()) is None
    await place.conversations.close(0.1)


@pytest.mark.asyncio
async def test_a_rotated_credential_ends_the_lane_at_once() -> None:
    place = await Place(well).ready()
    place.auth.fields = [(b"authorization", b"Bearer two")]
    assert place.lanes.send(permit_of()) is None
    place.lanes.learn(permit_of(), "s1", place.conversation)
    await reply_of(place.lanes.send(permit_of()))
    assert b"Bearer two" in place.sent[0]
    assert b"Bearer one" not in place.sent[0]


@pytest.mark.asyncio
async def test_nobody_waits_for_a_connection_on_a_lane() -> None:
    place = await Place(well).ready()
    place.pool.connection = None
    assert place.lanes.send(permit_of()) is None


def fresh(place: Place, **settings: Any) -> Lanes:
    """Lanes that nothing has been learnt for."""
    return Lanes(
        ServerSettings(
            name="files", url="http://127.0.0.1:9/mcp", auth_headers=place.auth, timeout_s=9.0, **settings
        ),
        place.conversation._leg,
        place.conversations,
        place.seen,  # type: ignore[arg-type]
        place.lanes._ways,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [{"log_level": "debug"}, {"series": msgspec.structs.replace(SERIES, plain=False)}],
    ids=["a level", "not plain"],
)
async def test_what_is_not_plain_teaches_nothing(changes: dict[str, Any]) -> None:
    place = await Place(well).ready()
    place.lanes = fresh(place)
    place.lanes.learn(permit_of(**changes), "s1", place.conversation)
    assert place.lanes.send(permit_of(**changes)) is None


MODERN_SERIES = msgspec.structs.replace(SERIES, session=None, version="2026-07-28")


@pytest.mark.asyncio
async def test_a_caller_of_the_other_era_has_a_lane_and_an_answer_of_its_own() -> None:
    changes = {"era": Era.MODERN, "version": "2026-07-28", "session": None, "series": MODERN_SERIES}
    place = await Place(well).ready()
    place.lanes = fresh(place)
    place.lanes.learn(permit_of(**changes), "s1", place.conversation)

    reply = await reply_of(place.lanes.send(permit_of(**changes)))

    assert json.loads(reply.result or b"")["resultType"] == "complete"
    assert b"io.modelcontextprotocol" not in place.sent[0]
    assert b"mcp-session-id: theirs" in place.sent[0].lower()


@pytest.mark.asyncio
async def test_a_server_that_may_ask_is_called_in_a_conversation_that_knows_its_foreign_calls() -> None:
    changes = {"era": Era.MODERN, "version": "2026-07-28", "session": None, "series": MODERN_SERIES}
    place = await Place(well).ready()
    place.lanes = fresh(place, may_ask=("elicitation",))
    place.lanes.learn(permit_of(**changes), "s1", place.conversation)
    assert place.lanes.send(permit_of(**changes)) is None
    place.lanes.learn(permit_of(), "s1", place.conversation)
    assert (await reply_of(place.lanes.send(permit_of()))).outcome is Outcome.OK


@pytest.mark.asyncio
async def test_another_answer_is_judged_where_all_are() -> None:
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}'
    place = await Place(lambda _: error).ready()
    assert await reply_of(place.lanes.send(permit_of())) is LONG
    assert isinstance(place.finished[0], jsonrpc.UpstreamError)
    assert place.pool.back == ["left"]
    assert place.conversation.busy == 0


@pytest.mark.spec("DW-160")
@pytest.mark.asyncio
async def test_only_a_lost_session_is_sent_again() -> None:
    place = await Place(lambda _: 404).ready()
    assert await reply_of(place.lanes.send(permit_of())) is LONG
    assert len(place.long) == 1
    assert not place.conversation.usable
    assert place.lanes.send(permit_of()) is None


@pytest.mark.asyncio
async def test_a_failure_is_told_and_raised_and_never_sent_again() -> None:
    lost = failure(Reason.UPSTREAM_CONNECTION_LOST, "files", "closed")
    place = await Place(lambda _: lost).ready()
    with pytest.raises(UpstreamError) as caught:
        await reply_of(place.lanes.send(permit_of()))
    assert caught.value is lost
    assert place.seen.problems == [lost]
    assert len(place.sent) == 1
    assert place.pool.back == ["left"]
    assert not place.long


@pytest.mark.asyncio
async def test_a_session_lost_without_a_word_of_its_own_is_no_failure_of_the_server() -> None:
    place = await Place(lambda _: SessionGone()).ready()
    await reply_of(place.lanes.send(permit_of()))
    assert not place.seen.problems


@pytest.mark.asyncio
async def test_lanes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LANES", 4)
    place = await Place(well).ready()
    kept = [permit_of(series=msgspec.structs.replace(SERIES)) for _ in range(10)]
    for permit in kept:
        place.lanes.learn(permit, "s1", place.conversation)
    assert len(place.lanes._lanes) <= 4
