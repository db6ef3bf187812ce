"""What a message may do before it waits for the first time, over each kind of transport."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from doorward.model.call import Call, Credential, Inbound, Note
from doorward.model.principal import Principal
from doorward.pipeline.errand import Waiting
from doorward.pipeline.read import Reader
from doorward.pipeline.rescue import Answer
from doorward.pipeline.trail import Trail
from doorward.wire import strict
from tests.playbook.house import House, error, legacy, request

pytestmark = pytest.mark.asyncio


class Impatient(Reader):
    """Uses a timeout in the first step of a message."""

    async def read_large(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)
        raise AssertionError


async def impatient() -> tuple[House, dict[bytes, bytes], bytes]:
    house = House()
    caller = await legacy(house)
    house.door.swap(replace(house.gateway, reader=Impatient(house.sessions)))
    large = request("tools/call", {"name": "balance", "arguments": {"text": "x" * 300_000}}, id=1)
    return house, caller.headers, strict.encode(large)


async def test_from_within_a_task_a_timeout_is_the_messages_own() -> None:
    """As on stdio and in batches: one that took the outer task for its own would end the whole transport."""
    house, fields, large = await impatient()
    outer = asyncio.current_task()
    assert outer is not None
    answer = await house.send(large, headers=fields)

    assert error(answer) == (200, -32603, "internal_error")
    assert outer.cancelling() == 0
    assert house.happened == ["decision"]


async def test_outside_of_any_task_it_is_an_error_of_ours_with_a_record() -> None:
    """As over HTTP, where bytes bring the first step: loud, closed and not hanging."""
    house, fields, large = await impatient()
    loop, told = asyncio.get_running_loop(), Waiting(asyncio.get_running_loop())
    credential = Credential("bot", "192.0.2.7", local=False, proxied=False)
    inbound = Inbound("http", "bank", credential, fields, large, None)
    loop.call_soon(house.door.begin, inbound, told)
    async with asyncio.timeout(5):
        await told.told()

    assert isinstance(told.answer, Answer)
    assert error(told.answer) == (200, -32603, "internal_error")
    assert house.happened == ["decision"]


async def test_what_comes_in_one_after_the_other_is_begun_in_that_order() -> None:
    """A cancellation must not overtake the call that it is about."""
    house = House()
    caller = await legacy(house)
    begun = asyncio.Event()

    async def hang(permit: Any) -> Any:
        begun.set()
        await asyncio.sleep(3600)

    house.servers.script = hang
    call = asyncio.create_task(caller.ask("tools/call", {"name": "balance", "arguments": {}}, id=1))
    cancel = request("notifications/cancelled", {"requestId": 1})
    cancelling = asyncio.create_task(house.send(cancel, headers=caller.headers))

    async with asyncio.timeout(5):
        assert error(await call) == (200, -31003, "cancelled")
        assert (await cancelling).status == 202
    assert not begun.is_set()
