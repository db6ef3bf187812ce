"""Those who wait: told once, in their order, whatever one of them does."""

import asyncio

import pytest

from doorward.backends.files.waiting import Told, wake


@pytest.mark.asyncio
async def test_a_future_is_told_of_success_and_of_failure() -> None:
    loop = asyncio.get_running_loop()
    stepped, paced, failed = (Told(loop.create_future()) for _ in range(3))
    stepped.step()
    paced.pace()
    failed.fail(ZeroDivisionError())
    assert stepped.written.result() is paced.written.result() is None
    assert isinstance(failed.written.exception(), ZeroDivisionError)


@pytest.mark.asyncio
async def test_who_was_cancelled_hears_of_nothing() -> None:
    told = Told(asyncio.get_running_loop().create_future())
    told.written.cancel()
    told.step()
    told.fail(ZeroDivisionError())
    assert told.written.cancelled()


class Noted:
    def __init__(self, notes: list[str], name: str, bug: bool = False) -> None:
        self._notes, self._name, self._bug = notes, name, bug

    def step(self) -> None:
        self._notes.append(self._name)
        if self._bug:
            raise ZeroDivisionError

    def pace(self) -> None:
        raise NotImplementedError

    def fail(self, failure: Exception) -> None:
        raise NotImplementedError


@pytest.mark.asyncio
async def test_those_behind_a_bug_go_on_in_the_next_turn() -> None:
    notes: list[str] = []
    with pytest.raises(ZeroDivisionError):
        wake([Noted(notes, "a"), Noted(notes, "b", bug=True), Noted(notes, "c"), Noted(notes, "d")])
    assert notes == ["a", "b"]
    await asyncio.sleep(0)
    assert notes == ["a", "b", "c", "d"]
