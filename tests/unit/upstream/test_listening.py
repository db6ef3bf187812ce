"""One listen of ours: acknowledged, refused, silent, ended."""

import asyncio
from typing import Any

import pytest

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import listening
from doorward.upstream.failure import failure
from doorward.upstream.http import SessionGone
from doorward.upstream.introduction import Introduction
from doorward.upstream.listening import LISTEN, Listening
from doorward.upstream.live import Live
from doorward.upstream.relay import Relay
from doorward.wire import jsonrpc
from doorward.wire.meta import SUBSCRIPTION_ID

pytestmark = pytest.mark.asyncio
WANTED = {"toolsListChanged": True, "resourceSubscriptions": ["u:1"]}


class Server:
    """A conversation whose server says `said` first, and then does `then`."""

    era = Era.MODERN
    introduction = Introduction("2026-07-28", {}, {}, None)

    def __init__(self, relay: Relay, *said: Any, then: Exception | None = None, silent: bool = False) -> None:
        self.relay = relay
        self.said = said
        self.then = then
        self.silent = silent
        self.ended = asyncio.Event()
        self.over = False
        self.asked: dict[str, Any] = {}

    async def listen_on(self, live: Live, params: dict[str, Any]) -> None:
        self.asked = params
        for said in self.said:
            told = jsonrpc.UpstreamNotification("notifications/subscriptions/acknowledged", said)
            self.relay.unrelated(told, None)
        if self.then is not None:
            raise self.then
        try:
            if self.said or self.silent:
                await self.ended.wait()
        finally:
            self.over = True


def made(relay: Relay) -> Listening:
    return Listening(Live("s", 9, LISTEN, None, 0.0), WANTED, relay)


def ack(listen_id: Any, notifications: Any) -> dict[str, Any]:
    return {"notifications": notifications, "_meta": {SUBSCRIPTION_ID: listen_id}}


async def test_the_first_acknowledgement_says_what_is_honoured() -> None:
    relay = Relay()
    server = Server(relay, ack(9, {"toolsListChanged": True}), ack(9, WANTED))
    one = made(relay)

    await one.begin(server)

    assert one.honoured == {"toolsListChanged": True}
    assert server.asked["notifications"] == WANTED
    assert not one.over
    await one.end()
    assert (one.over, server.over, relay.listens) == (True, True, {})


@pytest.mark.parametrize("listen_id", [8, "9", None, True, 9.0])
async def test_an_acknowledgement_of_something_else_is_none(
    listen_id: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ACK_S", 0.01)
    relay = Relay()

    with pytest.raises(UpstreamError) as caught:
        await made(relay).begin(Server(relay, ack(listen_id, WANTED)))

    assert caught.value.reason is Reason.UPSTREAM_PROTOCOL_ERROR
    assert relay.dropped["acknowledgement of nothing we asked"] == 1
    assert relay.listens == {}


@pytest.mark.spec("DW-234")
@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (failure(Reason.UPSTREAM_UNREACHABLE, "s", "is down"), Reason.UPSTREAM_UNREACHABLE),
        (SessionGone(), Reason.UPSTREAM_HTTP_ERROR),
        (None, Reason.UPSTREAM_PROTOCOL_ERROR),
    ],
)
async def test_a_server_that_takes_no_listen(then: Exception | None, reason: Reason) -> None:
    relay = Relay()
    one = made(relay)

    with pytest.raises(UpstreamError) as caught:
        await one.begin(Server(relay, then=then))

    assert caught.value.reason is reason
    assert one.over


async def test_giving_up_ends_it_at_the_server() -> None:
    relay = Relay()
    server, one = Server(relay, silent=True), made(relay)
    beginning = asyncio.create_task(one.begin(server))
    await asyncio.sleep(0.01)

    beginning.cancel()
    await asyncio.wait({beginning})

    assert server.over
    assert relay.listens == {}


async def test_one_that_the_server_ends_is_over() -> None:
    relay = Relay()
    server, one = Server(relay, ack(9, None)), made(relay)
    await one.begin(server)
    assert one.honoured == {}
    server.ended.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert one.over
