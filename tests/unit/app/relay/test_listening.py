"""When the session's stream is opened again, and when it is not."""

import asyncio

import pytest

from doorward.app.relay.listening import FIRST_WAIT_S, LONGEST_WAIT_S, listen
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from tests.unit.app.relay.fakes import Asked, FakeLeg, FakeReply

pytestmark = pytest.mark.asyncio

NOTE = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
BROKEN = UpstreamError(Reason.UPSTREAM_CONNECTION_LOST, "gateway.test", "server gateway.test went away")
END = FakeReply(405)


async def hear(*replies: FakeReply | UpstreamError) -> tuple[list[bytes], list[float]]:
    """What is relayed and how long is waited between the attempts; the last reply has to end it."""
    left = list(replies)
    heard: list[bytes] = []
    waits: list[float] = []

    async def handler(asked: Asked) -> FakeReply:
        assert asked.headers == {"mcp-session-id": "s1"}
        reply = left.pop(0)
        if isinstance(reply, UpstreamError):
            raise reply
        return reply

    async def emit(message: bytes) -> None:
        heard.append(message)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with asyncio.timeout(5):
        await listen(FakeLeg(handler), [(b"mcp-session-id", b"s1")], emit, sleep)
    assert left == []
    return heard, waits


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_refusal_ends_it(status: int) -> None:
    assert await hear(FakeReply(status)) == ([], [])


@pytest.mark.parametrize(
    "reply",
    [
        BROKEN,
        FakeReply(503),
        FakeReply(429),
        FakeReply(200, b"{}"),
        FakeReply(events=[]),
        FakeReply(events=[BROKEN]),
        FakeReply(events=[b"nonsense", NOTE]),
    ],
    ids=["unreachable", "503", "429", "no-stream", "ended", "cut", "nonsense"],
)
async def test_everything_else_is_tried_again(reply: FakeReply | UpstreamError) -> None:
    heard, waits = await hear(reply, FakeReply(events=[NOTE]), END)

    assert heard == [NOTE]
    assert waits == [FIRST_WAIT_S, FIRST_WAIT_S * 2]


async def test_it_waits_ever_longer_up_to_a_limit() -> None:
    _, waits = await hear(*[BROKEN] * 10, END)

    assert waits == sorted(waits)
    assert waits[0] == FIRST_WAIT_S
    assert waits[-2:] == [LONGEST_WAIT_S] * 2
