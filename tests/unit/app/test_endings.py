"""What is open of whom it is over with, ended in slices."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from doorward.app.endings import SLICE, Endings, OverSince
from doorward.backends.memory.sessions import MemorySessions
from doorward.model.call import Session
from doorward.model.principal import Principal

pytestmark = pytest.mark.asyncio
INFINITE = float("inf")


def who(name: str) -> Principal:
    return Principal("default", name, "agent", "key", name)


class Listener:
    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.ended = False

    def end(self) -> None:
        self.ended = True


class House:
    """Everything that can be open, as lists."""

    def __init__(self, *names: str) -> None:
        self.sessions = MemorySessions()
        self.streams: dict[str, tuple[Session, Principal]] = {}
        self.listeners = [Listener(who(name)) for name in names]
        self.ended: list[str] = []
        self.told: list[tuple[OverSince, set[str]]] = []
        for name in names:
            session = self.sessions.open(who(name), None, "2025-11-25", {}, {})
            self.streams[session.id] = session, who(name)
        self.endings = Endings(self, self.Listens(self.listeners), self.sessions, lambda: [self], self.over)

    class Listens:
        def __init__(self, listeners: list[Listener]) -> None:
            self._listeners = listeners

        def listening(self) -> list[Listener]:
            return self._listeners

    def listening(self) -> list[tuple[Session, Principal]]:
        return list(self.streams.values())

    def close(self, session_id: str) -> None:
        del self.streams[session_id]

    def end_where(self, over: OverSince, owners: Collection[str] = ()) -> None:
        self.told.append((over, set(owners)))

    def over(self, session: Session) -> None:
        assert session.holder is not None
        self.ended.append(session.holder.subject)


def is_a(principal: Principal, *_: Any) -> bool:
    return principal.subject == "a"


async def test_all_of_one_and_nothing_of_others() -> None:
    house = House("a", "b", "a")
    await house.endings.end(is_a, is_a)
    assert [principal.subject for _, principal in house.streams.values()] == ["b"]
    assert [one.ended for one in house.listeners] == [True, False, True]
    assert house.ended == ["a", "a"]
    assert len(house.sessions) == 1
    ((over, owners),) = house.told
    assert (over(who("a"), 0.0), over(who("b"), 0.0), owners) == (True, False, {who("a").owner})


async def test_streams_may_end_before_sessions() -> None:
    house = House("a")
    await house.endings.end(is_a, lambda *_: False)
    assert not house.streams
    assert len(house.sessions) == 1
    assert house.ended == []


async def test_streams_alone_end_at_once() -> None:
    house = House("a", "b")
    house.endings.close_streams(is_a)
    assert len(house.streams) == 1
    assert [one.ended for one in house.listeners] == [True, False]
    assert len(house.sessions) == 2


async def test_nobody_is_left_at_a_server() -> None:
    house = House()
    house.endings.clear(house)
    assert house.told[0][0](who("b"), INFINITE)


async def test_calls_have_their_turn_and_who_ends_meanwhile_is_ended_once() -> None:
    house = House(*["a"] * (3 * SLICE))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            for session in house.sessions.held()[:1]:
                house.sessions.close(session.id)
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await house.endings.end(is_a, is_a)
    counting.cancel()
    assert turns >= 6
    assert len(house.sessions) == 0
    assert len(house.ended) < 3 * SLICE
