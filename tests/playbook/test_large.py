"""A large call is what a small one is: decided, recorded, sent as it came. Reading it takes several turns."""

import asyncio
import json

import msgspec
import pytest

from doorward.pipeline.read import MAX_INITIALIZE
from tests.playbook.house import ERAS, House, body, error, legacy, request

pytestmark = pytest.mark.asyncio
NOTE = "n" * 100_000
ROWS = [{"id": n, "name": f"row {n}"} for n in range(5000)]


@pytest.mark.spec("DW-011")
@pytest.mark.parametrize("era", ERAS)
async def test_it_is_sent_as_it_came_and_its_record_says_so(era) -> None:
    house = House()
    caller = await era(house)

    answer = await caller.ask("tools/call", {"name": "transfer", "arguments": {"amount": 5, "rows": ROWS}})

    assert "result" in body(answer)
    arguments = house.servers.sent[-1].call.arguments
    assert arguments["amount"] == 5
    assert json.loads(msgspec.json.encode(arguments)) == {"amount": 5, "rows": ROWS}
    args = house.log.kind("decision")[-1]["args"]
    assert args["names"] == ["amount", "rows"]
    assert args["raw"] is True
    assert args["bytes"] > 100_000


@pytest.mark.spec("DW-012")
async def test_rules_look_at_small_arguments_beside_large_ones() -> None:
    house = House()
    caller = await legacy(house)
    answer = await caller.ask("tools/call", {"name": "transfer", "arguments": {"amount": 500, "to": NOTE}})
    assert body(answer)["result"]["isError"] is True
    assert house.servers.sent == []


@pytest.mark.spec("DW-012")
async def test_an_argument_that_is_itself_large_satisfies_no_rule() -> None:
    house = House()
    caller = await legacy(house)
    answer = await caller.ask("tools/call", {"name": "transfer", "arguments": {"amount": [5] * 20_000}})
    assert body(answer)["result"]["isError"] is True
    assert house.servers.sent == []


@pytest.mark.spec("DW-012")
async def test_it_is_refused_for_what_a_small_one_is() -> None:
    house = House()
    caller = await legacy(house)
    twice = {"name": "balance", "arguments": {"text": NOTE}}
    given = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": twice})
    given = given.replace('"text"', '"a":1,"a":2,"text"')
    answer = await house.send(given.encode(), headers=caller.headers)
    assert error(answer)[1:] == (-32600, "invalid_request")
    assert [record["decision"]["reason"] for record in house.log.kind("decision")][-1] == "invalid_request"
    assert house.servers.sent == []


@pytest.mark.spec("DW-013")
async def test_others_are_served_while_it_is_read() -> None:
    house = House()
    caller, other = await legacy(house), await legacy(house)
    large = asyncio.create_task(
        caller.ask("tools/call", {"name": "balance", "arguments": {"rows": ROWS * 10}})
    )
    await asyncio.sleep(0)

    answer = await other.ask("tools/call", {"name": "balance", "arguments": {}})

    assert "result" in body(answer)
    assert not large.done()
    assert "result" in body(await large)


@pytest.mark.spec("DW-390")
async def test_a_batch_of_large_messages_is_taken_apart() -> None:
    house = House()
    caller = await legacy(house, version="2025-03-26")
    params = {"name": "balance", "arguments": {"text": NOTE}}
    calls = [request("tools/call", params, id=n) for n in range(3)]
    said = json.loads((await house.send(calls, headers=caller.headers)).body)
    assert [message["id"] for message in said] == [0, 1, 2]
    assert all("result" in message for message in said)


@pytest.mark.spec("DW-394")
async def test_a_large_array_that_is_no_batch_is_not() -> None:
    house = House()
    caller = await legacy(house, version="2025-03-26")
    answer = await house.send(b"[%b1]" % (b"1," * 50_000), headers=caller.headers)
    assert error(answer)[1] == -32600
    assert len(house.log.kind("decision")) == 1


@pytest.mark.spec("DW-097")
async def test_a_client_may_not_say_more_of_itself_than_a_session_can_keep() -> None:
    house = House()
    said = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "n", "version": "1"}}
    for pieces, refused in ((20, False), (70, True)):
        params = said | {f"piece {n}": "x" * 1000 for n in range(pieces)}
        answer = await house.send(request("initialize", params, id=1))
        assert ("error" in body(answer)) is refused
    assert error(answer)[1:] == (-32602, "invalid_params")
    assert f"larger than {MAX_INITIALIZE} bytes" in body(answer)["error"]["message"]
    assert len(house.sessions) == 1
