import asyncio

import pytest

from doorward.edge.handshakes import BUDGET_S, Handshakes, TlsRefusal
from doorward.edge.hub import Hub
from doorward.edge.limits import HttpLimits
from doorward.edge.peers import Networks
from tests.unit.edge.fakes import Clock


class Fake:
    """A handshake that takes `cost` seconds of the hand-moved clock for each step."""

    def __init__(self, peer: str, clock: Clock | None = None, cost: float = 0.0) -> None:
        self.peer = peer
        self.did: list[str] = []
        self._clock = clock
        self._cost = cost

    def step(self) -> None:
        self.did.append("step")
        if self._clock is not None:
            self._clock.now += self._cost

    def give_up(self) -> None:
        self.did.append("give up")

    def abort(self) -> None:
        self.did.append("abort")


def make(clock: Clock | None = None, **limits: float) -> Handshakes:
    hub = Hub(lambda _: None, HttpLimits(**limits), None, clock or Clock())  # type: ignore[arg-type]
    hub.trusted = Networks(["192.0.2.99"])
    return Handshakes(hub)


def test_the_caps_count_in_and_out() -> None:
    handshakes = make(handshakes=3, handshakes_per_ip=2)
    first, second, third, fourth = Fake("192.0.2.1"), Fake("192.0.2.1"), Fake("192.0.2.1"), Fake("192.0.2.2")
    assert handshakes.begin(first) is None
    assert handshakes.begin(second) is None
    assert handshakes.begin(third) is TlsRefusal.HANDSHAKES_PER_IP
    assert handshakes.begin(fourth) is None
    assert handshakes.begin(Fake("192.0.2.3")) is TlsRefusal.HANDSHAKES
    handshakes.end(first)
    handshakes.end(first)
    handshakes.end(third)
    assert len(handshakes) == 2
    assert handshakes.begin(third) is None
    assert handshakes.begin(Fake("192.0.2.1")) is TlsRefusal.HANDSHAKES


def test_a_client_of_ipv6_has_one_share_and_a_trusted_proxy_has_none() -> None:
    handshakes = make(handshakes_per_ip=1)
    assert handshakes.begin(Fake("2001:db8::1")) is None
    assert handshakes.begin(Fake("2001:db8::2")) is TlsRefusal.HANDSHAKES_PER_IP
    assert handshakes.begin(Fake("2001:db8:0:1::1")) is None
    proxied = [Fake("192.0.2.99") for _ in range(3)]
    assert [handshakes.begin(each) for each in proxied] == [None] * 3
    for each in proxied:
        handshakes.end(each)
    assert len(handshakes) == 2


def test_a_handshake_is_counted_out_of_the_share_that_it_was_counted_into() -> None:
    """A trusted proxy in the /64 of a client, and one that is trusted no longer when its handshake ends."""
    hub = Hub(lambda _: None, HttpLimits(handshakes_per_ip=1), None, Clock())
    hub.trusted = Networks(["2001:db8::99"])
    handshakes, proxied = Handshakes(hub), Fake("2001:db8::99")
    assert handshakes.begin(proxied) is None
    assert handshakes.begin(Fake("2001:db8::1")) is None
    hub.trusted = Networks()
    handshakes.end(proxied)
    assert handshakes.begin(Fake("2001:db8::2")) is TlsRefusal.HANDSHAKES_PER_IP


def test_what_takes_too_long_is_given_up_and_the_rest_is_not() -> None:
    clock = Clock()
    handshakes = make(clock, handshake_timeout=10)
    early, late = Fake("192.0.2.1"), Fake("192.0.2.1")
    handshakes.begin(early)
    clock.now += 6
    handshakes.begin(late)
    clock.now += 4
    handshakes.sweep()
    assert early.did == []
    clock.now += 0.1
    handshakes.sweep()
    assert (early.did, late.did) == (["give up"], [])
    handshakes.abort()
    assert late.did == ["abort"]


@pytest.mark.asyncio
async def test_steps_leave_room_for_others_in_each_turn_of_the_loop() -> None:
    clock = Clock()
    handshakes = make(clock)
    costly = [Fake(f"192.0.2.{n}", clock, BUDGET_S / 2) for n in range(7)]
    for each in costly:
        handshakes.begin(each)
        handshakes.ready(each)
    done = []
    for _ in range(6):
        await asyncio.sleep(0)
        done.append(sum(len(each.did) for each in costly))
    assert done == [2, 4, 6, 7, 7, 7]


@pytest.mark.asyncio
async def test_whoever_is_gone_by_its_turn_is_passed_over() -> None:
    handshakes = make()
    gone, stays = Fake("192.0.2.1"), Fake("192.0.2.1")
    for each in (gone, stays):
        handshakes.begin(each)
        handshakes.ready(each)
    handshakes.end(gone)
    await asyncio.sleep(0)
    assert (gone.did, stays.did) == ([], ["step"])
