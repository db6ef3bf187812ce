"""A question in the middle of a call across eras, as it leaves the building: form, data, records; and then.

What server and client say is the upstream's business (unit/upstream/test_bridging.py, e2e/test_eras.py).
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from doorward.model.call import Reply
from doorward.model.errors import CallerError, PolicyError, UpstreamError
from doorward.model.verdict import Permit
from doorward.upstream import bridging
from doorward.wire.asking import Question
from tests.playbook.house import ERAS, Caller, House, body, hello, legacy

pytestmark = pytest.mark.asyncio
GOOD = {"name": "balance", "arguments": {}}
WHO = Question("elicitation/create", {"message": "who?"})
Make = Callable[..., Awaitable[Caller]]
Ends = [
    (bridging.undeclared("bank", WHO), -32021, "capability_missing", "invalid_arguments"),
    (bridging.unbridged("bank", ["elicitation"]), -32603, "bridge_unsupported", "failed"),
    (bridging.forbidden("bank", "elicitation"), -31001, "ask_not_allowed", "denied"),
]


@pytest.mark.parametrize("make", ERAS)
@pytest.mark.parametrize(("error", "code", "reason", "outcome"), Ends, ids=[end[2] for end in Ends])
async def test_it_fails_by_name_and_the_session_goes_on(
    make: Make, error: CallerError | PolicyError | UpstreamError, code: int, reason: str, outcome: str
) -> None:
    house = House()
    caller = await make(house)

    async def asks(permit: Permit) -> Reply:
        raise error

    house.servers.script = asks
    answer = await caller.ask("tools/call", GOOD)

    said: dict[str, Any] = body(answer)["error"]
    assert (said["code"], said["data"]["reason"], said["data"]["server"]) == (code, reason, "bank")
    assert said["message"].startswith("server bank needs elicitation from its client")
    assert answer.status == (400 if reason == "capability_missing" and make is not legacy else 200)
    if reason == "capability_missing":  # 2026-07-28, MissingRequiredClientCapabilityError
        assert said["data"]["requiredCapabilities"] == {"elicitation": {"form": {}}}
    assert house.happened == ["decision", "sent", "outcome"]
    [told] = house.log.kind("outcome")
    assert told["result"]["outcome"] == outcome

    house.servers.script = hello
    assert body(await caller.ask("tools/call", GOOD, id=2))["result"]["content"]
