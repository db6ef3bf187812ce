"""How a refusal looks (DESIGN section 5): a visible tool, a hidden and an unknown one, everything else."""

import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import doorward
from doorward.policy.slices import Slice
from tests.playbook.house import ERAS, Caller, House, body, error
from tests.spec.peers import MODERN
from tests.spec.scene import each_client, full
from tests.spec.world import world
from tests.unit.policy.build import grant, scope, when

SOURCE = str(Path(doorward.__file__).parent)
ENDPOINTS = pytest.mark.parametrize("endpoint", ["bank", None])


async def work(
    caller: Caller, method: str, params: dict[str, Any]
) -> tuple[Counter[str], bytes, tuple[Any, ...]]:
    """Which of our functions run, and how often, until the answer is there; and the answer."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, happened: str, _: Any) -> None:
        if happened == "call" and frame.f_code.co_filename.startswith(SOURCE):
            calls[f"{frame.f_code.co_filename.removeprefix(SOURCE)}:{frame.f_code.co_qualname}"] += 1

    message = json.dumps(caller.message(method, params, id=1)).encode()
    sys.setprofile(count)
    try:
        answer = await caller.house.send(
            message, headers=caller.fields(method, params), endpoint=caller.endpoint, secret=caller.secret
        )
    finally:
        sys.setprofile(None)
    return calls, answer.body, (answer.status, answer.headers)


def named(method: str, name: str, endpoint: str | None) -> dict[str, Any]:
    full_name = name if endpoint else f"bank__{name}"
    if method != "completion/complete":
        return {"name": full_name}
    return {"ref": {"type": "ref/prompt", "name": full_name}, "argument": {"name": "x", "value": ""}}


@pytest.mark.asyncio
@pytest.mark.spec("DW-421", "DW-422")
@pytest.mark.parametrize("era", ERAS)
@ENDPOINTS
@pytest.mark.parametrize(
    ("method", "hidden", "unknown"),
    [
        ("tools/call", "close_account", "open_sesame_x"),
        ("prompts/get", "audit_plan", "other_plan"),
        ("completion/complete", "audit_plan", "other_plan"),
    ],
)
async def test_hidden_and_unknown_cost_the_same_at_the_first_and_at_every_later_time(
    era: Any, endpoint: str | None, method: str, hidden: str, unknown: str
) -> None:
    """Each in a house of its own, so that neither finds anything that the other has left behind."""
    costs: dict[str, list[Counter[str]]] = {}
    answers = set()
    for name in (hidden, unknown):
        caller = await era(House(), endpoint=endpoint)
        await caller.ask("tools/call", {"name": "balance"})
        done = [await work(caller, method, named(method, name, endpoint)) for _ in range(3)]
        costs[name] = [calls for calls, _, _ in done]
        answers |= {(said, head) for _, said, head in done}
    assert len(answers) == 1
    for first, second in zip(costs[hidden], costs[unknown], strict=True):
        ratio = first.total() / second.total()
        assert 0.8 < ratio < 1.25, (ratio, first - second, second - first)
        # What costs more than a frame says: rules compiled, Cedar asked, and each record that is written.
        for dear in ("slices.py:Slice.__init__", "slices.py:Slice.ask", "recorder.py:Recorder._write"):
            assert ends(first, dear) == ends(second, dear), dear


def ends(calls: Counter[str], name: str) -> int:
    return sum(count for key, count in calls.items() if key.endswith(name))


@pytest.mark.asyncio
@pytest.mark.spec("DW-422")
async def test_cedar_is_asked_as_often_for_what_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Slice] = []
    usual = Slice.ask
    monkeypatch.setattr(Slice, "ask", lambda self, given: (asked.append(self), usual(self, given))[1])
    counts = []
    for name in ("close_account", "open_sesame_x"):
        caller = await ERAS[0](House())
        asked.clear()
        await caller.ask("tools/call", {"name": name})
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


@pytest.mark.asyncio
@pytest.mark.spec("DW-423")
async def test_unknown_names_without_end_are_not_kept_without_end() -> None:
    house = House()
    caller = await ERAS[0](house)
    book = house.offer.policy._books["bank"]
    for number in range(5_000):
        await caller.ask("tools/call", {"name": f"t{number}"})
    assert 0 < len(book._strangers) <= 4_096
    assert len(book.names) <= 4


@pytest.mark.asyncio
@pytest.mark.spec("DW-420")
@pytest.mark.parametrize("era", ERAS)
async def test_a_visible_tool_that_is_denied_is_a_result_for_the_model(era: Any) -> None:
    house = House(see_rules=True)
    caller = await era(house)
    answer = await caller.ask("tools/call", {"name": "transfer", "arguments": {"amount": 1000}})
    result = body(answer)["result"]
    assert (answer.status, result["isError"]) == (200, True)
    assert result["content"][0]["text"].startswith('Denied by policy: argument "amount" must be at most 100')
    denial = result["_meta"]["dev.doorward/denial"]
    assert denial["reason"] == "argument_not_allowed"
    assert denial["decision_id"] == house.log.records[0]["id"]
    assert {"retryable", "advice", "rules"} <= denial.keys()
    assert result.get("resultType") == ("complete" if caller.modern else None)
    assert house.servers.sent == []


@pytest.mark.asyncio
@pytest.mark.spec("DW-424")
@pytest.mark.parametrize("era", ERAS)
async def test_another_method_that_is_denied_is_an_error_of_our_own(era: Any) -> None:
    shown = grant(servers=["bank"], prompts=scope(["greet"]), conditions=[when("lang", "equals", "en")])
    caller = await era(House(grants=(shown,)))
    answer = await caller.ask("prompts/get", {"name": "greet", "arguments": {"lang": "de"}})
    status, code, reason = error(answer)
    assert (status, reason) == (200, "argument_not_allowed")
    assert not -32768 <= code <= -32000


GRANTS = {
    "bot": {
        "grants": [
            {
                "servers": ["lab"],
                "tools": {"allow": ["echo"]},
                "when": {"arguments.n": {"at_most": 5}},
            }
        ]
    }
}


@pytest.mark.spec("DW-425")
@pytest.mark.asyncio
@pytest.mark.enable_socket
@each_client
async def test_no_refusal_ends_a_session_or_a_connection(down: str, tmp_path: Path) -> None:
    peer = full()
    peer.lists["tools"] = [
        {"name": name, "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
        for name in ("echo", "hidden")
    ]
    async with world(tmp_path, {"lab": peer}, agents=GRANTS) as made:
        client = await made.client(version=down)
        refusals = [
            await client.call("echo", n=9),
            await client.call("hidden"),
            await client.call("unknown"),
            await client.ask("prompts/get", {"name": "greet"}),
            await client.ask("resources/read", {"uri": "doc://rates"}),
            await client.ask("nothing/at/all"),
            await client.ask("tools/list", {"cursor": "x"}),
            await client.post(b"{"),
        ]
        assert all(said.status in (200, 400, 404) for said in refusals)
        assert (refusals[1].status, refusals[1].message["error"]) == (200, refusals[2].message["error"])
        assert all(said.headers.get("connection", "") != "close" for said in refusals)
        assert (await client.call("echo", n=1)).result["content"]
        if down != MODERN:
            assert (await client.ask("ping")).result == {}
