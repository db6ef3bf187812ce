"""No record, no effect; and an effect without its record is told to the caller."""

import asyncio

import pytest

from doorward.model.call import Credential, Inbound, Reply
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from tests.playbook.house import ERAS, House, body, error, hello, legacy

pytestmark = pytest.mark.asyncio
GOOD = {"name": "balance", "arguments": {}}


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_decision_record_nothing_is_sent(era) -> None:
    house = House()
    caller = await era(house)
    house.log.broken = {"decision"}

    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "audit_unavailable")
    assert body(answer)["error"]["data"]["retryable"] is True
    assert house.servers.sent == []
    assert house.happened == []


async def test_a_denial_that_cannot_be_recorded_is_no_denial_the_caller_hears_of() -> None:
    house = House()
    caller = await legacy(house)
    house.log.broken = {"decision"}

    for name in ("close_account", "open_sesame"):
        answer = await caller.ask("tools/call", {"name": name})
        assert error(answer) == (200, -32603, "audit_unavailable")


@pytest.mark.parametrize("era", ERAS)
async def test_a_reply_whose_outcome_cannot_be_recorded_is_withheld(era) -> None:
    house = House()
    caller = await era(house)
    house.log.broken = {"outcome"}

    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "outcome_unrecorded")
    assert b"done" not in answer.body
    assert body(answer)["error"]["data"]["decision_id"] == house.log.records[0]["id"]
    assert house.happened == ["decision", "sent"]


async def test_a_log_that_recovers_at_once_still_tells_that_the_reply_was_withheld() -> None:
    house = House()
    caller = await legacy(house)

    async def then_break(permit: Permit) -> Reply:
        house.log.broken = {"outcome"}
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.get_running_loop().call_soon(house.log.broken.clear)
        )
        return await hello(permit)

    house.servers.script = then_break
    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "outcome_unrecorded")
    (outcome,) = house.log.kind("outcome")
    assert outcome["result"] == {"outcome": "failed", "error_code": -32603, "reason": "outcome_unrecorded"}


async def test_a_failing_call_with_a_failing_log_was_still_sent() -> None:
    house = House()
    caller = await legacy(house)

    async def fail(permit: Permit) -> Reply:
        house.log.broken = {"outcome"}
        raise GatewayError(Reason.STORE_UNAVAILABLE, "gone")

    house.servers.script = fail
    answer = await caller.ask("tools/call", GOOD)

    assert error(answer)[2] == "outcome_unrecorded"


async def test_a_decision_that_cannot_be_built_leaves_one_record_and_sends_nothing() -> None:
    house = House()
    caller = await legacy(house)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    append = house.log.append
    bugs = [True]

    async def buggy(record: bytes, *_: object) -> None:
        if bugs.pop() if bugs else False:
            raise RuntimeError("a bug in the recorder")
        await append(record)

    house.log.append = buggy
    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "internal_error")
    assert house.servers.sent == []
    (record,) = house.log.records
    assert (record["kind"], record["decision"]["effect"]) == ("decision", "refuse")


async def test_an_outcome_that_cannot_be_built_is_a_bug_with_one_outcome() -> None:
    house = House()
    caller = await legacy(house)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def not_bytes(permit: Permit) -> Reply:
        return Reply("text", None, "ok")

    house.servers.script = not_bytes
    answer = await caller.ask("tools/call", GOOD)

    assert error(answer) == (200, -32603, "internal_error")
    assert house.happened == ["decision", "sent", "outcome"]


async def test_who_never_became_known_has_no_decision() -> None:
    house = House()

    await house.send(b"{}", secret=None)

    assert house.happened == ["refusal"]


async def test_a_session_refused_to_a_stream_is_recorded() -> None:
    house = House()
    caller = await legacy(house)
    known = _inbound(caller.headers | {b"mcp-session-id": b"nobody"}, "bot")
    unknown = _inbound(caller.headers, "not a key")

    assert error(await house.door.session(known)) == (404, -32600, "session_unknown")
    assert error(await house.door.session(unknown)) == (401, -31010, "credential_invalid")
    session, principal = await house.door.session(_inbound(caller.headers, "bot"))

    assert (session.endpoint, principal.agent) == ("bank", "ci-bot")
    assert house.happened == ["decision", "refusal"]


def _inbound(headers: dict[bytes, bytes], secret: str) -> Inbound:
    credential = Credential(secret, "192.0.2.1", local=False, proxied=False)
    return Inbound("http", "bank", credential, headers, b"", None)
