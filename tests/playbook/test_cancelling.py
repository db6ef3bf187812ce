"""Calls that do not run to their end: cancelled by a notification, a disconnect, a stop."""

import asyncio

import pytest

from doorward.model.call import Reply
from doorward.model.verdict import Permit
from tests.playbook.house import House, body, error, hello, legacy, modern, request

pytestmark = pytest.mark.asyncio
GOOD = {"name": "balance", "arguments": {}}


class Hanging:
    """A server that answers when it is let go."""

    def __init__(self, house: House) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = 0
        house.servers.script = self

    async def __call__(self, permit: Permit) -> Reply:
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await hello(permit)


@pytest.mark.spec("DW-210")
@pytest.mark.parametrize("request_id", [1, "1"], ids=repr)
async def test_a_notification_cancels_the_call_with_this_very_id(request_id) -> None:
    house = House()
    caller, server = await legacy(house), Hanging(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=request_id))
    await server.begun.wait()

    other = "1" if request_id == 1 else 1
    for params in ({"requestId": other}, {"requestId": True}, {"requestId": None}, {}):
        await house.send(request("notifications/cancelled", params), headers=caller.headers)
    await asyncio.sleep(0)
    assert not call.done()
    await house.send(request("notifications/cancelled", {"requestId": request_id}), headers=caller.headers)

    assert error(await call) == (200, -31003, "cancelled")
    assert server.cancelled == 1
    assert house.happened == ["decision", "sent", "outcome"]
    assert house.log.records[1]["result"]["outcome"] == "cancelled"
    assert len(house.calls) == 0


@pytest.mark.spec("DW-215")
async def test_a_call_that_is_cancelled_again_while_that_is_recorded_is_cancelled_once() -> None:
    """The second word must not cut the wait for the record: the caller would hear that there is none."""
    house = House()
    caller, server = await legacy(house), Hanging(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    await server.begun.wait()
    recorded, log = asyncio.Event(), house.log.append

    async def slowly(record: bytes, *_: object) -> None:
        await log(record)
        await recorded.wait()

    house.log.append = slowly
    for _ in range(3):
        await house.send(request("notifications/cancelled", {"requestId": 1}), headers=caller.headers)
        await asyncio.sleep(0)
    recorded.set()

    assert error(await call) == (200, -31003, "cancelled")
    assert house.happened == ["decision", "sent", "outcome"]


@pytest.mark.spec("DW-210")
async def test_nobody_cancels_the_call_of_another_session() -> None:
    house = House()
    mine, yours, server = await legacy(house), await legacy(house), Hanging(house)
    call = asyncio.create_task(mine.ask("tools/call", GOOD, id=1))
    await server.begun.wait()

    await house.send(request("notifications/cancelled", {"requestId": 1}), headers=yours.headers)
    server.go.set()

    assert "result" in body(await call)


@pytest.mark.spec("DW-214")
async def test_on_stdio_a_cancelled_call_has_no_answer() -> None:
    house = House()
    caller, server = await modern(house), Hanging(house)
    call = asyncio.create_task(house.send(caller.message("tools/call", GOOD, id=1), transport="stdio"))
    await server.begun.wait()

    await house.send(request("notifications/cancelled", {"requestId": 1}), transport="stdio")

    assert (await call).body == b""
    assert house.log.records[1]["result"]["reason"] == "cancelled"


@pytest.mark.spec("DW-213")
async def test_a_modern_caller_over_http_cancels_by_going_away_only() -> None:
    house = House()
    caller, server = await modern(house), Hanging(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    await server.begun.wait()
    await house.send(
        caller.message("notifications/cancelled", {"requestId": 1}),
        headers=caller.fields("notifications/cancelled"),
    )
    await asyncio.sleep(0)
    assert server.cancelled == 0

    call.cancel()

    assert error(await call) == (200, -31003, "cancelled")


@pytest.mark.spec("DW-022")
async def test_an_id_that_is_in_flight_is_refused_and_the_first_call_lives_on() -> None:
    house = House()
    caller, server = await legacy(house), Hanging(house)
    first = asyncio.create_task(caller.ask("tools/call", GOOD, id=7))
    await server.begun.wait()

    second = await caller.ask("tools/call", GOOD, id=7)
    third = await caller.ask("ping", id="7")
    server.go.set()

    assert error(second) == (400, -32600, "duplicate_request_id")
    assert body(third)["result"] == {}
    assert "result" in body(await first)
    assert len(house.servers.sent) == 1
    assert "result" in body(await caller.ask("tools/call", GOOD, id=7))


@pytest.mark.spec("DW-095")
async def test_the_end_of_a_session_cancels_its_calls() -> None:
    house = House()
    caller, server = await legacy(house), Hanging(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    await server.begun.wait()

    house.calls.end(caller.headers[b"mcp-session-id"].decode())

    assert error(await call) == (200, -31003, "cancelled")


@pytest.mark.spec("DW-215")
async def test_a_call_cut_by_a_stop_is_told_so() -> None:
    house = House()
    caller, server = await legacy(house), Hanging(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    await server.begun.wait()

    house.door.stopping = True
    call.cancel()
    answer = await call

    assert error(answer) == (200, -32603, "call_cut")
    assert body(answer)["error"]["data"]["retryable"] is False
    assert b"retry-after" not in dict(answer.headers)
    assert house.log.records[1]["result"]["outcome"] == "cancelled"


@pytest.mark.spec("DW-215")
async def test_a_cancellation_while_the_decision_is_written_sends_nothing() -> None:
    house = House()
    caller = await legacy(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    while not house.calls:  # noqa: ASYNC110 - it begins in a turn of its own
        await asyncio.sleep(0)

    (errand,) = house.door.running  # the record is being written
    errand.cancel()

    assert error(await call) == (200, -31003, "cancelled")
    assert house.servers.sent == []
    assert [record["kind"] for record in house.log.records].count("outcome") == 1


@pytest.mark.spec("DW-215")
async def test_a_cancellation_while_the_outcome_is_written_leaves_one_outcome() -> None:
    house = House()
    caller = await legacy(house)
    gate = asyncio.Event()
    append = house.log.append

    async def slow(record: bytes, *_: object) -> None:
        await append(record)
        if b'"kind":"outcome"' in record:
            gate.set()
            await asyncio.sleep(3600)

    house.log.append = slow
    call = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    await gate.wait()
    call.cancel()

    assert error(await call) == (200, -31003, "cancelled")
    assert house.happened == ["decision", "sent", "outcome"]
