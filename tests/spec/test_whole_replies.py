"""A stage that looks at replies sees all of each, whatever the eras (research brief 8.23)."""

import json
from typing import Any

import pytest

from doorward.model.call import Outcome, Reply, RpcError
from doorward.model.verdict import Permit
from doorward.pipeline.order import AfterSlot
from doorward.ports.stage import Pass, Replace
from tests.playbook.house import ERAS, House, body
from tests.unit.policy.build import grant, scope

pytestmark = pytest.mark.asyncio
SECRET = "4111 1111 1111 1111"
RESULT: dict[str, Any] = {
    "content": [
        {"type": "text", "text": SECRET},
        {"type": "resource", "resource": {"uri": "memo:x", "text": SECRET}},
        {"type": "resource", "resource": {"uri": "memo:y", "blob": "NDExMQ=="}},
    ],
    "structuredContent": {"card": SECRET, "deep": [{"card": SECRET}]},
    "_meta": {"com.example/x": SECRET},
}


class Redact:
    """Implements ports.stage.After: takes the secret out wherever it stands."""

    id = "redact"

    def __init__(self) -> None:
        self.seen: list[Reply] = []

    async def check(self, permit: Permit, reply: Reply) -> Any:
        self.seen.append(reply)
        if reply.error is not None:
            error = RpcError(reply.error.code, reply.error.message.replace(SECRET, "***"), None)
            return Replace(Reply(None, error, reply.outcome))
        clean = (reply.result or b"").replace(SECRET.encode(), b"***")
        return Replace(Reply(clean, None, reply.outcome)) if clean != reply.result else Pass()


@pytest.mark.spec("DW-823")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "balance"}),
        ("prompts/get", {"name": "greet"}),
        ("resources/read", {"uri": "doc://rates"}),
    ],
)
async def test_a_stage_gets_every_place_of_a_result_and_what_it_says_is_delivered(
    era: Any, method: str, params: Any
) -> None:
    everything = scope(["*"])
    stage = Redact()
    grants = (grant(servers=["bank"], tools=everything, prompts=everything, resources=everything),)
    house = House(grants=grants, after=(AfterSlot(stage, "a test"),))

    async def answers(permit: Permit) -> Reply:
        return Reply(json.dumps(RESULT).encode(), None, Outcome.OK)

    house.servers.script = answers
    caller = await era(house)
    stage.seen.clear()

    answer = await caller.ask(method, params)

    (seen,) = stage.seen
    assert json.loads(seen.result or b"") == RESULT
    assert SECRET.encode() not in answer.body
    assert answer.body.count(b"***") == 5
    assert body(answer)["result"]["structuredContent"]["deep"] == [{"card": "***"}]


@pytest.mark.spec("DW-823")
@pytest.mark.parametrize("era", ERAS)
async def test_a_stage_gets_a_server_s_error_too(era: Any) -> None:
    stage = Redact()
    house = House(after=(AfterSlot(stage, "a test"),))

    async def fails(permit: Permit) -> Reply:
        return Reply(None, RpcError(-32000, f"no such card {SECRET}", {"card": SECRET}), Outcome.FAILED)

    house.servers.script = fails
    caller = await era(house)
    stage.seen.clear()

    answer = await caller.ask("tools/call", {"name": "balance"})

    assert len(stage.seen) == 1
    assert SECRET.encode() not in answer.body
    assert body(answer)["error"]["message"] == "no such card ***"
