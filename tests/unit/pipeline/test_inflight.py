"""Calls in flight, against a model: what may be entered, cancelled and left."""

import asyncio

import msgspec
import pytest

from doorward.model.call import Call, Era, Note, RequestId
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.trail import Trail
from tests.unit.catalog.build import call

pytestmark = pytest.mark.asyncio


class Stopped:
    """A drive that ends as a task."""

    def __init__(self, task: asyncio.Task[str] | None) -> None:
        self._task = task

    def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()


def in_scope(scope: str | None, request_id: RequestId = 1) -> Call:
    return msgspec.structs.replace(call("ping", {}), scope=scope, id=request_id)


def cancelled(scope: str | None, request_id: object, method: str = "notifications/cancelled") -> Note:
    return Note(method, {"requestId": request_id}, Era.LEGACY, None, None, scope)


class Running:
    """Calls that run until they are cancelled."""

    def __init__(self) -> None:
        self.calls = InFlight()

    async def start(self, one: Call) -> asyncio.Task[str]:
        task = asyncio.create_task(self._run(one))
        await asyncio.sleep(0)
        return task

    async def _run(self, one: Call) -> str:
        trail = Trail(None, "an id", 0.0)
        trail.drive = Stopped(asyncio.current_task())
        try:
            self.calls.enter(one, trail)
            await asyncio.sleep(3600)
            return "ended"
        except CallerError as error:
            return error.reason.value
        except asyncio.CancelledError:
            return "cancelled"
        finally:
            self.calls.leave(trail)


@pytest.mark.spec("DW-028", "DW-210")
@pytest.mark.parametrize("request_id", [1, "1", "", 2**70], ids=repr)
async def test_a_notification_cancels_this_id_of_this_scope(request_id: RequestId) -> None:
    running = Running()
    task = await running.start(in_scope("s", request_id))

    for other in (
        cancelled("t", request_id),
        cancelled(None, request_id),
        cancelled("s", request_id, "notifications/progress"),
        cancelled("s", 2),
        cancelled("s", True),
        cancelled("s", 1.0),
        cancelled("s", None),
        cancelled("s", [request_id]),
    ):
        running.calls.note(other)
    await asyncio.sleep(0)
    assert not task.done()
    running.calls.note(cancelled("s", request_id))

    assert await task == "cancelled"
    assert len(running.calls) == 0


@pytest.mark.spec("DW-023")
async def test_one_and_its_string_are_two_calls() -> None:
    running = Running()
    number, text = await running.start(in_scope("s", 1)), await running.start(in_scope("s", "1"))

    running.calls.note(cancelled("s", "1"))

    assert await text == "cancelled"
    assert not number.done()
    number.cancel()
    await number


@pytest.mark.spec("DW-022")
async def test_a_second_call_of_one_id_does_not_take_the_first_along() -> None:
    running = Running()
    first = await running.start(in_scope("s"))
    second = await running.start(in_scope("s"))

    assert await second == Reason.DUPLICATE_REQUEST_ID
    assert len(running.calls) == 1
    running.calls.note(cancelled("s", 1))
    assert await first == "cancelled"


@pytest.mark.spec("DW-028")
async def test_without_a_scope_nothing_is_kept() -> None:
    running = Running()
    tasks = [await running.start(in_scope(None)) for _ in range(2)]

    assert len(running.calls) == 0
    for task in tasks:
        task.cancel()
        assert await task == "cancelled"


@pytest.mark.spec("DW-095")
async def test_the_end_of_a_scope_cancels_everything_in_it_and_nothing_else() -> None:
    running = Running()
    mine = [await running.start(in_scope("s", n)) for n in range(3)]
    other = await running.start(in_scope("t"))

    running.calls.end("s")

    assert [await task for task in mine] == ["cancelled"] * 3
    assert not other.done()
    other.cancel()
    await other
