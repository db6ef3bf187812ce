"""Whichever address answers first, and nothing left open behind it."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from doorward.upstream import race
from doorward.upstream.names import Endpoint
from doorward.upstream.race import first_connected

pytestmark = [pytest.mark.asyncio]


class FakeSocket:
    def __init__(self, name: str) -> None:
        self.name, self.closed = name, False

    def close(self) -> None:
        self.closed = True


class Net:
    """Addresses by name: seconds until they accept, or the error that they give."""

    def __init__(self, **behaviour: float | tuple[float, OSError]) -> None:
        self.behaviour = behaviour
        self.tried: list[str] = []
        self.sockets: list[FakeSocket] = []
        self.running = 0
        self.most = 0

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(socket.AF_INET, (name, 1)) for name in self.behaviour]

    def connect(self, endpoint: Endpoint) -> Coroutine[Any, Any, Any]:
        return self._connect(endpoint.address[0])

    async def _connect(self, name: str) -> FakeSocket:
        self.tried.append(name)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            match self.behaviour[name]:
                case (seconds, error):
                    await asyncio.sleep(seconds)
                    raise error
                case seconds:
                    await asyncio.sleep(seconds)
            self.sockets.append(FakeSocket(name))
            return self.sockets[-1]
        finally:
            self.running -= 1


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "HEAD_START_S", 0.02)


async def won(net: Net) -> Any:
    return await first_connected(net.endpoints(), net.connect)


async def test_the_first_address_is_enough() -> None:
    net = Net(a=0.0, b=0.0)
    assert (await won(net)).name == "a"
    assert net.tried == ["a"]


async def test_a_refusal_is_followed_by_the_next_at_once() -> None:
    net = Net(a=(0.0, ConnectionRefusedError(111, "refused")), b=0.0)
    assert (await won(net)).name == "b"


async def test_an_address_that_swallows_everything_costs_its_head_start() -> None:
    net = Net(a=60.0, b=0.0)
    async with asyncio.timeout(20.0):
        assert (await won(net)).name == "b"
    await asyncio.sleep(0)
    assert net.running == 0


async def test_a_late_first_address_may_still_win() -> None:
    net = Net(a=0.3, b=60.0)
    assert (await won(net)).name == "a"
    assert net.most == 2


async def test_when_none_answers_the_last_error_tells() -> None:
    net = Net(a=(0.0, ConnectionRefusedError(111, "one")), b=(0.0, OSError(113, "two")))
    with pytest.raises(OSError, match="two"):
        await won(net)
    with pytest.raises(ConnectionError, match="no address"):
        await first_connected([], net.connect)


async def test_a_bug_is_not_taken_for_a_refusal() -> None:
    async def bug(_: Endpoint) -> Any:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        await first_connected(Net(a=0.0, b=0.0).endpoints(), bug)


async def test_who_gives_up_leaves_nothing_running() -> None:
    net = Net(a=60.0, b=60.0)
    task = asyncio.create_task(won(net))
    await asyncio.sleep(0.05)
    assert net.running == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert net.running == 0


async def test_two_that_connect_in_the_same_moment_leave_one_open() -> None:
    gate = asyncio.Event()
    made: list[FakeSocket] = []

    async def connect(endpoint: Endpoint) -> Any:
        await gate.wait()
        made.append(FakeSocket(endpoint.address[0]))
        return made[-1]

    task = asyncio.create_task(first_connected(Net(a=0.0, b=0.0).endpoints(), connect))
    await asyncio.sleep(0.05)
    gate.set()
    winner: Any = await task
    await asyncio.sleep(0)
    assert len(made) == 2
    assert [one for one in made if not one.closed] == [winner]
