"""JSON-RPC arrays: 2025-03-26 has them, no other revision does."""

import asyncio
import json

import pytest

from doorward.model.call import Note, Outcome, Reply
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from tests.playbook.house import House, error, legacy, modern, request

pytestmark = pytest.mark.asyncio
BATCH = "2025-03-26"
CALLS = [request("tools/call", {"name": "balance"}, id=1), request("tools/call", {"name": "nothing"}, id="2")]


@pytest.mark.spec("DW-390", "DW-830")
async def test_each_message_of_a_batch_goes_through_the_door_on_its_own() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send([*CALLS, request("notifications/initialized")], headers=caller.headers)

    assert answer.status == 200
    said = json.loads(answer.body)
    assert [message["id"] for message in said] == [1, "2"]
    assert "result" in said[0]
    assert said[1]["error"]["code"] == -32602
    assert sorted(record["decision"]["effect"] for record in house.log.kind("decision")) == [
        "permit",
        "refuse",
    ]


@pytest.mark.spec("DW-391")
async def test_a_batch_of_notifications_is_accepted() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send([request("notifications/initialized")] * 2, headers=caller.headers)

    assert (answer.status, answer.body) == (202, b"")


def _refuses(note: Note) -> None:
    if note.answer is not None:
        raise CallerError(Reason.ANSWER_UNKNOWN, "nothing was asked")


@pytest.mark.spec("DW-391")
async def test_a_batch_of_responses_that_nobody_waits_for_is_refused() -> None:
    """With an HTTP error, as there is no request to answer (MCP 2025-03-26 transports)."""
    house = House()
    house.calls.others = _refuses
    caller = await legacy(house, version=BATCH)
    stray = {"jsonrpc": "2.0", "id": 9, "result": {}}

    answer = await house.send([stray, request("notifications/initialized"), stray], headers=caller.headers)

    assert answer.status == 400
    assert [one["error"]["data"]["reason"] for one in json.loads(answer.body)] == ["answer_unknown"] * 2
    answer = await house.send([stray, request("ping", id=1)], headers=caller.headers)
    assert answer.status == 200


@pytest.mark.spec("DW-392")
async def test_a_bad_item_spoils_only_itself() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send([CALLS[0], {"id": 4}, [CALLS[0]]], headers=caller.headers)

    good, bad, nested = json.loads(answer.body)
    assert "result" in good
    assert bad["error"]["code"] == -32600
    assert nested["error"]["data"]["reason"] == "batch_unsupported"
    assert len(house.servers.sent) == 1


@pytest.mark.spec("DW-022")
async def test_one_id_twice_in_a_batch_is_sent_once() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send([CALLS[0], CALLS[0]], headers=caller.headers)

    outcomes = ["result" in message for message in json.loads(answer.body)]
    assert sorted(outcomes) == [False, True]
    assert len(house.servers.sent) == 1


@pytest.mark.spec("DW-393")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_legacy_revisions_have_none(version: str) -> None:
    house = House()
    caller = await legacy(house, version=version)

    answer = await house.send(CALLS, headers=caller.headers)

    assert error(answer) == (400, -32600, "batch_unsupported")
    assert house.happened == ["decision"]


@pytest.mark.spec("DW-076", "DW-393")
async def test_the_modern_revision_has_none() -> None:
    house = House()
    caller = await modern(house)

    answer = await house.send([caller.message("tools/list", id=1)], headers=caller.fields("tools/list"))

    assert error(answer) == (400, -32600, "batch_unsupported")


@pytest.mark.spec("DW-394")
async def test_more_messages_than_a_batch_may_have() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send([request("ping", id=n) for n in range(65)], headers=caller.headers)

    assert error(answer) == (400, -32600, "batch_unsupported")
    assert "1 to 64 messages" in json.loads(answer.body)["error"]["message"], "it is not the revision"
    assert house.happened == ["decision"]


@pytest.mark.spec("DW-395")
async def test_a_handshake_in_a_batch_is_refused_for_what_it_is() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)

    answer = await house.send(
        [request("ping", id=1), request("initialize", {}, id=2)], headers=caller.headers
    )

    assert error(answer) == (400, -32600, "batch_unsupported")
    assert "no initialize" in json.loads(answer.body)["error"]["message"]


@pytest.mark.spec("DW-393")
@pytest.mark.parametrize("number", [1, 65])
async def test_a_batch_of_a_session_that_is_gone_is_told_so(number: int) -> None:
    """Otherwise its client would never begin a new one (MCP transports, "Session Management")."""
    house = House()
    caller = await legacy(house, version=BATCH)
    headers = {**caller.headers, b"mcp-session-id": b"gone"}

    answer = await house.send([request("ping", id=n) for n in range(number)], headers=headers)

    assert error(answer) == (404, -32600, "session_unknown")


@pytest.mark.spec("DW-215")
async def test_cancelling_a_batch_ends_each_of_its_calls_with_a_record() -> None:
    house = House()
    caller = await legacy(house, version=BATCH)
    begun = asyncio.Event()

    async def hang(permit: Permit) -> Reply:
        begun.set()
        await asyncio.sleep(3600)
        return Reply(b"{}", None, Outcome.OK)

    house.servers.script = hang
    task = asyncio.create_task(house.send([CALLS[0]], headers=caller.headers))
    await begun.wait()
    task.cancel()
    answer = await task

    assert json.loads(answer.body)[0]["error"]["code"] == -31003
    assert house.happened == ["decision", "sent", "outcome"]
