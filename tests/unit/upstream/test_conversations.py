"""Opened once for all who wait; what is given up with the server is nobody's cancellation."""

import asyncio
from typing import cast

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.upstream import keys
from doorward.upstream.conversation import Conversation
from doorward.upstream.conversations import Conversations
from doorward.upstream.failure import shared

pytestmark = [pytest.mark.asyncio]


class One:
    """A conversation that says whether it was closed."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.usable = True
        self.busy = 0
        self.last_used = 0.0
        self.closed = False
        self.leave = asyncio.Event()
        """Until it is set, it takes its time to end."""
        self.leave.set()

    async def close(self, within: float) -> None:
        await self.leave.wait()
        self.closed, self.usable = True, False


class Bench:
    def __init__(self, *, most: int = 2) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.opened: list[One] = []
        self.all = Conversations("lab", self._open, most=most, idle_s=10.0, stop_s=1.0)

    async def _open(self, key: str | None) -> Conversation:
        await self.gate.wait()
        self.opened.append(One(key))
        return cast("Conversation", self.opened[-1])

    async def waiting(self, key: str | None, *, count: int = 1) -> list[asyncio.Task[Conversation]]:
        """Callers of a conversation that cannot be opened yet."""
        self.gate.clear()
        callers = [asyncio.create_task(self.all.get(key)) for _ in range(count)]
        await asyncio.sleep(0)
        return callers


async def test_callers_share_what_is_opened() -> None:
    bench = Bench()
    callers = await bench.waiting("a", count=3)
    bench.gate.set()

    assert len(set(map(id, await asyncio.gather(*callers)))) == 1
    assert len(bench.opened) == len(bench.all) == 1


async def test_a_caller_that_gives_up_stops_it_for_nobody_else() -> None:
    bench = Bench()
    first, second = await bench.waiting("a", count=2)
    first.cancel()
    await asyncio.sleep(0)
    bench.gate.set()

    assert (await second).key == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_caller_of_a_server_that_is_being_closed_is_not_told_that_it_cancelled() -> None:
    bench = Bench()
    callers = await bench.waiting("a", count=2)

    await bench.all.close(1.0)

    for caller in callers:
        with pytest.raises(UpstreamError, match="server lab is being closed") as caught:
            await caller
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE


async def test_nothing_is_opened_once_it_is_closed() -> None:
    bench = Bench()
    open_one = cast("One", await bench.all.get("a"))

    await bench.all.close(1.0)

    assert open_one.closed
    with pytest.raises(UpstreamError, match="is being closed"):
        await bench.all.get("b")
    assert [one.key for one in bench.opened] == ["a"]


async def test_a_drain_waits_for_calls_whose_conversation_is_being_opened() -> None:
    bench = Bench()
    (caller,) = await bench.waiting("a")
    draining = asyncio.create_task(bench.all.drain(5.0))
    await asyncio.sleep(0.05)
    assert not draining.done()

    bench.gate.set()
    await draining

    assert caller.done()


async def test_the_least_recently_used_makes_room_and_busy_ones_do_not() -> None:
    bench = Bench(most=2)
    old, new = cast("One", await bench.all.get("old")), cast("One", await bench.all.get("new"))
    old.last_used, new.last_used = 1.0, 2.0

    await bench.all.get("third")
    assert (old.closed, new.closed) == (True, False)

    for one in bench.opened:
        one.busy = 1
    with pytest.raises(UpstreamError) as caught:
        await bench.all.get("fourth")
    assert caught.value.reason is Reason.UPSTREAM_OVERLOADED


async def test_whoever_is_on_its_way_out_still_takes_its_place() -> None:
    bench = Bench(most=2)
    slow = cast("One", await bench.all.get("slow"))
    slow.leave.clear()
    await bench.all.get("other")

    third = asyncio.create_task(bench.all.get("third"))
    await asyncio.sleep(0.01)
    assert [one.key for one in bench.opened] == ["slow", "other"]
    slow.leave.set()

    assert (await third).key == "third"
    assert slow.closed


async def test_a_close_waits_for_those_that_were_let_go_before_it() -> None:
    bench = Bench()
    slow = cast("One", await bench.all.get("slow"))
    slow.leave.clear()
    bench.all.end("slow")
    closing = asyncio.create_task(bench.all.close(1.0))
    await asyncio.sleep(0.01)
    assert not closing.done()

    slow.leave.set()
    await closing

    assert slow.closed


@pytest.mark.spec("DW-164")
async def test_idle_ones_end_but_not_the_one_of_discovery() -> None:
    bench = Bench(most=8)
    own, idle, busy = [cast("One", await bench.all.get(key)) for key in (None, "idle", "busy")]
    busy.busy = 1

    bench.all.end_idle(100.0)
    await asyncio.sleep(0)

    assert (own.closed, idle.closed, busy.closed) == (False, True, False)


async def test_whoever_cancels_a_shared_wait_has_cancelled() -> None:
    """Also in the very turn in which the work is given up."""
    work = asyncio.create_task(asyncio.sleep(10, "never"))
    caller = asyncio.create_task(shared(work, "lab"))
    await asyncio.sleep(0)
    work.cancel()
    caller.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller


def who(name: str) -> Principal:
    return Principal("default", name, "agent", "key", name)


async def test_what_is_ended_gently_waits_for_its_calls_and_takes_no_more() -> None:
    bench = Bench()
    one = cast("One", await bench.all.get("a"))
    one.busy = 1
    bench.all.end("a", gently=True)
    await asyncio.sleep(0.12)
    assert not one.closed
    assert await bench.all.get("a") is not one
    one.busy = 0
    await asyncio.sleep(0.12)
    assert one.closed


async def test_a_close_does_not_wait_for_those_calls() -> None:
    bench = Bench()
    one = cast("One", await bench.all.get("a"))
    one.busy = 1
    bench.all.end("a", gently=True)
    async with asyncio.timeout(5):
        await bench.all.close(0.1)
    assert one.closed


async def test_it_ends_where_it_is_over_with_the_holder() -> None:
    bench = Bench(most=4)
    for key in ("a", "b", None):
        await bench.all.get(key)
    bench.all.holders.update({"a": who("a"), "b": who("b"), "gone": who("a")})
    asked: list[tuple[str, float]] = []

    def over(principal: Principal, idle_s: float) -> bool:
        asked.append((principal.subject, idle_s))
        return principal.subject == "a"

    bench.all.end_where(over, (), 7.0)
    assert asked == [("a", 7.0), ("b", 7.0)]
    assert set(bench.all.open) == {"b", None}
    assert set(bench.all.holders) == {"b"}


async def test_one_that_is_being_opened_for_them_ends_once_it_is_open() -> None:
    bench = Bench()
    (caller,) = await bench.waiting("a")
    bench.all.holders["a"] = who("a")
    bench.all.end_where(lambda *_: True, (), 0.0)
    bench.gate.set()
    one = cast("One", await caller)
    await asyncio.sleep(0.01)
    assert one.closed
    assert "a" not in bench.all.open


async def test_what_an_owner_only_listened_in_ends_with_the_stream() -> None:
    bench = Bench(most=4)
    owner = who("a").owner
    declared = keys.of_caller(owner, {"roots": {}})
    for key in (owner, declared, "other"):
        await bench.all.get(key)
    bench.all.end_where(lambda *_: False, {owner}, 0.0)
    assert set(bench.all.open) == {"other"}
